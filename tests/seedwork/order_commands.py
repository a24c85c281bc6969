"""Commands of orders: the machinery of ``adapters/seedwork/cli`` is tried on them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

import service_layer
from adapters.container import bootstrap
from adapters.seedwork.cli.application import started
from adapters.seedwork.cli.console import console
from adapters.seedwork.cli.db import db
from adapters.seedwork.cli.events import events
from adapters.seedwork.cli.files import Columns, Format, read_rows, row_writer
from adapters.seedwork.cli.output import Json, show, show_saved
from adapters.seedwork.cli.program import Program
from adapters.seedwork.cli.streams import STANDARD, open_input, open_output
from adapters.seedwork.cli.values import id_of_cell, number_of_cell, parse_id
from adapters.settings import Settings
from domain.seedwork.errors import DomainError
from service_layer.seedwork.details import Details
from tests.seedwork.ordering import Order, OrderId, OrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork, map_orders


@dataclass(frozen=True, slots=True)
class OrderDetails(Details):
    id: OrderId
    number: str
    version: int


@dataclass(frozen=True)
class Application:
    settings: Settings
    unit_of_work: type[OrderingUnitOfWork]


@contextmanager
def application() -> Generator[Application]:
    with started(lambda settings: bootstrap(settings=settings), Settings) as container:
        map_orders()
        factory = container.session_factory()

        class UnitOfWork(SqlAlchemyOrderingUnitOfWork):
            def __init__(self) -> None:
                super().__init__(factory)

        yield Application(container.settings(), UnitOfWork)


app = typer.Typer(cls=Program, no_args_is_help=True, pretty_exceptions_enable=False, help="$ PROGRAM orders list")
orders = typer.Typer(no_args_is_help=True)
app.add_typer(orders, name="orders")
app.add_typer(db(Settings), name="db")
app.add_typer(events(application), name="events")
app.command("console")(console(application, service_layer))


@orders.command()
def add(
    number: str, *, id: Annotated[UUID | None, typer.Option(parser=parse_id)] = None, as_json: Json = False
) -> None:
    """Add an order.

    $ PROGRAM orders add A1
    """
    with application() as opened, opened.unit_of_work() as uow:
        order = Order(number=number) if id is None else Order(id=OrderId(id), number=number)
        uow.orders.add(order)
        uow.commit()
    show_saved(OrderDetails, [OrderDetails.of(order)], as_json=as_json)


@orders.command("list")
def list_orders(*, as_json: Json = False) -> None:
    with application() as opened, opened.unit_of_work().reading() as uow:
        found = [OrderDetails.of(order) for order in uow.orders.stream()]
    show(OrderDetails, found, as_json=as_json)


@orders.command("import")
def import_orders(file: Path, *, format: Format | None = None) -> None:
    columns: Columns = {"id": id_of_cell, "number": str, "version": number_of_cell}
    with open_input(file) as opened, application() as started, started.unit_of_work() as uow:
        for row in read_rows(opened, format or Format.of(file), columns, {"number"}):
            if isinstance(row, DomainError):
                raise row
            uow.orders.add(Order(**row))
        uow.commit()


@orders.command("export")
def export_orders(file: Path = STANDARD, *, format: Format | None = None, columns: str = "id,number") -> None:
    with open_output(file) as opened, application() as started, started.unit_of_work().reading() as uow:
        write = row_writer(opened, format or Format.of(file), columns.split(","))
        for order in uow.orders.stream():
            write(order)
