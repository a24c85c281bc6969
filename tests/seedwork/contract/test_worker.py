"""Each delivery reaches its handler: once in the database, in the order of its aggregate, whatever fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from domain.seedwork.errors import DomainError, InvalidValue
from domain.seedwork.events import Event, _kinds
from service_layer.seedwork.errors import ConcurrencyConflict
from service_layer.seedwork.outbox import Delivery, Handlers, State
from service_layer.seedwork.upkeep import drop_deliveries, list_deliveries, prune, replay, retry_deliveries
from service_layer.seedwork.worker import TRIES, Worker
from tests.seedwork.backends import NewUnit
from tests.seedwork.fixtures import OpenBackend
from tests.seedwork.order_events import OrderPlaced, OrderRemoved
from tests.seedwork.ordering import InMemoryOrderingUnitOfWork, Order, OrderId, OrderingUnitOfWork
from tests.seedwork.use_cases import add_order, list_orders


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) + timedelta(hours=1)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Failing:
    """A handler that notes what it gets, and fails as long as it shall."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.fails: set[str] = set()
        self.error: BaseException = OSError("the password is secret")

    def __call__(self, uow: OrderingUnitOfWork, event: OrderPlaced | OrderRemoved) -> None:
        name = event.number if isinstance(event, OrderPlaced) else "removed"
        self.got.append(name)
        with uow:
            uow.orders.add(Order(number=f"{name} {len(self.got)}"))
            uow.commit()
        if name in self.fails:
            raise self.error


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> Handlers:
    handlers = Handlers()
    monkeypatch.setattr(OrderingUnitOfWork, "handlers", handlers)
    return handlers


@pytest.fixture
def handler(handlers: Handlers) -> Failing:
    handler = Failing()

    def handle(uow: OrderingUnitOfWork, event: OrderPlaced | OrderRemoved) -> None:
        handler(uow, event)

    handlers.add("note", handle)
    return handler


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(new_unit: NewUnit[OrderingUnitOfWork], clock: Clock) -> Worker:
    return Worker(new_unit(), now=clock)


def publish(uow: OrderingUnitOfWork, order_id: OrderId, *numbers: str) -> None:
    with uow:
        for number in numbers:
            uow.publish(OrderPlaced(order_id=order_id, number=number))
        uow.commit()


def pending(uow: OrderingUnitOfWork) -> list[Delivery]:
    return list_deliveries(uow)


def saved(uow: OrderingUnitOfWork) -> list[str]:
    return sorted(order.number for order in list_orders(uow).items)


ONE, OTHER = Order(number="one").id, Order(number="other").id


def test_a_handler_gets_each_event_of_its_kinds_once(uow: OrderingUnitOfWork, handler: Failing, worker: Worker) -> None:
    publish(uow, ONE, "A", "B")

    assert worker.work() == 2
    assert worker.work() == 0
    assert handler.got == ["A", "B"]
    assert saved(uow) == ["A 1", "B 2"]
    assert pending(uow) == []


def test_an_event_without_a_handler_is_kept_and_not_delivered(
    uow: OrderingUnitOfWork, handlers: Handlers, worker: Worker
) -> None:
    publish(uow, ONE, "A")

    assert (worker.work(), pending(uow)) == (0, [])
    with uow.reading():
        assert len(uow.outbox.events(10)) == 1


