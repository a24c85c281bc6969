"""The rules of the unit of work, on every implementation. What is not saved is read back through a second unit."""

import asyncio
import copy
import gc
from collections.abc import Callable, Generator
from threading import Thread

import pytest

from service_layer.seedwork.errors import (
    ConcurrencyConflict,
    FailedTransaction,
    UncommittedChanges,
    UnitOfWorkMisuse,
)
from tests.seedwork.backends import Loop, NewUnit, Units
from tests.seedwork.fixtures import ASYNCHRONOUS, BACKENDS, OpenBackend, opener, synchronous
from tests.seedwork.ordering import (
    Line,
    Money,
    Order,
    OrderId,
    OrderIdAlreadyUsed,
    OrderingUnitOfWork,
    OrderNotFound,
    OrderNumberTaken,
)


class Interrupted(Exception):
    """What a caller's own code raises."""


@pytest.fixture(params=[*BACKENDS, *ASYNCHRONOUS])
def open_backend(
    request: pytest.FixtureRequest, units: Units[OrderingUnitOfWork], loop: Loop
) -> OpenBackend[OrderingUnitOfWork]:
    """How to open each back end in turn, the asynchronous drivers included."""
    return opener(request, units, loop)


def given_order(new_unit: NewUnit[OrderingUnitOfWork], number: str = "A-1", **values: object) -> OrderId:
    order = Order(number=number, **values)  # type: ignore[arg-type]  # each test passes values of the right types
    with new_unit() as uow:
        uow.orders.add(order)
        uow.commit()
    return order.id


def numbers(new_unit: NewUnit[OrderingUnitOfWork]) -> list[str]:
    """What a second, independent unit of work sees."""
    with new_unit().reading() as uow:
        return sorted(order.number for order in uow.orders.page().items)


# ---- explicit commit ----------------------------------------------------------------------------------------------


