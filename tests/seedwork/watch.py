"""Sees how many of the things that pass are in memory at once."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from weakref import ref

from domain.seedwork.repository import BATCH

T = TypeVar("T")


class Watch:
    """Counts how many of the things that passed it are in memory at once."""

    def __init__(self) -> None:
        self.passed: list[ref[Any]] = []
        self.most = 0

    def __call__(self, things: Iterable[T]) -> Iterator[T]:
        for thing in things:
            self.passed.append(ref(thing))
            if len(self.passed) % (BATCH // 2) == 0:
                self.most = max(self.most, sum(passed() is not None for passed in self.passed))
            yield thing
