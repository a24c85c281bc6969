"""Counts how many of the objects that an iterator yields are in memory at once."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from weakref import ref

from domain.seedwork.repository import BATCH

T = TypeVar("T")


class Watch:
    """Counts how many of the objects that it has yielded are in memory at once."""

    def __init__(self) -> None:
        self.passed: list[ref[Any]] = []
        self.most = 0

    def __call__(self, objects: Iterable[T]) -> Iterator[T]:
        for passing in objects:
            self.passed.append(ref(passing))
            if len(self.passed) % (BATCH // 2) == 0:
                self.most = max(self.most, sum(passed() is not None for passed in self.passed))
            yield passing
