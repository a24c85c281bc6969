"""What the subjects are asked to do. Each function here runs in a process of its own.

Work goes in rounds, every subject in turn, so that what slows the machine down for a while slows all of them alike.
"""

import gc
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import create_engine, text

from benchmarks.clock import Clock, Figure, Peak
from benchmarks.databases import row_id
from benchmarks.subject import AGE, Subject
from benchmarks.subjects import DRIVERS, SUBJECTS, subject_at

T = TypeVar("T")
R = TypeVar("R")

ROUNDS, LONG_ROUNDS = 11, 5
REQUESTS = 48
THREADS = 8
DISTANT = "PostgreSQL, 1 ms away"
PAGES = 10
FIRST, LATE = 0, 1_000_000
"""The rows that pages start after."""
BULK, TIMED = 100_000, 25_000
"""How many users are inserted when memory is measured, and how many are inserted or streamed in each round."""

REQUEST_WORKS = ("register", "get", "change", "remove")
FIRST_PAGE, LATE_PAGE = "page 1", f"page at row {LATE:,}"
STREAM, INSERT, MAKE_AND_INSERT = "stream", "bulk insert", "make and bulk insert"

STARTS = {
    "python": [sys.executable, "-c", "pass"],
    "import sqlalchemy.orm": [sys.executable, "-c", "import sqlalchemy.orm"],
    "import adapters.container": [sys.executable, "-c", "import adapters.container"],
    "import advanced_alchemy.repository": [sys.executable, "-c", "import advanced_alchemy.repository"],
    "import sqlmodel": [sys.executable, "-c", "import sqlmodel"],
    "import django.db.models": [sys.executable, "-c", "import django.db.models"],
    "groundwork --help": [str(Path(sys.executable).with_name("groundwork")), "--help"],
}


def requests(database: str, url: str) -> list[Figure]:
    """Register, get, change and remove users, one request after another."""
    return _requests(Clock(database), _open(database, url), _one_by_one)


def distant_requests(database: str, url: str) -> list[Figure]:
    """The same, of a server that is further away."""
    return _requests(Clock(DISTANT), _open(database, url), _one_by_one, LONG_ROUNDS)