def test_each_handler_gets_the_event(
    uow: OrderingUnitOfWork, handlers: Handlers, handler: Failing, worker: Worker
) -> None:
    got: list[OrderPlaced] = []

    def collect(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        got.append(event)

    handlers.add("collect", collect)
    publish(uow, ONE, "A")

    assert worker.work() == 2
    assert ([event.number for event in got], handler.got) == (["A"], ["A"])


def test_what_a_failed_handler_did_is_undone_and_it_is_tried_again_later(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A")

    worker.work()
    assert saved(uow) == []
    worker.work()
    assert handler.got == ["A"]

    handler.fails = set()
    clock.advance(1)
    worker.work()
    assert saved(uow) == ["A 2"]
    assert pending(uow) == []


def test_the_pause_doubles_with_each_try(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A")
    pauses = []

    for _ in range(4):
        worker.work()
        [delivery] = pending(uow)
        pauses.append((delivery.not_before - clock.now).total_seconds())
        clock.now = delivery.not_before

    assert pauses == [1, 2, 4, 8]


def test_the_pause_begins_when_the_try_has_failed(
    uow: OrderingUnitOfWork, handlers: Handlers, worker: Worker, clock: Clock
) -> None:
    def time_out(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        clock.advance(30)
        raise TimeoutError

    handlers.add("time out", time_out)
    publish(uow, ONE, "A")

    assert [worker.work(), worker.work()] == [1, 0]
    assert pending(uow)[0].not_before == clock.now + timedelta(seconds=1)


def test_later_events_of_an_aggregate_wait_and_those_of_others_do_not(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A", "B", "C")
    publish(uow, OTHER, "X", "Y")

    worker.work()
    assert handler.got == ["A", "X", "Y"]
    assert [delivery.state for delivery in pending(uow)] == [State.DUE, State.WAITING, State.WAITING]

    handler.fails = set()
    clock.advance(1)
    worker.work()
    assert handler.got == ["A", "X", "Y", "A", "B", "C"]
    assert pending(uow) == []


def test_an_event_that_is_published_while_an_earlier_one_pauses_waits(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A")
    worker.work()
    publish(uow, ONE, "B")
    worker.work()
    assert handler.got == ["A"]

    handler.fails = set()
    clock.advance(1)
    worker.work()
    assert handler.got == ["A", "A", "B"]


def fail_to_the_end(worker: Worker, clock: Clock) -> None:
    for _ in range(TRIES):
        worker.work()
        clock.advance(3_600)
    worker.work()


def test_what_fails_too_often_is_parked_and_holds_up_its_own_aggregate_alone(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A", "B")

    fail_to_the_end(worker, clock)
    publish(uow, OTHER, "X")
    worker.work()

    assert handler.got == [*["A"] * TRIES, "X"]
    assert [(one.state, one.attempts) for one in pending(uow)] == [(State.PARKED, TRIES), (State.WAITING, 0)]


def test_what_was_parked_goes_on_when_somebody_says_so(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A", "B")
    fail_to_the_end(worker, clock)
    handler.fails, handler.got = set(), []

    assert retry_deliveries(uow, "another") == 0
    assert retry_deliveries(uow, "note") == 1
    worker.work()

    assert handler.got == ["A", "B"]
    assert retry_deliveries(uow) == 0


@pytest.mark.parametrize("order_id", [ONE, OTHER], ids=["of its aggregate", "of another"])
def test_a_delivery_whose_event_was_deleted_is_dropped_and_the_next_event_is_made_once(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, caplog: pytest.LogCaptureFixture, order_id: OrderId
) -> None:
    publish(uow, ONE, "A")
    worker.work()
    publish(uow, order_id, "B")
    with uow:
        stored = uow.outbox.events(1)
        uow.outbox.forget([stored[0].position])
        uow.outbox.deliver_again(stored, "note", datetime.now(UTC))
        uow.commit()

    worker.work()

    assert handler.got == ["A", "B"]
    assert pending(uow) == []
    assert f"note can't get event {stored[0].position}" in caplog.text


def test_the_position_of_an_event_that_was_deleted_is_not_given_again(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker
) -> None:
    publish(uow, ONE, "A")
    with uow:
        stored = uow.outbox.events(1)
        uow.outbox.remove(uow.outbox.deliveries(1)[0])
        uow.outbox.forget([stored[0].position])
        uow.outbox.deliver_again(stored, "note", datetime.now(UTC))
        uow.commit()

    publish(uow, OTHER, "B")
    worker.work()

    assert handler.got == ["B"]
    assert pending(uow) == []


def test_an_error_that_is_ours_is_kept_with_its_words(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker
) -> None:
    handler.fails, handler.error = {"A"}, InvalidValue("age", 200, "it must be\nless")
    publish(uow, ONE, "A")

    worker.work()

    assert pending(uow)[0].error == "InvalidValue: age 200 is not allowed: it must be less."


def test_an_error_with_letters_that_no_database_takes_is_kept_and_the_worker_goes_on(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker
) -> None:
    handler.fails, handler.error = {"A"}, DomainError("no street 'Elm\0\ud800' in Zürich")
    publish(uow, ONE, "A")
    publish(uow, OTHER, "B")

    worker.work()

    assert handler.got == ["A", "B"]
    assert [one.error for one in pending(uow)] == [r"DomainError: no street 'Elm\x00\ud800' in Zürich"]


def test_of_an_error_that_is_not_ours_the_place_is_kept_and_no_word(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    handler.fails = {"A"}
    publish(uow, ONE, "A")

    worker.work()

    assert (pending(uow)[0].error or "").startswith("OSError at test_worker.py:")
    assert "note of event" in caplog.text
    assert "secret" not in caplog.text


def test_an_event_that_lacks_a_field_fails_by_an_error_that_names_it(
    uow: OrderingUnitOfWork,
    handler: Failing,
    worker: Worker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class OrderPainted(Event, name="order painted", of=Order):
        order_id: OrderId
        colour: str

    publish(uow, ONE, "A")
    monkeypatch.setitem(_kinds, "order placed", OrderPainted)

    worker.work()

    assert handler.got == []
    error = pending(uow)[0].error or ""
    assert error.startswith(
        "StoredValueUnreadable: 'order placed' can't be read: colour: Field required. Write a default"
    )
    assert "let a worker of the newer release deliver it" in error
    assert "colour: Field required" in caplog.text


def test_an_event_without_a_class_fails_by_an_error_that_names_it(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(uow, ONE, "A")
    monkeypatch.delitem(_kinds, "order placed")

    worker.work()

    assert handler.got == []
    error = pending(uow)[0].error or ""
    assert error.startswith("StoredValueUnreadable: No event is called 'order placed'.")
    assert "let a worker of the newer release deliver them" in error


def test_a_handler_that_does_not_take_a_kind_any_more_does_not_get_it(
    uow: OrderingUnitOfWork, handlers: Handlers, handler: Failing, worker: Worker
) -> None:
    got: list[OrderPlaced] = []

    def collect(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        got.append(event)

    with uow:
        uow.publish(OrderRemoved(order_id=ONE))
        uow.commit()
    del handlers["note"]
    handlers.add("note", collect)

    worker.work()

    assert got == []
    assert (pending(uow)[0].error or "").startswith("UnitOfWorkMisuse: 'note' does not take 'order removed'.")


def test_a_try_that_ends_with_its_process_is_counted(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    handler.fails, handler.error = {"A"}, KeyboardInterrupt()
    publish(uow, ONE, "A")

    for _ in range(TRIES):
        with pytest.raises(KeyboardInterrupt):
            worker.work()
        clock.advance(3_600)
    worker.work()

    [delivery] = pending(uow)
    assert (delivery.state, delivery.attempts, len(handler.got)) == (State.PARKED, TRIES, TRIES)
    assert delivery.error == "The last try ended with its process."
    assert saved(uow) == []


def test_a_handler_whose_own_asynchronous_work_was_cancelled_has_failed(
    uow: OrderingUnitOfWork, handlers: Handlers, worker: Worker
) -> None:
    async def call() -> None:
        raise asyncio.CancelledError

    def await_it(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        asyncio.run(call())

    handlers.add("await it", await_it)
    publish(uow, ONE, "A")
    publish(uow, OTHER, "B")

    assert worker.work() == 2
    assert [one.attempts for one in pending(uow)] == [1, 1]


def test_a_worker_whose_own_task_is_cancelled_ends(handler: Failing) -> None:
    async def work() -> None:
        uow = InMemoryOrderingUnitOfWork()
        publish(uow, ONE, "A")
        Worker(uow).work()

    handler.fails, handler.error = {"A"}, asyncio.CancelledError()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())


def test_a_handler_that_commits_without_a_block_of_its_own_works_once(
    uow: OrderingUnitOfWork, handlers: Handlers, worker: Worker
) -> None:
    def commit(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        uow.orders.add(Order(number=event.number))
        uow.commit()

    handlers.add("commit", commit)
    publish(uow, ONE, "A")

    assert (worker.work(), worker.work()) == (1, 0)
    assert (saved(uow), pending(uow)) == (["A"], [])


def test_a_handler_that_rolls_the_block_back_has_failed(
    uow: OrderingUnitOfWork, handlers: Handlers, worker: Worker
) -> None:
    def roll_back(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        uow.rollback()

    handlers.add("roll back", roll_back)
    publish(uow, ONE, "A")
    worker.work()

    assert (pending(uow)[0].error or "").startswith("UnitOfWorkMisuse: ")


async def handle_later(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
    """What a caller awaits."""


def handle_in_parts(uow: OrderingUnitOfWork, event: OrderPlaced) -> Iterator[None]:
    yield


async def handle_in_later_parts(uow: OrderingUnitOfWork, event: OrderPlaced) -> AsyncIterator[None]:
    yield


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("function", [handle_later, handle_in_parts, handle_in_later_parts])
def test_a_handler_that_a_decorator_lets_return_before_its_work_is_done_has_failed(
    uow: OrderingUnitOfWork, handlers: Handlers, worker: Worker, function: Callable[..., object]
) -> None:
    def decorated(uow: OrderingUnitOfWork, event: OrderPlaced) -> object:
        return function(uow, event)

    handlers.add("decorated", decorated)
    publish(uow, ONE, "A")
    worker.work()

    assert "'decorated' returned before its work was done" in (pending(uow)[0].error or "")


def test_a_handler_may_publish(uow: OrderingUnitOfWork, handlers: Handlers, handler: Failing, worker: Worker) -> None:
    def remove(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        uow.publish(OrderRemoved(order_id=event.order_id))

    handlers.add("remove", remove)
    publish(uow, ONE, "A")
    worker.work()

    assert handler.got == ["A", "removed"]


def test_while_a_handler_works_outside_nobody_waits_for_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], handlers: Handlers, worker: Worker
) -> None:
    def send(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        add_order(new_unit(), "written meanwhile")
        with uow:
            uow.orders.add(Order(number="sent"))
            uow.commit()

    handlers.add("send", send)
    publish(uow, ONE, "A")
    worker.work()

    assert (saved(uow), pending(uow)) == (["sent", "written meanwhile"], [])


def test_two_workers_never_make_one_delivery_at_a_time(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], handlers: Handlers, worker: Worker, clock: Clock
) -> None:
    got: list[str] = []

    def handle(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        got.append(event.number)
        clock.advance(100)
        Worker(new_unit(), now=clock).work()

    handlers.add("slow", handle)
    publish(uow, ONE, "A", "B")
    worker.work()
    clock.advance(100)
    worker.work()

    assert got == ["A", "B"]


@pytest.mark.parametrize("open_backend", ["memory", "sqlite"], indirect=True)
def test_where_rows_are_not_locked_a_delivery_that_was_begun_again_is_not_made_twice(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], handlers: Handlers, worker: Worker
) -> None:
    def handle(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        with new_unit() as other:
            [delivery] = other.outbox.deliveries(10)
            other.outbox.change(delivery, attempts=2)
            other.commit()
        with uow:
            uow.orders.add(Order(number="A-1"))
            uow.commit()

    handlers.add("begun again", handle)
    publish(uow, ONE, "A")
    worker.work()

    assert saved(uow) == []
    assert [(one.attempts, one.error) for one in pending(uow)] == [(2, None)]


def test_a_worker_that_is_stopped_ends_after_the_delivery_that_it_makes(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], handler: Failing, clock: Clock
) -> None:
    publish(uow, ONE, "A", "B", "C")

    Worker(new_unit(), lambda: len(handler.got) == 2, clock).work()

    assert handler.got == ["A", "B"]


def test_pages_of_deliveries_leave_none_out(uow: OrderingUnitOfWork, handlers: Handlers, handler: Failing) -> None:
    def collect(uow: OrderingUnitOfWork, event: OrderPlaced) -> None: ...

    handlers.add("collect", collect)
    handlers.add("print", collect)
    publish(uow, ONE, "A", "B")

    first = list_deliveries(uow, limit=2)
    second = list_deliveries(uow, limit=2, after=first[-1].position)

    assert [one.handler for one in first] == [one.handler for one in second] == ["collect", "note", "print"]
    assert [*first, *second] == pending(uow)
    assert list_deliveries(uow, limit=0) == []


def test_a_handler_without_a_name_has_nothing_to_be_retried(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker
) -> None:
    publish(uow, ONE, "A")
    with uow:
        uow.outbox.change(uow.outbox.deliveries(1)[0], state=State.PARKED)
        uow.commit()

    assert retry_deliveries(uow, "") == 0
    assert retry_deliveries(uow, "note") == 1


@pytest.mark.parametrize("batch", [1, 1_000])
def test_what_waits_for_a_parked_delivery_that_is_given_up_goes_on(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("service_layer.seedwork.upkeep.BATCH", batch)
    handler.fails = {"A", "X"}
    publish(uow, ONE, "A", "B")
    publish(uow, OTHER, "X", "Y")
    fail_to_the_end(worker, clock)
    publish(uow, ONE, "C")
    handler.got = []

    assert drop_deliveries(uow, "another") == 0
    assert drop_deliveries(uow, "note") == 2
    worker.work()

    assert sorted(handler.got) == ["B", "C", "Y"]
    assert (pending(uow), drop_deliveries(uow, "note")) == ([], 0)


def test_a_delivery_that_is_not_parked_is_given_up_by_its_position(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker
) -> None:
    publish(uow, ONE, "A", "B", "C")
    [_, second, third] = pending(uow)

    assert drop_deliveries(uow, "note") == 0
    assert drop_deliveries(uow, "another", second.position) == 0
    assert drop_deliveries(uow, "note", second.position) == 1
    assert drop_deliveries(uow, "note", second.position) == 0
    worker.work()

    assert handler.got == ["A", "C"]
    assert drop_deliveries(uow, "note", third.position) == 0
    with uow.reading():
        assert len(uow.outbox.events(10)) == 3


def test_all_that_a_handler_has_left_is_given_up_where_it_is_registered_no_more(
    uow: OrderingUnitOfWork, handlers: Handlers, handler: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service_layer.seedwork.upkeep.BATCH", 2)
    publish(uow, ONE, "A", "B")
    publish(uow, OTHER, "X")
    handlers["other"] = handlers.pop("note")
    publish(uow, ONE, "C")

    assert drop_deliveries(uow, "note") == 3
    assert [one.handler for one in pending(uow)] == ["other"]


@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_a_replay_delivers_all_stored_events_again_in_order(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("service_layer.seedwork.upkeep.BATCH", batch)
    publish(uow, ONE, "A", "B")
    worker.work()
    publish(uow, ONE, "C")

    assert replay(uow, "note") == 3
    clock.advance(10)
    worker.work()

    assert handler.got == ["A", "B", "A", "B", "C"]


def test_a_replay_leaves_out_events_whose_class_is_gone(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(uow, ONE, "A")
    worker.work()
    monkeypatch.delitem(_kinds, "order placed")

    assert replay(uow, "note") == 0
    assert pending(uow) == []


def deliver_one_and_fail_at_the_next(uow: OrderingUnitOfWork, handler: Failing, worker: Worker) -> None:
    """A was got, B has failed once, and C waits behind it; from now on nothing fails."""
    publish(uow, ONE, "A")
    worker.work()
    handler.fails = {"B"}
    publish(uow, ONE, "B", "C")
    worker.work()
    handler.fails = set()


def test_a_replay_of_what_waits_for_nothing_stands_still_for_nothing(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    deliver_one_and_fail_at_the_next(uow, handler, worker)
    replay(uow, "note")
    clock.advance(10)
    worker.work()

    assert handler.got == ["A", "B", "A", "B", "C"]
    assert pending(uow) == []


def test_what_was_tried_before_an_earlier_event_is_replayed_goes_on_after_it(
    uow: OrderingUnitOfWork, handler: Failing, worker: Worker, clock: Clock
) -> None:
    deliver_one_and_fail_at_the_next(uow, handler, worker)
    replay(uow, "note")
    with uow:
        [replayed, tried, _] = uow.outbox.deliveries(10)
        uow.outbox.change(tried, not_before=replayed.not_before - timedelta(seconds=1))
        uow.commit()
    worker.work()

    assert handler.got == ["A", "B", "A", "B", "C"]
    assert pending(uow) == []


def test_a_replay_for_no_handler_is_refused(uow: OrderingUnitOfWork, handler: Failing) -> None:
    with pytest.raises(InvalidValue, match="handler 'nobody' is not allowed: it must be one of 'note'"):
        replay(uow, "nobody")


@pytest.mark.parametrize("batch", [1, 1_000])
def test_pruning_deletes_old_events_that_every_handler_has_got(
    uow: OrderingUnitOfWork,
    handler: Failing,
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
) -> None:
    monkeypatch.setattr("service_layer.seedwork.upkeep.BATCH", batch)
    publish(uow, ONE, "A", "B")
    worker.work()
    publish(uow, ONE, "C")

    assert prune(uow, timedelta(days=1)) == 0
    assert prune(uow, timedelta(days=-1)) == 2
    worker.work()
    assert prune(uow, timedelta(days=-1)) == 1
    with uow.reading():
        assert uow.outbox.events(10) == []


def test_an_event_of_a_clock_that_was_ahead_keeps_no_later_one_from_being_pruned(
    uow: OrderingUnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # one that can be stored
            return datetime.now(tz) + timedelta(days=365)

    monkeypatch.setattr("service_layer.seedwork.upkeep.BATCH", 2)
    publish(uow, ONE, "A")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("adapters.seedwork.outbox.datetime", Ahead)
        publish(uow, ONE, "B")
    publish(uow, ONE, "C", "D")

    assert prune(uow, timedelta(days=-1)) == 3


def test_what_a_replay_delivers_again_is_not_pruned_meanwhile(open_backend: OpenBackend[OrderingUnitOfWork]) -> None:
    with open_backend(lock_timeout_s=0.1) as backend:
        publish(backend.new_unit(), ONE, "A")
        with backend.new_unit() as uow:
            stored = uow.outbox.events(1, lock=True)
            uow.outbox.deliver_again(stored, "note", stored[0].published_at)
            with pytest.raises(ConcurrencyConflict):
                prune(backend.new_unit(), timedelta(days=-1))
            uow.commit()

        assert prune(backend.new_unit(), timedelta(days=-1)) == 0
