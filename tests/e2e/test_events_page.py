"""What docs/events.md shows runs, and what it says of the code is so."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from adapters.cli import app
from domain.seedwork.entity import new_id
from domain.seedwork.events import Event
from service_layer.seedwork.once import once
from service_layer.seedwork.outbox import Handlers
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
from tests.seedwork.pages import page
from tests.seedwork.use_cases import OrderDetails, add_order

PAGE = page("events.md")


class Printer:
    """Another system: it knows a repetition by its key."""

    def __init__(self) -> None:
        self.labels: dict[UUID, OrderId] = {}

    def send(self, order_id: OrderId, key: UUID) -> None:
        self.labels[key] = order_id


def test_what_it_shows_runs() -> None:
    map_orders()
    names: dict[str, Any] = {
        "HANDLERS": Handlers(),
        "metric": [],
        "printer": Printer(),
        **{kind.__name__: kind for kind in (Event, Order, OrderId, OrderDetails, OrderingUnitOfWork, OrderRemoved)},
        "UTC": UTC,
        "add_order": add_order,
        "dataclass": dataclass,
        "datetime": datetime,
        "once": once,
    }
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(block, names)

    class UnitOfWork(InMemoryOrderingUnitOfWork):
        handlers = names["HANDLERS"]

    uow, key = UnitOfWork(), new_id().hex
    names["count_order"](uow, "A-1")
    order = names["take_order"](uow, key, "B-2")
    assert names["take_order"](uow, key, "B-2") == order
    names["ship_order"](uow, order.id)
    Worker(uow).work()

    assert names["metric"] == ["A-1"]
    assert list(names["printer"].labels.values()) == [order.id]
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