def requests_by_threads(database: str, url: str) -> list[Figure]:
    """The same, asked by 8 threads at once."""
    with ThreadPoolExecutor(THREADS) as pool:

        def at_once(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
            shares = [items[start::THREADS] for start in range(THREADS)]
            return [
                result for done in pool.map(lambda share: [work(item) for item in share], shares) for result in done
            ]

        return _requests(Clock(f"{database}, {THREADS} threads"), _open(database, url), at_once)


def _one_by_one(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [work(item) for item in items]


class _Run(Protocol):
    def __call__(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]: ...


def _requests(clock: Clock, subjects: list[Subject], run: _Run, rounds: int = ROUNDS) -> list[Figure]:
    ids: dict[str, list[UUID]] = {}

    def register(subject: Subject) -> None:
        ids[subject.name] = run(lambda _: subject.register(), range(REQUESTS))

    def get(subject: Subject) -> None:
        run(subject.get, ids[subject.name])

    def change(subject: Subject) -> None:
        run(lambda user: subject.change(user, AGE + 1), ids[subject.name])

    def remove(subject: Subject) -> None:
        run(subject.remove, ids[subject.name])

    for in_turn in _warmed_up(clock, subjects, rounds):
        for name, work in zip(REQUEST_WORKS, (register, get, change, remove), strict=True):
            for subject in _tidy(in_turn):
                with clock.turn(name, subject.name, REQUESTS):
                    work(subject)
    return clock.figures


def pages(database: str, url: str) -> list[Figure]:
    """Read pages at both ends of a million users."""
    clock, subjects = Clock(database), _open(database, url)
    for in_turn in _warmed_up(clock, subjects):
        for work, row in (FIRST_PAGE, FIRST), (LATE_PAGE, LATE):
            for subject in _tidy(in_turn):
                with clock.turn(work, subject.name, PAGES):
                    for _ in range(PAGES):
                        subject.page(row_id(row))
    return clock.figures


def streams(database: str, url: str) -> list[Figure]:
    """Stream users."""
    clock, subjects = Clock(database), _able(_open(database, url), "stream")
    for in_turn in _in_turn(subjects, LONG_ROUNDS):
        for subject in _tidy(in_turn):
            with clock.turn(STREAM, subject.name, TIMED):
                subject.stream(_look_at)
    return clock.figures


def bulk(database: str, url: str) -> list[Figure]:
    """Insert many users at once: first such as exist, then such as are only made now."""
    clock, subjects = Clock(database), _able(_open(database, url), "insert")
    bare = create_engine(url)

    def empty() -> None:
        with bare.begin() as connection:
            connection.execute(text("DELETE FROM users"))

    for in_turn in _in_turn(subjects, LONG_ROUNDS):
        for subject in _tidy(in_turn):
            users = list(subject.make(TIMED))
            with clock.turn(INSERT, subject.name, TIMED):
                subject.insert(users)
            del users
            empty()
        for subject in _tidy(in_turn):
            with clock.turn(MAKE_AND_INSERT, subject.name, TIMED):
                subject.insert(subject.make(TIMED))
            empty()
    return clock.figures


def peak(database: str, url: str, place: str, work: str) -> Peak:
    """Measure how much memory one subject needs for one work."""
    measured = subject_at(place)(url)
    measured.get(measured.register())
    before = _peak_mb()
    if work == STREAM:
        measured.stream(_look_at)
    else:
        measured.insert(measured.make(BULK))
    return Peak(database, work, measured.name, _peak_mb() - before)


def starts() -> list[Figure]:
    """Start programs."""
    figures = [Figure("starting", "start", name) for name in STARTS]
    for _ in range(LONG_ROUNDS):
        for figure in figures:
            cpu, wall = _cpu_of_children(), perf_counter()
            subprocess.run(STARTS[figure.subject], check=True, stdout=subprocess.DEVNULL)
            figure.wall_us.append((perf_counter() - wall) * 1e6)
            figure.cpu_us.append((_cpu_of_children() - cpu) * 1e6)
    return figures


def _open(database: str, url: str) -> list[Subject]:
    subjects = [subject_at(place)(url) for place in (DRIVERS[database], *SUBJECTS)]
    for opened in subjects:
        _see_work(opened, by=subjects[0])
    return subjects


def _see_work(subject: Subject, *, by: Subject) -> None:
    """Assert that what a subject has done is in the database."""
    id = subject.register()
    assert subject.get(id) == by.get(id) == AGE
    assert (subject.change(id, AGE + 1), by.get(id)) == (2, AGE + 1), subject.name
    assert subject.page(row_id(0)) == by.page(row_id(0)), subject.name
    subject.remove(id)
    assert by.page(UUID(int=id.int - 1)) == 0, subject.name


def _able(subjects: list[Subject], method: str) -> list[Subject]:
    return [subject for subject in subjects if getattr(type(subject), method) is not getattr(Subject, method)]


def _warmed_up(clock: Clock, subjects: list[Subject], rounds: int = ROUNDS) -> Iterator[list[Subject]]:
    yield subjects
    clock.forget()
    gc.freeze()  # what the libraries have loaded is no garbage; nobody need look at it again
    yield from _in_turn(subjects, rounds)


def _in_turn(subjects: list[Subject], rounds: int) -> Iterator[list[Subject]]:
    for number in range(rounds):
        first = number % len(subjects)
        yield subjects[first:] + subjects[:first]


def _tidy(subjects: list[Subject]) -> Iterator[Subject]:
    for subject in subjects:
        gc.collect()  # nobody pays for the garbage of the one before
        yield subject


def _look_at(age: int) -> None: ...


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
