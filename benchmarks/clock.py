"""The clocks: what one turn of a subject at a work takes, and what all its turns say together."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time


@dataclass
class Figure:
    """What a subject took for a work: one number for each round, in microseconds for each operation."""

    place: str
    work: str
    subject: str
    cpu_us: list[float] = field(default_factory=list)
    wall_us: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The median of the CPU times."""
        return median(self.cpu_us)

    @property
    def wall(self) -> float:
        """The median of the times on the wall."""
        return median(self.wall_us)


@dataclass
class Peak:
    """How much a work raised the most memory that its process has had, in MB."""

    place: str
    work: str
    subject: str
    mb: float


class Clock:
    """Takes the time of turns at one place: a database, asked in one way."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._figures: dict[tuple[str, str], Figure] = {}

    @property
    def figures(self) -> list[Figure]:
        """What was measured since the subjects were warmed up."""
        return list(self._figures.values())

    @contextmanager
    def turn(self, work: str, subject: str, operations: int) -> Generator[None]:
        """Time the block, in which so many operations of a work are done."""
        cpu, wall = process_time(), perf_counter()
        yield
        cpu, wall = process_time() - cpu, perf_counter() - wall
        figure = self._figures.setdefault((work, subject), Figure(self._place, work, subject))
        figure.cpu_us.append(round(cpu / operations * 1e6, 2))
        figure.wall_us.append(round(wall / operations * 1e6, 2))

    def forget(self) -> None:
        """Forget the turns so far: they warmed the subjects up."""
        self._figures.clear()
