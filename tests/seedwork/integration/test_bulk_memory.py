"""Bulk work on a database keeps a batch or two of objects in memory, however many there are."""

import pytest

from domain.seedwork.repository import BATCH
from tests.seedwork.ordering import Order, OrderingUnitOfWork
from tests.seedwork.watch import Watch

pytestmark = pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)

MANY = 4 * BATCH


def test_what_is_inserted_or_streamed_does_not_stay_in_memory(uow: OrderingUnitOfWork) -> None:
    inserted, streamed = Watch(), Watch()

    with uow:
        uow.orders.insert_many(inserted(Order(number=f"A-{n}") for n in range(MANY)))
        uow.commit()
    with uow.reading():
        numbers = sum(1 for _ in streamed(uow.orders.stream()))

    assert numbers == MANY
    assert 0 < inserted.most <= 2 * BATCH
    assert 0 < streamed.most <= 2 * BATCH


def test_what_a_reading_block_has_read_does_not_stay_in_memory(uow: OrderingUnitOfWork) -> None:
    with uow:
        uow.orders.insert_many(Order(number=f"A-{n}") for n in range(MANY))
        uow.commit()
    read = Watch()

    with uow.reading():
        after = None
        for _ in range(MANY // 50):
            page = uow.orders.page(after=after)
            after = page.next
            assert list(read(page.items))
            del page

    assert 0 < read.most <= 2 * BATCH
