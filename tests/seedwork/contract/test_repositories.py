"""What every repository promises, on every implementation."""

import gc
from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import InvalidValue
from service_layer.seedwork.errors import ConcurrencyConflict, UnitOfWorkMisuse
from tests.seedwork.backends import NewUnit
from tests.seedwork.ordering import (
    Line,
    Money,
    Order,
    OrderId,
    OrderIdAlreadyUsed,
    OrderingUnitOfWork,
    OrderNotFound,
    OrderNumberTaken,
    Status,
)


def saved(new_unit: NewUnit[OrderingUnitOfWork], *orders: Order) -> None:
    with new_unit() as uow:
        for order in orders:
            uow.orders.add(order)
        uow.commit()


def loaded(new_unit: NewUnit[OrderingUnitOfWork], order: Order) -> Order:
    """The order as a second, independent unit of work sees it."""
    with new_unit().reading() as uow:
        return uow.orders.get(order.id)


def lines(order: Order) -> list[tuple[str, int]]:
    return [(line.product, line.quantity) for line in order.lines]


# ---- get and find ------------------------------------------------------------------------------------------------


def test_what_was_added_comes_back_with_all_its_values(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    noon = datetime(2026, 2, 3, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    order = Order(number="A-1", deposit=Money(500, "EUR"))
    order.add_line("chair", 2)
    order.add_line("table")
    order.place(noon)
    saved(new_unit, order)

    twin = loaded(new_unit, order)

    assert twin is not order
    assert twin == order
    assert (twin.number, twin.status, twin.deposit, twin.version) == ("A-1", Status.PLACED, Money(500, "EUR"), 1)
    assert twin.placed_at == noon == datetime(2026, 2, 3, 10, 0, 0, 123456, tzinfo=UTC)
    assert lines(twin) == [("chair", 2), ("table", 1)]


def test_what_is_missing_comes_back_missing(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    twin = loaded(new_unit, order)

    assert (twin.status, twin.placed_at, twin.deposit, twin.lines) == (Status.DRAFT, None, None, [])


def test_nothing_is_found_under_an_unknown_id(uow: OrderingUnitOfWork) -> None:
    unknown = OrderId(new_id())

    with uow.reading():
        assert uow.orders.find(unknown) is None
        with pytest.raises(OrderNotFound, match=f"Order {unknown} does not exist") as caught:
            uow.orders.get(unknown)
    with uow, pytest.raises(OrderNotFound):
        uow.orders.get(unknown, for_update=True)

    assert caught.value.id == unknown


def test_a_reading_block_locks_nothing(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match="A write in a reading block"):
        uow.orders.get(order.id, for_update=True)


def test_an_id_that_is_no_uuid_is_refused(uow: OrderingUnitOfWork) -> None:
    with uow.reading():
        for work in (uow.orders.get, uow.orders.find, lambda after: uow.orders.page(after=after)):
            with pytest.raises(InvalidValue, match="it must be a UUID"):
                work("A-1")  # type: ignore[arg-type]  # on purpose


def test_within_a_block_an_entity_is_one_object(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        first = uow.orders.get(order.id)
        assert uow.orders.find(order.id) is first
        assert uow.orders.by_number("A-1") is first
        assert uow.orders.get(order.id, for_update=True) is first
        assert uow.orders.page().items[0] is first


def test_different_blocks_have_objects_of_their_own(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1", deposit=Money(500, "EUR"))
    order.add_line("chair")
    saved(new_unit, order)

    order.number = "changed after the block"
    order.lines[0].quantity = 99
    first = loaded(new_unit, order)
    first.number = "changed outside of any block"
    first.lines.clear()
    second = loaded(new_unit, order)

    assert (second.number, lines(second)) == ("A-1", [("chair", 1)])


def test_an_added_entity_is_found_before_the_commit(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.add(order)
        assert uow.orders.get(order.id) is order
        assert uow.orders.by_number("A-1") is order
        assert uow.orders.count() == 1
        assert uow.orders.page().items == (order,)
        uow.rollback()


def test_a_query_sees_what_the_block_has_changed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        uow.orders.get(order.id).number = "B-2"
        assert uow.orders.by_number("A-1") is None
        assert uow.orders.by_number("B-2") == order
        uow.rollback()


def test_a_locked_read_keeps_the_blocks_own_changes(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        uow.orders.get(order.id).number = "B-2"
        assert uow.orders.get(order.id, for_update=True).number == "B-2"
        uow.commit()

    assert loaded(new_unit, order).number == "B-2"


def test_a_broken_constraint_is_reported_when_an_unknown_entity_is_looked_for(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    saved(new_unit, Order(number="A-1"))

    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.add(Order(number="A-1"))
        uow.orders.find(OrderId(new_id()))


# ---- add ---------------------------------------------------------------------------------------------------------


def test_adding_twice_is_adding_once(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.add(order)
        uow.orders.add(order)
        uow.flush()
        uow.orders.add(order)
        uow.commit()

    assert loaded(new_unit, order).version == 1


def test_an_entity_of_another_block_is_not_added_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with (
        uow,
        pytest.raises(UnitOfWorkMisuse, match=f"Order {order.id}, which .* another block got. Get it"),
    ):
        uow.orders.add(order)


def test_a_part_of_another_block_cannot_come_with_a_new_root(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1)])
    saved(new_unit, order)

    with uow:
        taker = Order(number="B-2", lines=[uow.orders.get(order.id).lines.pop()])
        uow.orders.add(taker)
        uow.rollback()
    with pytest.raises(UnitOfWorkMisuse, match=r"^Line [-0-9a-f]{36} comes from another block"), uow:
        uow.orders.add(taker)
        uow.commit()
    with uow.reading():
        assert len(uow.orders.get(order.id).lines) == 1


@pytest.mark.parametrize("kept", [1, 0], ids=["held by the caller", "dropped"])
def test_another_entity_with_an_id_that_the_block_has_loaded_is_refused_at_the_flush(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], kept: int
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        held = [uow.orders.get(order.id)] * kept
        gc.collect()
        uow.orders.add(Order(id=order.id, number="B-2"))
        with pytest.raises(OrderIdAlreadyUsed):
            uow.flush()
        del held


def test_an_id_is_not_free_before_the_removal_of_its_owner_is_flushed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with pytest.raises(OrderIdAlreadyUsed), uow:
        held = uow.orders.get(order.id)
        uow.orders.add(Order(id=order.id, number="B-2"))
        uow.orders.remove(held)
        uow.commit()

    assert loaded(new_unit, order).number == "A-1"


def test_two_new_entities_with_one_id_are_reported_at_the_flush(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.add(order)
        uow.orders.add(Order(id=order.id, number="B-2"))
        with pytest.raises(OrderIdAlreadyUsed):
            uow.flush()


def test_an_id_is_free_again_after_a_removal(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)
    heir = Order(id=order.id, number="A-1")

    with uow:
        uow.orders.remove(uow.orders.get(order.id))
        uow.orders.add(heir)
        uow.commit()

    assert loaded(new_unit, order).version == 1


# ---- remove ------------------------------------------------------------------------------------------------------


def test_a_removed_entity_is_gone(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    order.add_line("chair")
    saved(new_unit, order)

    with uow:
        uow.orders.remove(uow.orders.get(order.id))
        assert uow.orders.find(order.id) is None
        assert uow.orders.by_number("A-1") is None
        assert uow.orders.count() == 0
        assert uow.orders.find(order.id) is None
        uow.commit()

    with pytest.raises(OrderNotFound):
        loaded(new_unit, order)


def test_an_entity_that_was_added_in_this_block_can_be_removed_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        uow.orders.add(order)
        uow.orders.remove(order)
        assert uow.orders.count() == 0
        uow.orders.add(order)
        uow.flush()
        uow.orders.remove(order)
        uow.commit()

    with pytest.raises(OrderNotFound):
        loaded(new_unit, order)


def test_a_removal_can_be_taken_back_in_its_block_with_its_parts(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    order.add_line("chair")
    saved(new_unit, order)

    with uow:
        held = uow.orders.get(order.id)
        uow.orders.remove(held)
        uow.orders.add(held)
        held.number = "B-2"
        uow.commit()

    twin = loaded(new_unit, order)
    assert (twin.number, lines(twin)) == ("B-2", [("chair", 1)])


def test_a_part_added_to_an_entity_goes_with_it(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        held = uow.orders.get(order.id)
        held.add_line("chair")
        uow.orders.remove(held)
        uow.commit()

    with pytest.raises(OrderNotFound):
        loaded(new_unit, order)


def test_an_entity_that_was_never_added_is_not_removed(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")

    with uow, pytest.raises(OrderNotFound, match=str(order.id)):
        uow.orders.remove(order)


def test_an_entity_is_not_removed_twice(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        held = uow.orders.get(order.id)
        uow.orders.remove(held)
        with pytest.raises(OrderNotFound):
            uow.orders.remove(held)
        uow.flush()
        with pytest.raises(OrderNotFound):
            uow.orders.remove(held)
        uow.commit()


def test_an_entity_of_an_earlier_block_can_be_removed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        uow.orders.remove(order)
        uow.commit()

    with pytest.raises(OrderNotFound):
        loaded(new_unit, order)


def test_an_entity_of_an_earlier_block_is_not_removed_once_it_was_changed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)
    with new_unit() as other:
        changed = other.orders.get(order.id)
        changed.number = "B-2"
        other.commit()

    with pytest.raises(ConcurrencyConflict, match="changed the same data first"), uow:
        uow.orders.remove(order)
        uow.commit()

    assert loaded(new_unit, changed).number == "B-2"


def test_an_entity_of_an_earlier_block_stands_for_the_one_of_this_block(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        held = uow.orders.get(order.id)
        uow.orders.remove(order)
        assert uow.orders.find(held.id) is None
        uow.commit()

    with pytest.raises(OrderNotFound):
        loaded(new_unit, order)


def test_an_entity_of_an_earlier_block_does_not_stand_for_a_newer_one(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        held = uow.orders.get(order.id)
        held.number = "B-2"
        uow.flush()
        with pytest.raises(ConcurrencyConflict):
            uow.orders.remove(order)
        uow.commit()

    assert loaded(new_unit, order).number == "B-2"


def test_an_entity_of_an_earlier_block_is_not_mistaken_for_a_new_one_with_its_id(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with pytest.raises(OrderIdAlreadyUsed), uow:
        uow.orders.add(Order(id=order.id, number="B-2"))
        uow.orders.remove(order)

    assert loaded(new_unit, order).number == "A-1"


# ---- versions ----------------------------------------------------------------------------------------------------


def test_each_saved_change_counts_once(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        changed = uow.orders.get(order.id)
        changed.number = "B-2"
        changed.deposit = Money(500, "EUR")
        uow.commit()

    assert changed.version == loaded(new_unit, order).version == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda order: order.add_line("table"),
        lambda order: setattr(order.lines[0], "quantity", 5),
        lambda order: order.lines.pop(),
        lambda order: setattr(order, "lines", [Line(product="lamp", quantity=1)]),
    ],
    ids=["a part added", "a part changed", "a part taken away", "all parts replaced"],
)
def test_a_change_of_a_part_counts_as_one_of_the_whole(
    uow: OrderingUnitOfWork,
    new_unit: NewUnit[OrderingUnitOfWork],
    change: object,
) -> None:
    order = Order(number="A-1")
    order.add_line("chair")
    saved(new_unit, order)

    with uow:
        changed = uow.orders.get(order.id)
        assert callable(change)
        change(changed)
        uow.commit()

    twin = loaded(new_unit, order)
    assert lines(twin) == lines(changed)
    assert twin.version == changed.version == 2


def test_a_part_set_to_the_value_that_it_has_counts_for_nothing(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    order.add_line("chair", 2)
    saved(new_unit, order)

    with uow:
        uow.orders.get(order.id).lines[0].quantity = 2
        uow.commit()

    assert loaded(new_unit, order).version == 1


def test_a_change_of_one_order_counts_for_no_other(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    changed, other = Order(number="A-1"), Order(number="B-2")
    changed.add_line("chair")
    other.add_line("chair")
    saved(new_unit, changed, other)

    with uow:
        uow.orders.get(other.id)
        uow.orders.get(changed.id).lines[0].quantity = 3
        uow.commit()

    assert (loaded(new_unit, changed).version, loaded(new_unit, other).version) == (2, 1)


def test_parts_come_back_in_the_order_in_which_they_were_made(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    for product in ("chair", "table", "lamp"):
        order.add_line(product)

    with uow:
        uow.orders.add(order)
        del order.lines[:2]
        order.add_line("shelf")
        uow.commit()

    assert lines(loaded(new_unit, order)) == [("lamp", 1), ("shelf", 1)]


# ---- constraints -------------------------------------------------------------------------------------------------


def test_a_unique_value_is_free_once_its_owner_gave_it_up(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        uow.orders.get(order.id).number = "B-2"
        uow.flush()
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert loaded(new_unit, order).number == "B-2"


def test_a_unique_value_is_not_free_before_the_change_that_gives_it_up_is_flushed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.remove(uow.orders.get(order.id))
        uow.orders.add(Order(number="A-1"))
        uow.commit()


def test_a_unique_value_is_free_for_a_new_entity_if_the_same_flush_changes_its_owner(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    saved(new_unit, order)

    with uow:
        uow.orders.get(order.id).number = "B-2"
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert loaded(new_unit, order).number == "B-2"


# ---- pages -------------------------------------------------------------------------------------------------------


def test_pages_follow_the_order_of_ids_and_end(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    orders = [Order(number=f"A-{n}") for n in range(5)]
    saved(new_unit, *reversed(orders))

    with uow.reading():
        first = uow.orders.page(limit=3)
        last = uow.orders.page(limit=3, after=first.next)

    assert [*first.items, *last.items] == sorted(orders, key=lambda order: order.id)
    assert (first.next, last.next) == (first.items[-1].id, None)


def test_a_query_of_its_own_has_a_range_an_order_and_pages(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    noon = datetime(2026, 2, 3, 12, tzinfo=UTC)
    hours = {"draft": None, "early": -1, "late": 2, "first": 0, "second": 1, "also second": 1}
    orders = {
        number: Order(number=number, placed_at=None if hour is None else noon + timedelta(hours=hour))
        for number, hour in hours.items()
    }
    saved(new_unit, *orders.values())
    since, until = noon, noon.astimezone(timezone(timedelta(hours=5))) + timedelta(hours=2)

    with uow:
        page = uow.orders.placed(since, until, limit=2)
        last = page[-1]
        assert last.placed_at
        rest = uow.orders.placed(since, until, after=(last.placed_at, last.id))
        assert [order.number for order in page] == ["first", "second"]
        assert [order.number for order in rest] == ["also second"]

        draft = uow.orders.get(orders["draft"].id)
        draft.placed_at = noon
        assert draft in uow.orders.placed(since, until)
        uow.rollback()


def test_a_cursor_may_be_the_id_of_an_entity_that_is_gone(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    orders = sorted((Order(number=f"A-{n}") for n in range(4)), key=lambda order: order.id)
    saved(new_unit, *orders)
    with uow:
        cursor = uow.orders.page(limit=2).next
        uow.orders.remove(orders[1])
        uow.commit()

    with uow.reading():
        assert uow.orders.page(after=cursor).items == (orders[2], orders[3])
