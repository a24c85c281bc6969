"""Races of real threads: none loses what another has saved, and whoever loses one gets an error or tries again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from adapters.seedwork.sqlalchemy import receipts
from adapters.seedwork.sqlalchemy.bulk import insert_if_absent
from domain.seedwork.entity import new_id
from domain.seedwork.errors import VersionMismatch
from service_layer.seedwork.errors import ConcurrencyConflict, FailedTransaction
from service_layer.seedwork.once import once
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.backends import NewUnit, Units, database
from tests.seedwork.ordering import Money, Order, OrderId, OrderingUnitOfWork, OrderNumberTaken
from tests.seedwork.use_cases import (
    OrderDetails,
    add_order,
    get_order,
    list_orders,
    raise_deposit,
    remove_order,
    renumber_order,
)

THREADS = 8


@pytest.fixture(params=["sqlite", "postgresql", "postgresql SERIALIZABLE"])
def new_unit(request: pytest.FixtureRequest, units: Units[OrderingUnitOfWork]) -> Iterator[NewUnit[OrderingUnitOfWork]]:
    name, _, level = request.param.partition(" ")
    url = request.getfixturevalue(f"{name}_url")
    with database(units, url) as backend:
        yield partial(backend.new_unit, level or None)


@pytest.fixture
def order(new_unit: NewUnit[OrderingUnitOfWork]) -> OrderDetails:
    return add_order(new_unit(), "A-1")


@pytest.fixture
def with_a_chair(new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails) -> None:
    """Let the order have a line."""
    with new_unit() as uow:
        uow.orders.get(order.id).add_line("chair")
        uow.commit()


def in_threads(*works: Callable[[], object]) -> list[object]:
    """What each returns, or raises, when all of them start at the same moment."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(run, work) for work in works]
    return [future.exception() or future.result() for future in futures]


def test_no_increment_is_lost(new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails) -> None:
    def work() -> None:
        uow = new_unit()
        for _ in range(25):
            raise_deposit(uow, order.id)

    assert in_threads(work, work, work, work) == [None] * 4

    after = get_order(new_unit(), order.id)
    assert (after.cents, after.version) == (100, order.version + 100)