def test_what_is_committed_is_saved(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_a_block_left_without_commit_saves_nothing_and_raises(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with pytest.raises(UncommittedChanges, match=r"neither uow\.commit\(\) nor uow\.rollback\(\)"), uow:
        uow.orders.add(Order(number="A-1"))

    assert numbers(new_unit) == []


def test_changes_that_were_flushed_only_are_not_saved_and_raise(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with pytest.raises(UncommittedChanges), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()

    assert numbers(new_unit) == []


def test_a_forgotten_change_of_a_loaded_entity_raises(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with pytest.raises(UncommittedChanges), uow:
        uow.orders.get(order_id).number = "B-2"

    assert numbers(new_unit) == ["A-1"]


def test_a_forgotten_removal_raises(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order_id = given_order(new_unit)

    with pytest.raises(UncommittedChanges), uow:
        uow.orders.remove(uow.orders.get(order_id))

    assert numbers(new_unit) == ["A-1"]


@pytest.mark.parametrize(
    "change",
    [lambda order: setattr(order, "number", "B-2"), lambda order: order.add_line("chair")],
    ids=["its own", "a part"],
)
def test_a_change_between_the_commit_and_the_end_of_the_block_raises(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], change: Callable[[Order], None]
) -> None:
    order = Order(number="A-1")

    with pytest.raises(UncommittedChanges), uow:
        uow.orders.add(order)
        uow.commit()
        change(order)

    with new_unit().reading() as other:
        assert (other.orders.get(order.id).number, other.orders.get(order.id).lines) == ("A-1", [])


def test_a_change_between_an_inner_commit_and_the_end_of_its_block_is_the_outer_ones(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        with uow:
            uow.orders.add(order)
            uow.commit()
            order.number = "B-2"
        uow.commit()

    assert numbers(new_unit) == ["B-2"]


def test_a_block_that_only_read_needs_no_commit(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order_id = given_order(new_unit)

    with uow:
        order = uow.orders.get(order_id)
        order.number = order.number

    assert order.number == "A-1"


def test_an_exception_rolls_back_and_is_not_replaced(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    mine = Interrupted("mine")

    with pytest.raises(Interrupted) as caught, uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        raise mine

    assert caught.value is mine
    assert numbers(new_unit) == []


def test_the_error_of_a_forgotten_commit_leaves_the_unit_closed(uow: OrderingUnitOfWork) -> None:
    with pytest.raises(UncommittedChanges), uow:
        uow.orders.add(Order(number="A-1"))

    assert not uow.is_open
    with uow:
        assert uow.orders.count() == 0


def test_rollback_undoes_without_an_error(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        uow.rollback()

    assert numbers(new_unit) == []


# ---- one block, one transaction -----------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [OrderingUnitOfWork.commit, OrderingUnitOfWork.rollback], ids=["commit", "rollback"])
def test_after_its_end_a_block_refuses_work(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], end: Callable[[OrderingUnitOfWork], None]
) -> None:
    order_id = given_order(new_unit)

    with uow:
        orders = uow.orders
        orders.get(order_id)
        end(uow)

        for work in (
            lambda: uow.orders,
            lambda: orders.get(order_id),
            lambda: orders.find(order_id),
            lambda: orders.add(Order(number="B-2")),
            lambda: orders.page(),
            lambda: orders.count(),
            uow.flush,
            uow.commit,
            uow.rollback,
            uow.__enter__,
            uow.reading().__enter__,
        ):
            with pytest.raises(UnitOfWorkMisuse, match=r"in a block that was (committed|rolled back)\. .*with uow:"):
                work()

    assert numbers(new_unit) == ["A-1"]


def test_outside_a_block_nothing_works_and_the_error_says_what_to_write(uow: OrderingUnitOfWork) -> None:
    for work in (lambda: uow.orders, uow.flush, uow.commit, uow.rollback):
        with pytest.raises(UnitOfWorkMisuse, match=r"outside a block\. Write it inside: with uow:"):
            work()


def test_a_repository_kept_from_a_block_refuses_work_outside_of_it(uow: OrderingUnitOfWork) -> None:
    with uow:
        orders = uow.orders

    with pytest.raises(UnitOfWorkMisuse, match="outside a block"):
        orders.count()


def test_a_use_case_that_needs_transactions_of_its_own_refuses_an_open_block(uow: OrderingUnitOfWork) -> None:
    uow.require_closed("archive_orders() commits each batch")

    with (
        uow,
        pytest.raises(UnitOfWorkMisuse, match=r"archive_orders\(\) commits .* outside of: with uow:"),
    ):
        uow.require_closed("archive_orders() commits each batch")


def test_a_unit_reports_whether_it_is_open(uow: OrderingUnitOfWork) -> None:
    assert not uow.is_open
    with uow:
        assert uow.is_open
        uow.commit()
        assert uow.is_open
    assert not uow.is_open
    with uow.reading():
        assert uow.is_open
    assert not uow.is_open


def test_the_commit_releases_the_lock(open_backend: OpenBackend[OrderingUnitOfWork]) -> None:
    with open_backend(lock_timeout_s=0.1) as backend:
        with backend.new_unit() as uow:
            uow.orders.add(Order(number="A-1"))
            uow.commit()
            given_order(backend.new_unit, "B-2")

        assert numbers(backend.new_unit) == ["A-1", "B-2"]


def test_a_unit_can_be_entered_again(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with pytest.raises(Interrupted), uow:
        uow.orders.add(Order(number="A-1"))
        raise Interrupted

    with uow:
        uow.orders.add(Order(number="B-2"))
        uow.commit()

    with uow:
        uow.orders.add(Order(number="C-3"))
        uow.commit()

    assert numbers(new_unit) == ["B-2", "C-3"]


# ---- blocks nest --------------------------------------------------------------------------------------------------


def test_committed_inner_blocks_are_saved_with_the_outer_one(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        with uow:
            uow.orders.add(Order(number="A-1"))
            uow.commit()
        with uow:
            with uow:
                uow.orders.add(Order(number="B-2"))
                uow.commit()
            uow.commit()
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-2"]


def test_an_inner_commit_saves_nothing_by_itself(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with pytest.raises(UncommittedChanges), uow, uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert numbers(new_unit) == []


def test_a_failing_inner_block_loses_its_own_changes_alone(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1")

    with uow:
        order = uow.orders.get(order_id)
        order.number = "A-2"
        with pytest.raises(Interrupted), uow:
            order.number = "A-3"
            uow.orders.add(Order(number="B-1"))
            uow.flush()
            raise Interrupted
        assert uow.orders.get(order_id) is order
        assert order.number == "A-2"
        uow.orders.add(Order(number="C-1"))
        uow.commit()

    assert numbers(new_unit) == ["A-2", "C-1"]


def test_an_inner_block_that_fails_first_leaves_what_was_there_before(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1")

    with uow:
        with pytest.raises(Interrupted), uow:
            uow.orders.get(order_id)
            raise Interrupted
        assert uow.orders.get(order_id).number == "A-1"
        uow.orders.add(Order(number="B-2"))
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-2"]


def test_an_inner_block_left_without_commit_loses_its_own_changes_and_raises(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(UncommittedChanges), uow:
            uow.orders.add(Order(number="B-2"))
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_an_inner_block_can_be_rolled_back_explicitly(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with uow:
            uow.orders.add(Order(number="B-2"))
            uow.rollback()
        with uow:
            uow.orders.add(Order(number="C-3"))
            uow.commit()
        uow.commit()

    assert numbers(new_unit) == ["A-1", "C-3"]


def test_what_an_inner_block_rolled_back_does_not_count_as_a_forgotten_change(uow: OrderingUnitOfWork) -> None:
    with uow, uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        uow.rollback()


def test_work_between_an_inner_commit_and_the_end_of_its_block_is_refused(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        with uow:
            uow.commit()
            with pytest.raises(UnitOfWorkMisuse, match="committed"):
                uow.orders.add(Order(number="A-1"))
        uow.orders.add(Order(number="B-2"))
        uow.commit()

    assert numbers(new_unit) == ["B-2"]


def test_an_entity_removed_in_an_inner_block_that_failed_is_there_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with uow:
        order = uow.orders.get(order_id)
        with pytest.raises(Interrupted), uow:
            uow.orders.remove(order)
            assert uow.orders.find(order_id) is None
            uow.flush()
            raise Interrupted
        uow.orders.get(order_id).number = "A-2"
        uow.commit()

    assert numbers(new_unit) == ["A-2"]


def test_an_entity_added_in_an_inner_block_that_failed_can_be_added_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")

    with uow:
        with pytest.raises(Interrupted), uow:
            uow.orders.add(order)
            uow.flush()
            raise Interrupted
        assert uow.orders.find(order.id) is None
        uow.orders.add(order)
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_an_entity_changed_in_an_inner_block_that_failed_can_be_used_on(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1", lines=[Line(product="chair", quantity=1)])

    with uow:
        order = uow.orders.get(order_id)
        with pytest.raises(Interrupted), uow:
            order.number = "A-2"
            order.lines[0].quantity = 2
            uow.flush()
            order.add_line("table")
            raise Interrupted
        order.deposit = Money(500, "EUR")
        uow.commit()

    assert (order.number, order.deposit, order.version) == ("A-1", Money(500, "EUR"), 2)
    assert [(line.product, line.quantity) for line in order.lines] == [("chair", 1)]


@pytest.mark.parametrize("sent", [False, True], ids=["not sent before", "sent before"])
def test_an_entity_changed_in_an_inner_block_whose_changes_are_refused_can_be_used_on(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], *, sent: bool
) -> None:
    given_order(new_unit, "B-1")
    order_id = given_order(
        new_unit, "A-1", lines=[Line(product="chair", quantity=1), Line(product="table", quantity=1)]
    )

    with uow:
        order = uow.orders.get(order_id)
        with pytest.raises(OrderNumberTaken), uow:
            order.number = "A-2"
            order.lines[0].quantity = 2
            del order.lines[1]
            order.add_line("lamp")
            if sent:
                uow.flush()
            uow.orders.add(Order(number="B-1"))
            uow.flush()
        order.deposit = Money(500, "EUR")
        uow.commit()

    with new_unit().reading() as reader:
        stored = reader.orders.get(order_id)
    for read in (order, stored):
        assert (read.number, read.deposit, read.version) == ("A-1", Money(500, "EUR"), 2)
        assert [(line.product, line.quantity) for line in read.lines] == [("chair", 1), ("table", 1)]


def test_an_entity_changed_in_an_inner_block_that_failed_is_readable_after_the_outer_one(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1", lines=[Line(product="chair", quantity=1)])

    with uow:
        order = uow.orders.get(order_id)
        with pytest.raises(Interrupted), uow:
            order.lines[0].quantity = 2
            raise Interrupted

    assert (order.number, order.version) == ("A-1", 1)
    assert [(line.product, line.quantity) for line in order.lines] == [("chair", 1)]


def test_an_entity_loaded_and_removed_in_an_inner_block_that_failed_is_the_same_object_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with uow:
        with pytest.raises(Interrupted), uow:
            order = uow.orders.get(order_id)
            uow.orders.remove(order)
            uow.flush()
            raise Interrupted
        assert uow.orders.get(order_id) is order


def test_an_entity_that_took_over_an_id_in_an_inner_block_that_failed_is_new_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)
    heir = Order(id=order_id, number="B-2")

    with uow:
        order = uow.orders.get(order_id)
        with pytest.raises(Interrupted), uow:
            uow.orders.remove(order)
            uow.orders.add(heir)
            uow.flush()
            raise Interrupted
        uow.orders.remove(order)
        uow.orders.add(heir)
        uow.commit()

    assert heir.version == 1
    assert numbers(new_unit) == ["B-2"]


# ---- reading ------------------------------------------------------------------------------------------------------


def test_a_reading_block_reads(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order_id = given_order(new_unit)

    with uow.reading() as reader:
        assert reader is uow
        order = uow.orders.get(order_id)

    assert order.number == "A-1"


def test_a_reading_block_refuses_to_commit(uow: OrderingUnitOfWork) -> None:
    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match="commit.* in a reading block.* with uow:"):
        uow.commit()


def test_a_write_in_a_reading_block_fails(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow.reading():
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(UnitOfWorkMisuse, match="A write in a reading block"):
            uow.flush()

    assert numbers(new_unit) == []


def test_a_write_pending_before_a_query_of_a_reading_block_fails(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow.reading():
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(UnitOfWorkMisuse, match="A write in a reading block"):
            uow.orders.count()

    assert numbers(new_unit) == []


def test_an_entity_changed_in_a_reading_block_fails_at_its_end(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with pytest.raises(UnitOfWorkMisuse, match="A write in a reading block"), uow.reading():
        uow.orders.get(order_id).number = "B-2"

    assert not uow.is_open
    assert numbers(new_unit) == ["A-1"]


def test_the_next_block_after_a_reading_one_writes(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow.reading():
        uow.orders.count()

    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_a_writing_block_inside_a_reading_one_is_refused_on_entry(uow: OrderingUnitOfWork) -> None:
    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match="inside a reading block"), uow:
        pytest.fail("entered")


def test_a_reading_block_joins_the_reading_block_around_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with uow.reading():
        with uow.reading():
            inner = uow.orders.get(order_id)
        assert uow.orders.get(order_id) is inner


def test_a_reading_block_inside_a_writing_one_refuses_only_commit_and_inner_blocks(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with uow.reading():
            assert uow.orders.by_number("A-1")
            uow.orders.add(Order(number="B-2"))
            uow.flush()
            with pytest.raises(UnitOfWorkMisuse, match="commit.* in a reading block"):
                uow.commit()
            with pytest.raises(UnitOfWorkMisuse, match="with uow: inside a reading block"), uow:
                pytest.fail("entered")
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-2"]


def test_an_exception_through_a_joined_reading_block_leaves_the_outer_block_working(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(Interrupted), uow.reading():
            raise Interrupted
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_a_reader_does_not_wait_for_the_writer_and_sees_none_of_its_work(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        assert numbers(new_unit) == []
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_a_reader_left_open_by_a_generator_does_not_keep_the_block_around_it_open(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    def read() -> Generator[int]:
        with uow.reading():
            yield uow.orders.count()

    reader = read()
    with pytest.raises(Interrupted), uow:
        uow.orders.add(Order(number="A-1"))
        next(reader)
        raise Interrupted

    assert not uow.is_open
    given_order(new_unit, "B-2")
    reader.close()
    with uow:
        uow.orders.add(Order(number="C-3"))
        uow.commit()
    assert numbers(new_unit) == ["B-2", "C-3"]


def test_a_generator_may_be_left_when_its_reading_block_is_over(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    def read() -> Generator[int]:
        with uow.reading():
            yield uow.orders.count()

    reader = read()
    next(reader)
    uow.rollback()
    uow.__exit__(None, None, None)
    with uow:
        reader.close()
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_leaving_a_block_that_is_not_open_is_refused(uow: OrderingUnitOfWork) -> None:
    with pytest.raises(UnitOfWorkMisuse, match="closed already"):
        uow.__exit__(None, None, None)


def test_all_that_a_reading_block_reads_is_of_one_moment(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")

    with uow.reading():
        assert uow.orders.count() == 1
        given_order(new_unit, "B-2")
        assert uow.orders.count() == 1
        assert uow.orders.by_number("B-2") is None

    with uow.reading():
        assert uow.orders.count() == 2


# ---- not shareable ------------------------------------------------------------------------------------------------


@synchronous
def test_another_thread_cannot_enter_an_open_unit(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    refused: list[str] = []

    def intrude() -> None:
        for enter in (uow.__enter__, uow.reading().__enter__):
            with pytest.raises(UnitOfWorkMisuse, match="open in another thread or task") as caught:
                enter()
            refused.append(str(caught.value))

    with uow:
        uow.orders.add(Order(number="A-1"))
        thread = Thread(target=intrude)
        thread.start()
        thread.join()
        uow.commit()

    assert len(refused) == 2
    assert numbers(new_unit) == ["A-1"]


@synchronous
def test_a_thread_that_is_started_after_the_end_of_the_one_that_entered_is_another(uow: OrderingUnitOfWork) -> None:
    refused: list[str] = []

    def intrude() -> None:
        with pytest.raises(UnitOfWorkMisuse, match="open in another thread or task") as caught:
            uow.__enter__()
        refused.append(str(caught.value))

    for target in (uow.__enter__, *[intrude] * 20):  # the system gives the number of an ended thread to the next one
        thread = Thread(target=target)
        thread.start()
        thread.join()
    uow.__exit__(None, None, None)

    assert len(refused) == 20


@synchronous
def test_another_thread_can_neither_work_in_an_open_unit_nor_commit_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    refused: list[str] = []

    def intrude() -> None:
        for work in (lambda: uow.orders, uow.flush, uow.commit, uow.rollback, lambda: orders.count()):
            with pytest.raises(UnitOfWorkMisuse, match="open in another thread or task") as caught:
                work()
            refused.append(str(caught.value))

    with uow:
        orders = uow.orders
        orders.add(Order(number="A-1"))
        thread = Thread(target=intrude)
        thread.start()
        thread.join()
        uow.commit()

    assert len(refused) == 5
    assert numbers(new_unit) == ["A-1"]


@synchronous
def test_another_thread_may_leave_an_open_unit_which_closes_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    uow.__enter__()
    uow.orders.add(Order(number="A-1"))
    thread = Thread(target=uow.__exit__, args=(Interrupted, Interrupted(), None))
    thread.start()
    thread.join()

    assert not uow.is_open
    assert numbers(new_unit) == []


@synchronous
def test_another_task_cannot_enter_an_open_unit(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    async def intrude() -> None:
        with pytest.raises(UnitOfWorkMisuse, match="open in another thread or task"):
            uow.__enter__()

    async def own() -> None:
        with uow:
            uow.orders.add(Order(number="A-1"))
            await asyncio.create_task(intrude())
            uow.commit()

    asyncio.run(own())

    assert numbers(new_unit) == ["A-1"]


@synchronous
def test_a_closed_unit_may_go_to_another_thread(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow:
        uow.orders.count()

    thread = Thread(target=given_order, args=(lambda: uow,))
    thread.start()
    thread.join()

    assert numbers(new_unit) == ["A-1"]


# ---- entities outlive the block -----------------------------------------------------------------------------------


def test_entities_are_readable_after_a_commit(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1", deposit=Money(500, "EUR"))
    order.add_line("chair", 2)

    with uow:
        uow.orders.add(order)
        uow.commit()

    assert (order.number, order.deposit, order.version) == ("A-1", Money(500, "EUR"), 1)
    assert [(line.product, line.quantity) for line in order.lines] == [("chair", 2)]


def test_entities_are_readable_after_a_reading_block(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1", deposit=Money(500, "EUR"))

    with uow.reading():
        order = uow.orders.get(order_id)

    assert (order.number, order.deposit, order.lines) == ("A-1", Money(500, "EUR"), [])


def test_entities_show_their_unsaved_values_after_an_uncommitted_block(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with pytest.raises(Interrupted), uow:
        changed, added = uow.orders.get(order_id), Order(number="B-2")
        changed.number = "A-2"
        uow.orders.add(added)
        uow.flush()
        raise Interrupted

    assert (changed.number, added.number) == ("A-2", "B-2")


def test_entities_are_readable_after_an_explicit_rollback(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with uow:
        order = uow.orders.get(order_id)
        order.number = "A-2"
        uow.flush()
        uow.rollback()

    assert order.number == "A-2"


def test_an_entity_whose_block_was_not_committed_can_be_added_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    order.add_line("chair")
    with pytest.raises(Interrupted), uow:
        uow.orders.add(order)
        uow.flush()
        raise Interrupted

    with uow:
        uow.orders.add(order)
        uow.commit()

    with new_unit().reading() as other:
        assert [line.product for line in other.orders.get(order.id).lines] == ["chair"]
    assert order.version == 1


def test_an_entity_whose_block_was_not_committed_can_be_changed_before_it_is_added_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1), Line(product="table", quantity=1)])
    with pytest.raises(Interrupted), uow:
        uow.orders.add(order)
        uow.flush()
        order.lines.pop()
        raise Interrupted
    order.lines.pop()
    order.add_line("lamp")

    with uow:
        uow.orders.add(order)
        uow.commit()

    with new_unit().reading() as other:
        assert [line.product for line in other.orders.get(order.id).lines] == ["lamp"]


def test_a_removed_entity_can_be_used_on_after_the_commit(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)

    with uow:
        order = uow.orders.get(order_id)
        uow.orders.remove(order)
        uow.commit()
        order.add_line("changed for display")

    order.number = "changed for display"
    assert numbers(new_unit) == []


def test_an_entity_of_a_block_that_was_not_saved_is_got_again_to_be_changed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit)
    with pytest.raises(Interrupted), uow:
        stale = uow.orders.get(order_id)
        stale.number = "A-2"
        uow.flush()
        raise Interrupted

    with pytest.raises(ConcurrencyConflict), uow:
        uow.orders.remove(stale)

    assert numbers(new_unit) == ["A-1"]


def test_entities_are_readable_after_a_failed_flush(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")
    loaded_id = given_order(new_unit, "B-2", lines=[Line(product="chair", quantity=1)])
    removed_id = given_order(new_unit, "C-3", lines=[Line(product="lamp", quantity=1)])

    with pytest.raises(OrderNumberTaken), uow:
        removed, loaded, added = uow.orders.get(removed_id), uow.orders.get(loaded_id), Order(number="A-1")
        uow.orders.remove(removed)
        uow.flush()
        loaded.deposit = Money(500, "EUR")
        uow.orders.add(added)
        uow.flush()

    assert (added.number, removed.number, removed.lines[0].product) == ("A-1", "C-3", "lamp")
    assert (loaded.number, loaded.deposit, loaded.lines[0].product) == ("B-2", Money(500, "EUR"), "chair")


def test_an_entity_can_be_copied_after_a_failed_flush(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")
    order_id = given_order(new_unit, "B-2", lines=[Line(product="chair", quantity=1)])

    with pytest.raises(OrderNumberTaken), uow:
        order = uow.orders.get(order_id)
        order.number = "A-1"
        uow.flush()

    assert [line.product for line in copy.deepcopy(order).lines] == ["chair"]


def test_a_flush_that_failed_has_counted_no_version(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")
    order_id = given_order(new_unit, "B-2")
    with pytest.raises(OrderNumberTaken), uow:
        order = uow.orders.get(order_id)
        order.add_line("chair")
        uow.orders.add(Order(number="A-1"))
        uow.flush()

    with uow:
        uow.orders.remove(order)
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_entities_are_readable_after_a_commit_that_failed(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1")
    given_order(new_unit, "B-2")

    with pytest.raises(OrderNumberTaken), uow:
        order = uow.orders.get(order_id)
        order.number = "B-2"
        uow.commit()

    assert (order.number, order.lines) == ("B-2", [])


def test_an_entity_added_and_removed_in_a_block_that_was_not_committed_can_be_added_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = Order(number="A-1")
    with pytest.raises(Interrupted), uow:
        uow.orders.add(order)
        uow.flush()
        uow.orders.remove(order)
        uow.flush()
        raise Interrupted

    with uow:
        uow.orders.add(order)
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


# ---- no silent loss -----------------------------------------------------------------------------------------------


def test_a_swallowed_failure_makes_the_commit_fail(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")

    with uow:
        uow.orders.add(Order(number="B-2"))
        uow.flush()
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(OrderNumberTaken):
            uow.flush()
        with pytest.raises(FailedTransaction, match=r"uow\.commit\(\) after a failure .*OrderNumberTaken") as caught:
            uow.commit()
        assert isinstance(caught.value.__cause__, OrderNumberTaken)

    assert numbers(new_unit) == ["A-1"]


def test_after_a_failure_a_block_refuses_every_other_work(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1")

    with uow:
        orders = uow.orders
        orders.add(Order(number="A-1"))
        with pytest.raises(OrderNumberTaken):
            orders.count()
        for work in (lambda: orders.get(order_id), uow.flush, uow.__enter__, uow.reading().__enter__):
            with pytest.raises(FailedTransaction):
                work()
        uow.rollback()


def test_a_failure_inside_an_inner_block_does_not_fail_the_outer_one(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")

    with uow:
        uow.orders.add(Order(number="B-2"))
        with pytest.raises(OrderNumberTaken), uow:
            uow.orders.add(Order(number="A-1"))
            uow.commit()
        uow.orders.add(Order(number="C-3"))
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-2", "C-3"]


def test_a_failure_swallowed_inside_an_inner_block_fails_that_block_alone(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")

    with uow:
        uow.orders.add(Order(number="B-2"))
        with uow:
            uow.orders.add(Order(number="A-1"))
            with pytest.raises(OrderNumberTaken):
                uow.flush()
            with pytest.raises(FailedTransaction):
                uow.commit()
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-2"]


def test_changes_that_fail_before_an_inner_block_begins_fail_the_outer_one(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")

    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(OrderNumberTaken), uow:
            pytest.fail("entered")
        with pytest.raises(FailedTransaction):
            uow.commit()

    assert numbers(new_unit) == ["A-1"]


# ---- errors -------------------------------------------------------------------------------------------------------


def test_a_broken_constraint_is_reported_at_the_flush_as_the_error_declared_beside_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = given_order(new_unit, "A-1")

    with pytest.raises(OrderNumberTaken, match="belongs to another order"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()

    with pytest.raises(OrderIdAlreadyUsed), uow:
        uow.orders.add(Order(id=order_id, number="B-2"))
        uow.flush()


def test_a_broken_constraint_is_reported_before_the_next_query(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")

    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.add(Order(number="A-1"))
        uow.orders.by_number("C-3")


def test_a_failing_commit_leaves_the_unit_usable(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    given_order(new_unit, "A-1")
    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    with uow:
        uow.orders.add(Order(number="B-2"))
        uow.commit()

    assert numbers(new_unit) == ["A-1", "B-2"]


def test_a_lost_race_is_a_conflict_and_saves_nothing(open_backend: OpenBackend[OrderingUnitOfWork]) -> None:
    with open_backend(lock_timeout_s=0.1) as backend:
        order_id = given_order(backend.new_unit, "A-1")
        first, second = backend.new_unit(), backend.new_unit()

        with first:
            first.orders.get(order_id).number = "first"
            first.flush()
            with pytest.raises(ConcurrencyConflict, match="pass its unit of work on"), second:
                second.orders.get(order_id).number = "second"
                second.commit()
            first.commit()

        assert numbers(backend.new_unit) == ["first"]


def test_the_isolation_level_that_every_database_has_is_accepted_everywhere(
    new_unit: NewUnit[OrderingUnitOfWork],
) -> None:
    uow = new_unit(isolation_level="SERIALIZABLE")

    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert numbers(new_unit) == ["A-1"]


def test_an_isolation_level_that_no_database_has_is_refused(new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with pytest.raises(UnitOfWorkMisuse, match=r"no isolation level 'CHAOS'\. Use .*SERIALIZABLE"):
        new_unit(isolation_level="CHAOS")


# ---- nothing is left behind ---------------------------------------------------------------------------------------


def test_a_unit_that_is_dropped_keeps_nothing_in_memory(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    with pytest.raises(OrderNotFound), uow:
        uow.orders.get(Order(number="never saved").id)
    gc.collect()

    given_order(new_unit)

    assert numbers(new_unit) == ["A-1"]
