"""What is called after the commit, on every implementation: in order, outside of the transaction, or not at all."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from unittest.mock import Mock

import pytest

from service_layer.seedwork.errors import ConcurrencyConflict, FailedTransaction, UncommittedChanges, UnitOfWorkMisuse
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.backends import Loop, NewUnit, Units
from tests.seedwork.fixtures import ASYNCHRONOUS, BACKENDS, OpenBackend, opener
from tests.seedwork.ordering import Order, OrderingUnitOfWork
from tests.seedwork.use_cases import add_order, list_orders


class Interrupted(Exception):
    """What a caller's own code raises."""


@pytest.fixture(params=[*BACKENDS, *ASYNCHRONOUS])
def open_backend(
    request: pytest.FixtureRequest, units: Units[OrderingUnitOfWork], loop: Loop
) -> OpenBackend[OrderingUnitOfWork]:
    """How to open each back end in turn, the asynchronous drivers included."""
    return opener(request, units, loop)


@pytest.fixture
def called() -> list[str]:
    """What was called."""
    return []


def numbers(uow: OrderingUnitOfWork) -> list[str]:
    return [order.number for order in list_orders(uow).items]


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_calls_run_in_order_when_the_block_is_left(uow: OrderingUnitOfWork, called: list[str]) -> None:
    with uow:
        uow.after_commit(lambda: called.append("first"))
        uow.orders.add(Order(number="A-1"))
        uow.after_commit(lambda: called.append("second"))
        uow.commit()
        assert called == []

    assert called == ["first", "second"]


def test_a_call_is_outside_of_the_transaction_and_may_open_a_block_of_its_own(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    seen: list[object] = []

    def call() -> None:
        seen.append((uow.is_open, numbers(new_unit())))
        add_order(uow, "B-2")

    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.after_commit(call)
        uow.commit()

    assert seen == [(False, ["A-1"])]
    assert numbers(new_unit()) == ["A-1", "B-2"]


def test_calls_run_once(uow: OrderingUnitOfWork, called: list[str]) -> None:
    with uow:
        uow.after_commit(lambda: called.append("once"))
        uow.commit()
    with uow:
        uow.commit()

    assert called == ["once"]


def test_an_inner_block_that_commits_hands_its_calls_on(uow: OrderingUnitOfWork, called: list[str]) -> None:
    with uow:
        uow.after_commit(lambda: called.append("before"))
        with uow:
            uow.after_commit(lambda: called.append("inside"))
            uow.commit()
        assert called == []
        uow.after_commit(lambda: called.append("after"))
        uow.commit()

    assert called == ["before", "inside", "after"]


def test_an_inner_block_that_is_rolled_back_drops_its_calls(uow: OrderingUnitOfWork, called: list[str]) -> None:
    with uow:
        uow.after_commit(lambda: called.append("outer"))
        with uow:
            uow.after_commit(lambda: called.append("inner"))
            uow.rollback()
        with pytest.raises(Interrupted), uow:
            uow.after_commit(lambda: called.append("failed"))
            raise Interrupted
        uow.commit()

    assert called == ["outer"]


def test_what_an_inner_block_has_handed_on_is_dropped_with_the_outer_one(
    uow: OrderingUnitOfWork, called: list[str]
) -> None:
    with uow:
        with uow:
            uow.after_commit(lambda: called.append("inner"))
            uow.commit()
        uow.rollback()

    assert called == []


def test_a_block_that_fails_drops_its_calls(uow: OrderingUnitOfWork, called: list[str]) -> None:
    with pytest.raises(Interrupted), uow:
        uow.after_commit(lambda: called.append("lost"))
        raise Interrupted

    assert called == []


def test_a_block_that_is_left_without_commit_drops_its_calls_and_says_so(
    uow: OrderingUnitOfWork, called: list[str]
) -> None:
    with pytest.raises(UncommittedChanges), uow:
        uow.after_commit(lambda: called.append("lost"))

    assert called == []


def test_a_commit_that_fails_drops_the_calls(uow: OrderingUnitOfWork, called: list[str]) -> None:
    add_order(uow, "A-1")

    with pytest.raises(Exception, match="belongs to another order"), uow:
        uow.after_commit(lambda: called.append("lost"))
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert called == []


def test_what_fails_after_the_commit_does_not_keep_calls_from_running(
    uow: OrderingUnitOfWork, called: list[str]
) -> None:
    with pytest.raises(Interrupted), uow:
        uow.after_commit(lambda: called.append("saved"))
        uow.commit()
        raise Interrupted

    assert called == ["saved"]


def test_a_call_that_fails_is_logged_and_the_others_run(
    uow: OrderingUnitOfWork, called: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), uow:
        uow.after_commit(raising(Interrupted("the mail server is away")))
        uow.after_commit(lambda: called.append("the other"))
        uow.commit()

    assert called == ["the other"]
    assert "what was committed is saved" in caplog.text
    assert "the mail server is away" in caplog.text


def test_a_call_that_fails_does_not_let_the_function_run_again(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], called: list[str]
) -> None:
    @retry_transient
    def work(uow: OrderingUnitOfWork) -> None:
        called.append("work")
        with uow:
            uow.orders.add(Order(number="A-1"))
            uow.after_commit(raising(ConcurrencyConflict("of another transaction")))
            uow.commit()

    work(uow)

    assert called == ["work"]
    assert numbers(new_unit()) == ["A-1"]


def test_an_interruption_of_a_call_reaches_the_caller(uow: OrderingUnitOfWork, called: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt), uow:
        uow.after_commit(raising(KeyboardInterrupt()))
        uow.after_commit(lambda: called.append("the other"))
        uow.commit()

    assert called == []
    assert not uow.is_open


def test_it_is_refused_outside_a_block_and_after_its_end(uow: OrderingUnitOfWork) -> None:
    with pytest.raises(UnitOfWorkMisuse, match=r"outside a block\. Write it inside: with uow:"):
        uow.after_commit(list)
    with uow:
        uow.commit()
        with pytest.raises(UnitOfWorkMisuse, match="in a block that was committed"):
            uow.after_commit(list)


def test_it_is_refused_in_a_reading_block_alone_or_joined(uow: OrderingUnitOfWork) -> None:
    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match="reading block. To write, open it by: with uow:"):
        uow.after_commit(list)
    with uow, uow.reading(), pytest.raises(UnitOfWorkMisuse, match="in a reading block"):
        uow.after_commit(list)


def test_it_is_refused_after_a_failure_that_was_swallowed(uow: OrderingUnitOfWork) -> None:
    add_order(uow, "A-1")
    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(Exception, match="belongs to another order"):
            uow.flush()
        with pytest.raises(FailedTransaction):
            uow.after_commit(list)


async def send() -> None:
    """What a caller awaits."""


def send_in_parts() -> Iterator[None]:
    yield


class Sender:
    async def __call__(self) -> None:
        """What a caller awaits."""


@pytest.mark.parametrize(
    "call",
    [None, send, send_in_parts, partial(Sender())],
    ids=["a result", "an asynchronous function", "a generator", "a partial"],
)
def test_what_is_no_plain_function_is_refused(uow: OrderingUnitOfWork, call: Callable[[], object]) -> None:
    with uow, pytest.raises(UnitOfWorkMisuse, match="plain function without arguments"):
        uow.after_commit(call)


def test_a_mock_of_a_function_is_called(uow: OrderingUnitOfWork) -> None:
    call = Mock(spec=send_in_parts)
    with uow:
        uow.after_commit(call)
        uow.commit()

    call.assert_called_once_with()