def test_of_many_who_have_read_the_same_version_one_saves(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    def renumber() -> OrderDetails:
        return renumber_order(new_unit(), order.id, "B-2", expected_version=order.version)

    results = in_threads(*[renumber] * THREADS)

    assert [result for result in results if isinstance(result, OrderDetails)] == [get_order(new_unit(), order.id)]
    assert [type(result) for result in results].count(VersionMismatch) == THREADS - 1


def test_of_many_who_want_a_number_one_gets_it(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    def add() -> OrderDetails:
        return add_order(new_unit(), "A-1")

    results = in_threads(*[add] * THREADS)

    assert [result for result in results if isinstance(result, OrderDetails)] == [*list_orders(new_unit()).items]
    assert [type(result) for result in results].count(OrderNumberTaken) == THREADS - 1


def test_of_many_repetitions_of_a_request_all_get_the_same_order(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order_id = OrderId(new_id())

    def add() -> OrderDetails:
        return add_order(new_unit(), "A-1", voucher="V-1", order_id=order_id)

    results = in_threads(*[add] * THREADS)

    [order] = list_orders(new_unit()).items
    assert results == [order] * THREADS


@pytest.mark.parametrize("new_unit", ["sqlite", "postgresql SERIALIZABLE"], indirect=True)
def test_a_rule_about_many_rows_holds_if_transactions_are_serializable(
    new_unit: NewUnit[OrderingUnitOfWork],
) -> None:
    all_ids = [add_order(new_unit(), f"A-{n}").id for n in range(THREADS)]

    @retry_transient
    def remove_unless_last(uow: OrderingUnitOfWork, order_id: OrderId) -> None:
        with uow:
            if uow.orders.count() > 1:
                uow.orders.remove(uow.orders.get(order_id))
                uow.commit()

    results = in_threads(*(lambda order_id=order_id: remove_unless_last(new_unit(), order_id) for order_id in all_ids))

    assert results == [None] * THREADS
    assert len(list_orders(new_unit()).items) == 1


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)  # elsewhere nobody can write in between
def test_a_locked_read_shows_what_others_have_saved_since_the_first(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    with new_unit() as uow:
        loaded = uow.orders.get(order.id)
        raise_deposit(new_unit(), order.id)

        assert loaded.deposit is None
        assert uow.orders.get(order.id, for_update=True).deposit == Money(1, "EUR")
        uow.rollback()


@pytest.mark.usefixtures("with_a_chair")
@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
def test_who_removes_what_another_has_removed_gets_a_conflict_and_no_warning(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    with pytest.raises(ConcurrencyConflict), new_unit() as uow:
        loaded = uow.orders.get(order.id)
        remove_order(new_unit(), order.id)
        uow.orders.remove(loaded)
        uow.commit()


@pytest.mark.usefixtures("with_a_chair")
@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
def test_who_moves_a_part_that_another_has_moved_while_both_owners_were_loaded_gets_a_conflict(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    other = add_order(new_unit(), "B-2")

    with pytest.raises(ConcurrencyConflict), new_unit() as uow:
        source = uow.orders.get(order.id)
        with new_unit() as faster:
            before, after = faster.orders.get(order.id), faster.orders.get(other.id)
            after.lines.append(before.lines.pop())
            faster.commit()
        target = uow.orders.get(other.id)
        target.lines.append(source.lines.pop())
        uow.commit()


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)  # on SQLite the second writer waits at its BEGIN
def test_two_who_lock_each_others_rows_are_both_saved(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    other = add_order(new_unit(), "B-2")
    both_have_one = Barrier(2, timeout=10)

    def meet(*order_ids: OrderId) -> None:
        meetings = iter([both_have_one.wait])

        @retry_transient
        def raise_both(uow: OrderingUnitOfWork) -> None:
            with uow:
                for order_id in order_ids:
                    uow.orders.get(order_id, for_update=True)
                    raise_deposit(uow, order_id)
                    next(meetings, lambda: 0)()
                uow.commit()

        raise_both(new_unit())

    assert in_threads(lambda: meet(order.id, other.id), lambda: meet(other.id, order.id)) == [None, None]

    assert [found.cents for found in list_orders(new_unit()).items] == [2, 2]


@pytest.mark.usefixtures("with_a_chair")
@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
@pytest.mark.parametrize("what", ["the root", "a part", "another order"])
def test_an_inner_block_that_fails_does_not_let_the_outer_one_overwrite_what_another_has_saved_meanwhile(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails, what: str
) -> None:
    changes: dict[str, Callable[[OrderingUnitOfWork, Order], object]] = {
        "the root": lambda uow, read: setattr(read, "voucher", "V-1"),
        "a part": lambda uow, read: setattr(read.lines[0], "quantity", 9),
        "another order": lambda uow, read: uow.orders.insert_many([Order(number="B-2")]),
    }

    with pytest.raises(FailedTransaction) as caught, new_unit() as uow:
        read = uow.orders.get(order.id)
        quantity = read.lines[0].quantity
        with new_unit() as faster:
            faster.orders.get(order.id).lines[0].quantity = quantity + 1
            faster.commit()
        with uow:
            changes[what](uow, read)
            uow.rollback()
        read.lines[0].quantity = quantity + 1
        uow.commit()

    assert isinstance(caught.value.failure, ConcurrencyConflict)


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
@pytest.mark.parametrize("is_flushed", [False, True], ids=["before the flush", "after the flush"])
@pytest.mark.parametrize("writes_past", [False, True], ids=["", "after an insert_many"])
def test_an_inner_block_that_fails_does_not_let_the_outer_one_change_what_another_has_removed_meanwhile(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails, *, is_flushed: bool, writes_past: bool
) -> None:
    with pytest.raises(ConcurrencyConflict), new_unit() as uow:
        uow.orders.insert_many([Order(number="B-2")] * writes_past)
        read = uow.orders.get(order.id)
        remove_order(new_unit(), order.id)
        with suppress(ConcurrencyConflict), uow:
            read.voucher = "V-1"
            assert not is_flushed or uow.orders.count()
            uow.rollback()
        read.voucher = "V-1"
        uow.commit()


@pytest.mark.usefixtures("with_a_chair")
@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
def test_a_block_goes_on_without_what_another_has_removed_while_an_inner_one_failed(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    with new_unit() as uow:
        read = uow.orders.get(order.id)
        remove_order(new_unit(), order.id)
        for _ in range(2):
            with pytest.raises(ConcurrencyConflict), uow:
                read.lines[0].quantity = 9
                uow.commit()
        assert uow.orders.find(order.id) is None
        uow.orders.add(Order(number="B-2"))
        uow.commit()

    assert [found.number for found in list_orders(new_unit()).items] == ["B-2"]
    assert (read.number, read.lines[0].product) == ("A-1", "chair")


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
def test_an_inner_block_that_has_lost_a_race_may_be_run_again_if_it_alone_has_read_the_order(
    new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    with new_unit() as uow:
        with pytest.raises(ConcurrencyConflict), uow:
            read = uow.orders.get(order.id)
            raise_deposit(new_unit(), order.id)
            read.deposit = Money(1000, "EUR")
            uow.commit()
        raise_deposit(uow, order.id)
        uow.commit()

    assert get_order(new_unit(), order.id).cents == 2


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)
def test_a_request_whose_receipt_is_pruned_while_it_is_repeated_is_done_again(
    new_unit: NewUnit[OrderingUnitOfWork], monkeypatch: pytest.MonkeyPatch
) -> None:
    once(new_unit(), "a key", add_order, "A-1")

    def prune(*given: Any) -> bool:
        is_new = insert_if_absent(*given)
        with new_unit() as other:
            other.receipts.forget(datetime.now(UTC), limit=1)
            other.commit()
        monkeypatch.undo()
        return is_new

    monkeypatch.setattr(receipts, "insert_if_absent", prune)

    with pytest.raises(OrderNumberTaken):
        once(new_unit(), "a key", add_order, "A-1")
