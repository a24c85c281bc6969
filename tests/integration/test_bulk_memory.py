"""Bulk work on a database keeps a batch or two of things in memory, however many there are."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from weakref import ref

import pytest

from adapters.repository import BATCH
from service_layer import users
from tests.ordering import Order, OrderingUnitOfWork

pytestmark = pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)

MANY = 4 * BATCH
T = TypeVar("T")


class Row(dict[str, Any]):
    """A row that can be watched."""


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


def test_what_is_inserted_or_streamed_is_let_go(uow: OrderingUnitOfWork) -> None:
    inserted, streamed = Watch(), Watch()

    with uow:
        uow.orders.insert_many(inserted(Order(number=f"A-{n}") for n in range(MANY)))
        uow.commit()
    with uow.reading():
        numbers = sum(1 for _ in streamed(uow.orders.stream()))

    assert numbers == MANY
    assert 0 < inserted.most <= 2 * BATCH
    assert 0 < streamed.most <= 2 * BATCH


def test_what_is_imported_is_let_go(uow: OrderingUnitOfWork) -> None:
    rows = Watch()

    users.import_users(uow, rows(Row(name=f"User {n}", age=30) for n in range(MANY)))

    assert 0 < rows.most <= 2 * BATCH
    with uow.reading():
        assert uow.users.count() == MANY
