"""Events are stored with the work of their block, or not at all, and come back as they were."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import InvalidValue
from domain.seedwork.events import Event, kind_of
from domain.seedwork.rules import EmailAddress
from service_layer.seedwork.errors import FailedTransaction, StoredValueUnreadable, UncommittedChanges, UnitOfWorkMisuse
from service_layer.seedwork.outbox import Handlers
from tests.seedwork.backends import Loop, NewUnit, Units
from tests.seedwork.fixtures import ASYNCHRONOUS, BACKENDS, OpenBackend, opener
from tests.seedwork.order_events import OrderPlaced, OrderRemoved
from tests.seedwork.ordering import Money, Order, OrderId, OrderingUnitOfWork, OrderNumberTaken, Status
from tests.seedwork.use_cases import add_order, list_orders


@pytest.fixture(params=[*BACKENDS, *ASYNCHRONOUS])
def open_backend(
    request: pytest.FixtureRequest, units: Units[OrderingUnitOfWork], loop: Loop
) -> OpenBackend[OrderingUnitOfWork]:
    """How to open each back end in turn, the asynchronous drivers included."""
    return opener(request, units, loop)


def numbers(uow: OrderingUnitOfWork) -> list[str]:
    """The numbers that the stored events name, in order."""
    with uow.reading():
        found = [uow.outbox.decoded(published) for published in uow.outbox.events(100)]
    return [event.number if isinstance(event, OrderPlaced) else "removed" for event in found]


def versions(uow: OrderingUnitOfWork) -> list[int | None]:
    with uow.reading():
        return [published.aggregate_version for published in uow.outbox.events(100)]


def placed(order: Order, **values: Any) -> OrderPlaced:  # Any: of the fields' types
    return OrderPlaced(order_id=order.id, number=order.number, **values)


def test_an_event_is_stored_with_what_its_block_saves(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")
    event = placed(
        order,
        placed_at=datetime(2026, 2, 3, tzinfo=UTC),
        deposit=Money(5, "EUR"),
        discount=Decimal("0.10"),
        status=Status.DRAFT,
        products=("chair", "table"),
    )

    with uow:
        uow.publish(event)
        uow.orders.add(order)
        uow.commit()

    with uow.reading():
        [published] = uow.outbox.events(100)
        assert uow.outbox.decoded(published) == event
    assert (published.id, published.name, published.schema) == (event.id, "order placed", 1)
    assert (published.aggregate_id, published.aggregate_version) == (order.id, 1)
    assert "id" not in published.body


def test_the_events_of_a_block_have_the_order_in_which_they_were_published(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")
    with uow:
        uow.publish(OrderPlaced(order_id=order.id, number="1"))
        uow.orders.add(order)
        with uow:
            uow.publish(OrderPlaced(order_id=order.id, number="2"))
            uow.commit()
        uow.publish(OrderPlaced(order_id=order.id, number="3"))
        uow.commit()

    assert numbers(uow) == ["1", "2", "3"]


def test_an_event_has_the_version_that_the_block_gives_the_aggregate(uow: OrderingUnitOfWork) -> None:
    order_id = add_order(uow, "A-1").id

    with uow:
        order = uow.orders.get(order_id)
        order.number = "B-2"
        uow.publish(placed(order))
        uow.commit()
    with uow:
        uow.publish(OrderRemoved(order_id=order_id))
        uow.commit()

    assert versions(uow) == [2, None]


def test_an_aggregate_that_was_removed_and_made_again_goes_on_in_order(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")
    with uow:
        uow.orders.add(order)
        uow.publish(placed(order))
        uow.commit()
    with uow:
        uow.orders.remove(uow.orders.get(order.id))
        uow.publish(OrderRemoved(order_id=order.id))
        uow.commit()
    with uow:
        uow.orders.add(again := Order(id=order.id, number="B-2"))
        uow.publish(placed(again))
        uow.commit()

    assert numbers(uow) == ["A-1", "removed", "B-2"]
    assert versions(uow) == [1, 1, 1]


def test_of_a_block_that_is_rolled_back_nothing_is_stored(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")
    with uow:
        uow.publish(placed(order))
        uow.rollback()
    with pytest.raises(ZeroDivisionError), uow:
        uow.publish(placed(order))
        raise ZeroDivisionError

    assert numbers(uow) == []


def test_of_an_inner_block_that_is_rolled_back_nothing_is_stored(uow: OrderingUnitOfWork) -> None:
    with uow:
        uow.orders.add(order := Order(number="A-1"))
        uow.publish(placed(order))
        with uow:
            uow.publish(OrderRemoved(order_id=order.id))
            uow.rollback()
        uow.commit()

    assert numbers(uow) == ["A-1"]


def test_what_an_inner_block_has_published_goes_with_the_outer_one(uow: OrderingUnitOfWork) -> None:
    with uow:
        with uow:
            uow.orders.add(order := Order(number="A-1"))
            uow.publish(placed(order))
            uow.commit()
        uow.rollback()

    assert numbers(uow) == []


def test_if_the_work_is_refused_nothing_is_stored(uow: OrderingUnitOfWork) -> None:
    add_order(uow, "A-1")

    with pytest.raises(Exception, match="belongs to another order"), uow:
        uow.orders.add(order := Order(number="A-1"))
        uow.publish(placed(order))
        uow.commit()

    assert numbers(uow) == []


def test_a_block_that_publishes_and_forgets_the_commit_says_so(uow: OrderingUnitOfWork) -> None:
    with pytest.raises(UncommittedChanges), uow:
        uow.publish(placed(Order(number="A-1")))

    assert numbers(uow) == []


def test_publishing_is_refused_outside_a_block_and_where_nothing_is_written(uow: OrderingUnitOfWork) -> None:
    event = placed(Order(number="A-1"))

    with pytest.raises(UnitOfWorkMisuse, match=r"uow\.publish\(\) outside a block"):
        uow.publish(event)
    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match="in a reading block"):
        uow.publish(event)
    with uow, uow.reading(), pytest.raises(UnitOfWorkMisuse, match="in a reading block"):
        uow.publish(event)


def test_what_is_no_event_is_refused(uow: OrderingUnitOfWork) -> None:
    with uow, pytest.raises(UnitOfWorkMisuse, match=r"publish\(\) of a str\. Publish an Event"):
        uow.publish("order placed")  # type: ignore[arg-type]  # as a caller without types


def test_an_event_with_a_value_of_another_type_is_refused_when_it_is_published(uow: OrderingUnitOfWork) -> None:
    order = Order(number="A-1")
    with uow, pytest.raises(UnitOfWorkMisuse, match="OrderPlaced can't be kept as JSON"):
        uow.publish(placed(order, deposit=order))
    secret: Any = ["secret"]
    with (
        uow,
        pytest.raises(UnitOfWorkMisuse, match="JSON: number is of the type list, where str is expected\\.") as caught,
    ):
        uow.publish(OrderPlaced(order_id=order.id, number=secret))
    assert "secret" not in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class OrderWeighed(Event, name="order weighed", of=Order):
    order_id: OrderId
    kilograms: float | bytes


class Code(str):
    """A text of a type of its own."""

    __slots__ = ()


@dataclass(frozen=True)
class Recipient:
    email: EmailAddress
    codes: tuple[Code, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OrderSent(Event, name="order sent", of=Order):
    order_id: OrderId
    code: Code
    recipient: Recipient | None = None


def test_a_text_of_a_type_of_its_own_comes_back_as_such(uow: OrderingUnitOfWork) -> None:
    event = OrderSent(
        order_id=Order(number="A-1").id,
        code=Code("B-1"),
        recipient=Recipient(EmailAddress("john@example.com"), (Code("B-2"),)),
    )

    with uow:
        uow.publish(event)
        uow.commit()
    with uow.reading():
        [published] = uow.outbox.events(1)
        found = uow.outbox.decoded(published)

    assert isinstance(found, OrderSent)
    assert found == event
    assert found.recipient
    assert [type(one) for one in (found.code, found.recipient.email, *found.recipient.codes)] == [
        Code,
        EmailAddress,
        Code,
    ]


def test_a_text_that_was_stored_under_an_older_rule_can_be_read(uow: OrderingUnitOfWork) -> None:
    order_id = Order(number="A-1").id
    stored = str.__new__(EmailAddress, "John Doe <john@example.com>")

    with uow:
        uow.publish(OrderSent(order_id=order_id, code=Code("B-1"), recipient=Recipient(stored)))
        uow.commit()
    with uow.reading():
        [published] = uow.outbox.events(1)
        found = uow.outbox.decoded(published)

    assert isinstance(found, OrderSent)
    assert found.recipient == Recipient(stored)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), b"\xff"], ids=repr)
def test_an_event_with_a_value_that_json_can_not_keep_is_refused(uow: OrderingUnitOfWork, value: Any) -> None:
    event = OrderWeighed(order_id=Order(number="A-1").id, kilograms=value)
    with uow, pytest.raises(UnitOfWorkMisuse, match="OrderWeighed can't be kept as JSON"):
        uow.publish(event)


def test_a_failure_while_events_are_stored_lets_nothing_of_the_block_be_saved(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.before_commit(fail)
        with pytest.raises(ZeroDivisionError):
            uow.commit()
        with pytest.raises(FailedTransaction):
            uow.commit()

    assert list_orders(new_unit()).items == ()


def test_what_the_commit_adds_and_changes_last_is_saved_and_counts_for_the_events_after_it(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order_id = add_order(uow, "A-1").id

    with uow:
        order = uow.orders.get(order_id)
        uow.before_commit(lambda: order.add_line("chair"))
        uow.before_commit(lambda: uow.orders.add(Order(number="B-2")))
        uow.publish(placed(order))
        uow.commit()

    assert [(order.number, order.version) for order in list_orders(new_unit()).items] == [("A-1", 2), ("B-2", 1)]
    assert versions(uow) == [2]


def test_what_the_commit_writes_last_may_break_a_constraint(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    add_order(uow, "A-1")

    with uow:
        uow.before_commit(lambda: uow.orders.add(Order(number="A-1")))
        with pytest.raises(OrderNumberTaken):
            uow.commit()
        with pytest.raises(FailedTransaction):
            uow.commit()

    assert [order.number for order in list_orders(new_unit()).items] == ["A-1"]


def test_a_field_that_is_not_known_any_more_is_left_out_and_a_new_one_gets_its_default(
    uow: OrderingUnitOfWork,
) -> None:
    with uow:
        uow.publish(placed(Order(number="A-1")))
        uow.commit()
    with uow.reading():
        [published] = uow.outbox.events(100)
        stored = type(published)(**asdict(published) | {"body": {"order_id": str(published.aggregate_id), "colour": 7}})
        event = uow.outbox.decoded(stored)

    assert event == OrderPlaced(id=published.id, order_id=OrderId(published.aggregate_id))


def test_an_event_of_an_older_schema_is_upgraded(uow: OrderingUnitOfWork) -> None:
    @dataclass(frozen=True, kw_only=True)
    class OrderPaid(Event, name="order paid", of=Order, schema=2):
        order_id: OrderId
        cents: int

        @classmethod
        def upgrade(cls, body: dict[str, Any], schema: int) -> dict[str, Any]:
            return body | {"cents": body.pop("euros") * 100}

    with uow:
        uow.publish(OrderPaid(order_id=Order(number="A-1").id, cents=0))
        uow.commit()
    with uow.reading():
        [new] = uow.outbox.events(100)
        body = {"order_id": str(new.aggregate_id), "euros": 3}
        old = type(new)(**asdict(new) | {"schema": 1, "body": body})

        assert uow.outbox.decoded(new) == OrderPaid(id=new.id, order_id=OrderId(new.aggregate_id), cents=0)
        assert uow.outbox.decoded(old) == OrderPaid(id=new.id, order_id=OrderId(new.aggregate_id), cents=300)


def test_an_event_of_a_newer_schema_is_not_taken_for_one_of_this(uow: OrderingUnitOfWork) -> None:
    with uow:
        uow.publish(placed(Order(number="A-1")))
        uow.commit()
    with uow.reading():
        [published] = uow.outbox.events(100)
        newer = type(published)(**asdict(published) | {"schema": 2})
        with pytest.raises(StoredValueUnreadable, match="'order placed' was stored under schema 2, and its class here"):
            uow.outbox.decoded(newer)


def test_a_stored_event_that_can_not_be_read_says_why_and_shows_no_value(uow: OrderingUnitOfWork) -> None:
    with uow:
        uow.publish(placed(Order(number="A-1")))
        uow.commit()
    with uow.reading():
        [published] = uow.outbox.events(100)
        stored = type(published)(**asdict(published) | {"body": {"order_id": "secret"}})
        with pytest.raises(StoredValueUnreadable, match="order_id: Input should be a valid UUID") as caught:
            uow.outbox.decoded(stored)

    assert "secret" not in str(caught.value)


def test_a_stored_event_that_its_class_refuses_shows_only_the_words_of_the_domain(uow: OrderingUnitOfWork) -> None:
    @dataclass(frozen=True, kw_only=True)
    class OrderLoaded(Event, name="order loaded", of=Order):
        order_id: OrderId
        grams: int

        def __post_init__(self) -> None:
            if self.grams > 9:
                raise InvalidValue("grams", self.grams, "it must be less")
            if self.grams < 0:
                raise ValueError(f"{self.grams} is secret")

    with uow:
        uow.publish(OrderLoaded(order_id=Order(number="A-1").id, grams=1))
        uow.commit()
    with uow.reading():
        [published] = uow.outbox.events(100)
        refused = "Value error, grams 77 is not allowed: it must be less"
        for grams, words in ((77, f"it: {refused}"), (-5, "it: ValueError")):
            stored = type(published)(**asdict(published) | {"body": published.body | {"grams": grams}})
            with pytest.raises(StoredValueUnreadable) as caught:
                uow.outbox.decoded(stored)
            assert str(caught.value).startswith(
                f"'order loaded' can't be read: {words}. Write a default or upgrade() into"
            )


def test_two_events_can_not_have_one_name() -> None:
    with pytest.raises(TypeError, match="OrderPlaced is stored as .order placed. already"):

        class Another(Event, name="order placed", of=Order):
            pass

    assert kind_of("order placed") is OrderPlaced


def test_a_name_that_no_event_has_is_named() -> None:
    with pytest.raises(LookupError, match="No event is called 'order lost'"):
        kind_of("order lost")


def handle(uow: OrderingUnitOfWork, event: OrderPlaced | OrderRemoved) -> None:
    """What a handler looks like."""


def handle_anything(uow: OrderingUnitOfWork, event: object) -> None:
    """What does not say which events it takes."""


def test_a_handler_takes_the_events_that_its_annotation_names() -> None:
    handlers = Handlers()
    handlers.add("both", handle)

    assert handlers["both"].kinds == (OrderPlaced, OrderRemoved)
    assert handlers.of(placed(Order(number="A-1"))) == ["both"]


def test_a_handler_without_a_name_of_its_own_or_an_event_is_refused() -> None:
    handlers = Handlers()
    handlers.add("both", handle)

    with pytest.raises(ValueError, match="can't be called 'both': use another name"):
        handlers.add("both", handle)
    with pytest.raises(TypeError, match="'any' does not say which events it takes"):
        handlers.add("any", handle_anything)


async def handle_later(uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
    """What a caller awaits."""


def handle_in_parts(uow: OrderingUnitOfWork, event: OrderPlaced) -> Iterator[None]:
    yield


class LaterHandler:
    async def __call__(self, uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        """What a caller awaits."""


@pytest.mark.parametrize("function", [handle_later, handle_in_parts, LaterHandler()])
def test_a_handler_that_returns_before_its_work_is_done_is_refused(function: Callable[..., object]) -> None:
    with pytest.raises(TypeError, match="'later' returns before its work is done.* Write a plain function"):
        Handlers().add("later", function)


@dataclass(frozen=True, kw_only=True)
class OrderLost(Event, name="parcel lost", of=Order):
    order: OrderId


def test_an_event_that_does_not_say_of_which_aggregate_it_speaks_is_refused(uow: OrderingUnitOfWork) -> None:
    with uow, pytest.raises(TypeError, match=r"OrderLost speaks of Order.* Write into the class: order_id: OrderId"):
        uow.publish(OrderLost(order=OrderId(new_id())))


def test_an_event_with_a_field_that_is_a_word_of_its_class_is_refused(uow: OrderingUnitOfWork) -> None:
    @dataclass(frozen=True, kw_only=True)
    class OrderNamed(Event, name="order named", of=Order):
        order_id: OrderId
        name: str  # type: ignore[misc]  # not every fork runs a type checker

    with pytest.raises(UnitOfWorkMisuse, match=r"OrderNamed has a field 'name', .* such as new_name\."), uow:
        uow.publish(OrderNamed(order_id=Order(number="A-1").id, name="A-1"))
