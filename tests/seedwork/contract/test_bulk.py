"""Many entities at once, on every implementation: reading them in a stream, and inserting them without tracking."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from domain.seedwork.repository import BATCH
from service_layer.seedwork.errors import ConcurrencyConflict, FailedTransaction, UncommittedChanges, UnitOfWorkMisuse
from tests.seedwork.backends import NewUnit
from tests.seedwork.ordering import Money, Order, OrderIdAlreadyUsed, OrderingUnitOfWork, OrderNumberTaken, Status

MANY = BATCH + 1


def orders(count: int, prefix: str = "A") -> list[Order]:
    return [Order(number=f"{prefix}-{n}") for n in range(count)]


def given(new_unit: NewUnit[OrderingUnitOfWork], *added: Order) -> None:
    with new_unit() as uow:
        uow.orders.insert_many(added)
        uow.commit()


def numbers(new_unit: NewUnit[OrderingUnitOfWork]) -> list[str]:
    """What a second, independent unit of work sees."""
    with new_unit().reading() as uow:
        return sorted(order.number for order in uow.orders.page(limit=1_000).items)


# ---- stream -------------------------------------------------------------------------------------------------------


def test_a_stream_gives_out_every_entity_once_in_order_of_id(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    many = orders(MANY)
    given(new_unit, *reversed(many))

    with uow.reading():
        streamed = [order.id for order in uow.orders.stream()]

    assert streamed == sorted(order.id for order in many)


def test_a_stream_gives_out_whole_aggregates(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1", deposit=Money(500, "EUR"))
    order.add_line("chair", 2)
    given(new_unit, order)

    with uow.reading():
        [streamed] = uow.orders.stream()

    assert (streamed.deposit, streamed.version) == (Money(500, "EUR"), 1)
    assert [(line.product, line.quantity) for line in streamed.lines] == [("chair", 2)]


def test_a_stream_sees_what_the_block_has_changed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order, other = orders(2)
    given(new_unit, order, other)

    with uow:
        uow.orders.get(order.id).number = "B-1"
        uow.orders.remove(uow.orders.get(other.id))
        uow.orders.add(Order(number="C-1"))
        assert [order.number for order in uow.orders.stream()] == ["B-1", "C-1"]
        uow.rollback()


def test_a_stream_ends_with_its_block(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    given(new_unit, *orders(MANY))

    with uow.reading():
        stream = uow.orders.stream()
        next(stream)

    with pytest.raises(UnitOfWorkMisuse, match="outside a block"):
        list(stream)


def half_read(uow: OrderingUnitOfWork) -> Iterator[Order]:
    stream = uow.orders.stream()
    next(stream)
    return stream


def test_a_stream_goes_on_where_it_was_in_the_next_block(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given(new_unit, *orders(MANY))

    with uow.reading():
        stream = half_read(uow)
    with uow.reading():
        assert len(list(stream)) == MANY - 1


@pytest.mark.parametrize("ends", ["by a commit", "by a rollback", "by an error"])
def test_a_stream_goes_on_in_the_block_around_the_one_in_which_it_began(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], ends: str
) -> None:
    given(new_unit, *orders(MANY))

    with uow:
        with suppress(LookupError), uow:
            stream = half_read(uow)
            if ends == "by an error":
                raise LookupError
            (uow.commit if ends == "by a commit" else uow.rollback)()
        assert len(list(stream)) == MANY - 1


@pytest.mark.parametrize("is_committed", [True, False])
def test_after_a_stream_that_was_left_half_read_every_block_sees_what_is_stored(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], *, is_committed: bool
) -> None:
    given(new_unit, *orders(MANY))
    with uow if is_committed else uow.reading():
        stream = half_read(uow)
        if is_committed:
            uow.commit()

    with new_unit().reading(), new_unit() as writer:  # on two connections
        writer.orders.add(Order(number="C-3"))
        writer.commit()
    with new_unit().reading() as one, new_unit().reading() as other:
        assert (one.orders.count(), other.orders.count()) == (MANY + 1, MANY + 1)

    assert next(stream).version == 1  # of the batch that was read


def test_a_stream_in_a_reading_block_is_of_one_moment(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given(new_unit, *orders(MANY))

    with uow.reading():
        stream = half_read(uow)
        given(new_unit, Order(number="C-3"))  # its id is the last
        assert len(list(stream)) == MANY - 1


def test_a_stream_may_be_left_early(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    given(new_unit, *orders(MANY))

    with uow:
        first = next(uow.orders.stream())
        uow.orders.get(first.id).number = "B-1"
        uow.commit()

    with new_unit().reading() as other:
        assert other.orders.by_number("B-1") == first


# ---- insert_many --------------------------------------------------------------------------------------------------


def test_what_was_inserted_comes_back_with_all_its_values(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    order = Order(number="A-1", status=Status.PLACED, placed_at=now, deposit=Money(500, "EUR"))
    order.add_line("chair", 2)
    order.add_line("table")
    bare = Order(number="B-1")

    with uow:
        uow.orders.insert_many([order, bare])
        uow.commit()

    with new_unit().reading() as other:
        found = other.orders.get(order.id)
        assert (found.number, found.status, found.placed_at) == ("A-1", Status.PLACED, now)
        assert (found.deposit, found.version) == (Money(500, "EUR"), 1)
        assert [(line.product, line.quantity) for line in found.lines] == [("chair", 2), ("table", 1)]
        assert (other.orders.get(bare.id).deposit, other.orders.get(bare.id).lines) == (None, [])


def test_more_than_a_batch_is_inserted(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow:
        uow.orders.insert_many(iter(orders(MANY)))
        uow.commit()

    with new_unit().reading() as other:
        assert other.orders.count() == MANY


def test_an_inserted_object_is_not_tracked(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.insert_many([order])
        order.number = "B-1"
        assert uow.orders.get(order.id) is not order
        uow.commit()

    assert order.version == 0
    assert numbers(new_unit) == ["A-1"]


def test_an_inserted_entity_can_be_got_and_changed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.insert_many([order])
        uow.orders.get(order.id).number = "B-1"
        uow.commit()

    with new_unit().reading() as other:
        assert (other.orders.get(order.id).number, other.orders.get(order.id).version) == ("B-1", 2)


def test_what_was_changed_before_is_sent_before(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    given(new_unit, order)

    with uow:
        uow.orders.get(order.id).number = "B-1"
        uow.orders.insert_many([Order(number="A-1")])
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-1"]


def test_an_insertion_that_is_not_committed_saves_nothing_and_raises(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with pytest.raises(UncommittedChanges), uow:
        uow.orders.insert_many(orders(2))

    assert numbers(new_unit) == []


def test_an_insertion_may_be_undone_alone_and_repeated(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        with uow:
            uow.orders.insert_many([order])
            uow.rollback()
        uow.orders.insert_many([order, Order(number="B-1")])
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-1"]


def test_an_insertion_that_breaks_a_constraint_is_reported_as_the_error_declared_beside_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    given(new_unit, order)

    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.insert_many([Order(number="B-1"), Order(number="A-1")])
    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.insert_many([Order(number="B-1"), Order(number="B-1")])
    with pytest.raises(OrderIdAlreadyUsed), uow:
        uow.orders.insert_many([Order(id=order.id, number="B-1")])

    assert numbers(new_unit) == ["A-1"]


def test_an_insertion_that_failed_and_was_swallowed_makes_the_commit_fail(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    def unreadable() -> Iterator[Order]:
        yield from orders(MANY)
        raise ValueError("the file is torn")

    with uow:
        with pytest.raises(ValueError, match="torn"):
            uow.orders.insert_many(unreadable())
        with pytest.raises(FailedTransaction, match="torn"):
            uow.commit()

    assert numbers(new_unit) == []


def test_a_failed_insertion_in_an_inner_block_does_not_fail_the_outer_one(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        uow.orders.insert_many([Order(number="A-1")])
        with pytest.raises(OrderNumberTaken), uow:
            uow.orders.insert_many([Order(number="B-1"), Order(number="A-1")])
        uow.orders.insert_many([Order(number="C-1")])
        uow.commit()

    assert numbers(new_unit) == ["A-1", "C-1"]


def test_a_reading_block_inserts_nothing(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow.reading():
        uow.orders.insert_many([])
    with pytest.raises(UnitOfWorkMisuse, match="A write in a reading block"), uow.reading():
        uow.orders.insert_many(orders(1))

    assert numbers(new_unit) == []


def test_inserting_nothing_is_no_change(uow: OrderingUnitOfWork) -> None:
    with uow:
        uow.orders.insert_many([])


def test_what_was_inserted_and_got_in_a_block_that_is_rolled_back_is_gone(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        with uow:
            uow.orders.insert_many([order])
            uow.orders.get(order.id)
            uow.rollback()
        assert uow.orders.find(order.id) is None
        uow.orders.insert_many([order])
        uow.orders.get(order.id)
        uow.rollback()

    assert numbers(new_unit) == []


@pytest.mark.parametrize("ends", ["commits", "is rolled back"])
def test_a_block_undoes_its_insertion_also_after_a_block_inside_it(
    ends: str, uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        with uow:
            uow.orders.insert_many([order])
            with uow:
                uow.commit() if ends == "commits" else uow.rollback()
            got = uow.orders.get(order.id)
            uow.rollback()
        with pytest.raises(UnitOfWorkMisuse):
            uow.orders.add(got)
        assert uow.orders.find(order.id) is None


def test_a_block_undoes_an_insertion_that_a_block_inside_it_has_handed_on(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")

    with uow:
        with uow:
            with uow:
                uow.orders.insert_many([order])
                uow.commit()
            with uow:
                uow.rollback()
            got = uow.orders.get(order.id)
            uow.rollback()
        with pytest.raises(UnitOfWorkMisuse):
            uow.orders.add(got)


def test_what_was_got_before_its_insertion_was_undone_can_neither_be_added_nor_removed(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")

    with uow:
        with uow:
            uow.orders.insert_many([order])
            got = uow.orders.get(order.id)
            uow.rollback()

        with pytest.raises(UnitOfWorkMisuse):
            uow.orders.add(got)
        with pytest.raises(ConcurrencyConflict):
            uow.orders.remove(got)


def test_what_is_inserted_in_the_place_of_what_was_removed_is_another_object(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.add(order)
        uow.flush()
        uow.orders.remove(order)
        uow.orders.insert_many([Order(id=order.id, number="A-2")])
        found = uow.orders.get(order.id)

        assert (found.number, order.number) == ("A-2", "A-1")
        uow.rollback()
