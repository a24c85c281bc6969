"""What docs/events.md shows runs, and what it says of the code is so."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from inspect import getfullargspec
from typing import Any
from uuid import UUID

from dependency_injector import providers
from sqlalchemy import Connection, NullPool, create_engine, insert, select, text

from adapters.cli import app
from adapters.seedwork.outbox import values_of
from adapters.seedwork.tables import deliveries, events, receipts
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from domain.seedwork.events import Event
from service_layer.seedwork.once import once
from service_layer.seedwork.outbox import Delivery, Handlers, State
from service_layer.seedwork.upkeep import BATCH
from service_layer.seedwork.worker import TRIES, Worker
from tests.seedwork.command_line import runner
from tests.seedwork.order_events import OrderRemoved
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    Order,
    OrderId,
    OrderingUnitOfWork,
    map_orders,
)
from tests.seedwork.pages import blocks, page
from tests.seedwork.shapes import create_tables
from tests.seedwork.use_cases import OrderDetails, add_order

PAGE = page("events.md")
PERSON = UUID("01a20cf0-b2a0-7c88-b382-6d4983a0cf2e")


class Printer:
    """Another system: it knows a repetition by its key."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.labels: dict[UUID, OrderId] = {}

    def send(self, order_id: OrderId, key: UUID) -> None:
        self.labels[key] = order_id


def test_what_it_shows_runs() -> None:
    map_orders()
    names: dict[str, Any] = {
        "HANDLERS": Handlers(),
        "metric": [],
        "providers": providers,
        "session_factory": providers.Object(None),  # a store of its own, since the unit is the one in memory
        "settings": providers.Object(Settings()),
        "LabelPrinter": Printer,
        "SqlAlchemyUnitOfWork": InMemoryOrderingUnitOfWork,
        "UnitOfWork": OrderingUnitOfWork,
        **{kind.__name__: kind for kind in (Event, Order, OrderId, OrderDetails, OrderingUnitOfWork, OrderRemoved)},
        "UTC": UTC,
        "add_order": add_order,
        "dataclass": dataclass,
        "datetime": datetime,
        "once": once,
    }
    for block in blocks(PAGE, "python"):
        exec(block, names)

    class UnitOfWork(InMemoryOrderingUnitOfWork):
        handlers = names["HANDLERS"]
        printer: Printer

    uow, key = UnitOfWork(), new_id().hex
    uow.printer = names["unit_of_work"]().printer
    names["count_order"](uow, "A-1")
    order = names["take_order"](uow, key, "B-2")
    assert names["take_order"](uow, key, "B-2") == order
    names["ship_order"](uow, order.id)
    Worker(uow).work()

    assert names["metric"] == ["A-1"]
    assert list(uow.printer.labels.values()) == [order.id]
    with uow.reading():
        assert [line.product for line in uow.orders.get(order.id).lines] == ["label"]


def test_the_commands_that_it_names_are_there() -> None:
    named = set(re.findall(r"[`$] ?(?:PROGRAM )?events ([a-z]+)", PAGE))

    assert named == {"work", "list", "retry", "drop", "replay", "prune"}
    for command in named:
        assert runner(app)("events", command, "--help").exit_code == 0


def test_the_limits_that_it_names_are_those_of_the_code() -> None:
    assert TRIES == 10
    assert "after ten tries" in PAGE
    assert f"at most {BATCH:_} rows".replace("_", " ") in PAGE


def test_an_upgrade_gets_the_fields_as_json_keeps_them() -> None:
    map_orders()

    @dataclass(frozen=True, kw_only=True)
    class OrderPriced(Event, name="order priced", of=Order, schema=2):
        order_id: OrderId
        price: Decimal
        at: datetime

        @classmethod
        def upgrade(cls, body: dict[str, Any], schema: int) -> dict[str, Any]:
            assert (type(body["order_id"]), body["price"], body["at"][:10], schema) == (str, "1.50", "2026-05-04", 1)
            return body

    uow, at = InMemoryOrderingUnitOfWork(), datetime(2026, 5, 4, tzinfo=UTC)
    priced = OrderPriced(order_id=Order(number="A-1").id, price=Decimal("1.50"), at=at)
    with uow:
        uow.publish(priced)
        uow.commit()
    with uow.reading():
        [stored] = uow.outbox.events(1)
        assert uow.outbox.decoded(replace(stored, schema=1)) == priced
    assert f"`upgrade({', '.join(getfullargspec(Event.upgrade).args)})`" in PAGE


def store(connection: Connection, position: int, published_at: datetime, body: dict[str, str]) -> None:
    """Store an event of a shipped order, and a receipt."""
    row = {"position": position, "id": new_id(), "name": "order shipped", "schema": 1, "aggregate_id": PERSON}
    connection.execute(insert(events).values(**row, body=body, published_at=published_at))
    receipt = {"key": str(position), "request": "", "answer": body, "received_at": published_at}
    connection.execute(insert(receipts).values(receipt))


def statements(name: str) -> list[str]:
    """The SQL that a page shows and that changes something."""
    found = [one.strip() for block in blocks(page(name), "sql") for one in block.split(";")]
    return [one for one in found if re.match("INSERT|UPDATE|DELETE", one)]


def test_its_sql_delivers_again_what_was_published_in_some_days(empty_url: str) -> None:
    create_tables(empty_url)  # a fork may have left their revision out
    rename, again = statements("events.md")

    with create_engine(empty_url, poolclass=NullPool).begin() as connection:
        for position, day in enumerate((3, 5, 7), start=1):
            store(connection, position, datetime(2026, 5, day, tzinfo=UTC), {})
        left = Delivery(1, "send the label", PERSON, State.PARKED, 10, datetime(2026, 5, 3, tzinfo=UTC), "error")
        connection.execute(insert(deliveries).values(values_of(left)))
        for statement in (rename, again, again):
            connection.execute(text(statement))
        found = connection.execute(select(deliveries).order_by(deliveries.c.position)).mappings().all()

    assert [(one["position"], one["handler"], one["state"]) for one in found] == [
        (1, "print the label", State.PARKED),
        (2, "print the label", State.DUE),
    ]
    assert Delivery(**found[1]) == Delivery(
        2, "print the label", PERSON, State.DUE, 0, datetime(2026, 5, 5, tzinfo=UTC), None
    )


def test_the_sql_of_the_operations_page_erases_what_has_the_id_of_a_person(empty_url: str) -> None:
    create_tables(empty_url)  # a fork may have left their revision out

    with create_engine(empty_url, poolclass=NullPool).begin() as connection:
        for position, person in enumerate((PERSON, new_id()), start=1):
            store(connection, position, datetime(2026, 5, 3, tzinfo=UTC), {"customer_id": str(person)})
        for statement in statements("operations.md"):
            connection.execute(text(statement))
        left = [*connection.scalars(select(events.c.position)), *connection.scalars(select(receipts.c.key))]

    assert left == [2, "2"]
