"""An aggregate of the tests' own: the machinery is tried on it, so a fork may drop the sample.

It is hard to map. An order has lines (a child collection), a deposit (a value object of two columns), a status (an
enum), a time (UTC), and a voucher (unique where there is one).
``docs/mapping.md`` walks through it.
"""

from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Named,
    PrimaryKeyConstraint,
    String,
    Table,
    TypedColumns,
    UniqueConstraint,
    select,
    tuple_,
)
from sqlalchemy.orm import composite, relationship

from adapters.seedwork.mapping import map_once, mapping
from adapters.seedwork.mapping import metadata as application_metadata
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.seedwork.types import EnumType, IdType, UtcDateTime
from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import AlreadyExists, InvalidValue, NotFound
from domain.seedwork.repository import Repository
from service_layer.seedwork.transaction import Transaction

# ---- domain -------------------------------------------------------------------------------------------------------

OrderId = NewType("OrderId", UUID)
LineId = NewType("LineId", UUID)

NUMBER_MAX_LENGTH = 50


class Status(StrEnum):
    DRAFT = "draft"
    PLACED = "placed"


@dataclass(frozen=True, slots=True)
class Money:
    cents: int
    currency: str


@dataclass(eq=False, kw_only=True)
class Line:
    """A part of an order: saved, loaded and removed with it. It has no version and no repository of its own."""

    id: LineId = field(default_factory=lambda: LineId(new_id()))
    product: str
    quantity: int


def _number(value: str) -> str:
    if not 1 <= len(value) <= NUMBER_MAX_LENGTH:
        raise InvalidValue("number", value, f"it must be 1 to {NUMBER_MAX_LENGTH} characters")
    return value


def _placed_at(value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise InvalidValue("placed_at", value, "it needs a time zone, as datetime.now(UTC) has one")
    return value


def _deposit(value: Money | None) -> Money | None:
    if value is not None and value.cents < 0:
        raise InvalidValue("deposit", value, "it must not be negative")
    return value


@dataclass(eq=False, kw_only=True)
class Order(Entity):
    rules = {"number": _number, "placed_at": _placed_at, "deposit": _deposit}

    id: OrderId = field(default_factory=lambda: OrderId(new_id()))
    number: str
    voucher: str | None = None
    status: Status = Status.DRAFT
    placed_at: datetime | None = None
    deposit: Money | None = None
    lines: list[Line] = field(default_factory=list)

    def add_line(self, product: str, quantity: int = 1) -> None:
        self.lines.append(Line(product=product, quantity=quantity))

    def place(self, now: datetime) -> None:
        self.placed_at, self.status = now, Status.PLACED  # in this order: a refused time changes nothing


class OrderNotFound(NotFound):
    pass


class OrderIdAlreadyUsed(AlreadyExists):
    message = "This id belongs to another order already."


class OrderNumberTaken(AlreadyExists):
    message = "This number belongs to another order already."


class VoucherUsed(AlreadyExists):
    message = "This voucher paid for another order already."


class OrderRepository(Repository[Order, OrderId]):
    not_found = OrderNotFound

    def by_number(self, number: str) -> Order | None:
        return self._one(number=number)

    @abstractmethod
    def placed(
        self, since: datetime, until: datetime, *, after: tuple[datetime, OrderId] | None = None, limit: int = 50
    ) -> list[Order]:
        """Return a page of the orders placed in this time, which follow the time and the id in ``after``."""


class OrderingUnitOfWork(Transaction):
    orders: OrderRepository


# ---- adapters -----------------------------------------------------------------------------------------------------


class OrderColumns(TypedColumns):
    id: Named[OrderId] = Column(IdType[OrderId]())
    number: Named[str] = Column(String(NUMBER_MAX_LENGTH))
    voucher: Named[str | None] = Column(String(50))
    status: Named[Status] = Column(EnumType(Status))
    placed_at: Named[datetime | None] = Column(UtcDateTime())
    deposit_cents: Named[int | None] = Column(Integer)
    deposit_currency: Named[str | None] = Column(String(3))
    version: Named[int] = Column(Integer)


class LineColumns(TypedColumns):
    id: Named[LineId] = Column(IdType[LineId](), primary_key=True)
    order_id: Named[OrderId] = Column(IdType[OrderId](), ForeignKey("house_orders.id"), index=True)
    product: Named[str] = Column(String(50))
    quantity: Named[int] = Column(Integer)


metadata = MetaData(naming_convention=application_metadata.naming_convention)

orders = Table(
    "house_orders",
    metadata,
    OrderColumns,
    PrimaryKeyConstraint("id", info={"error": OrderIdAlreadyUsed}),
    UniqueConstraint("number", info={"error": OrderNumberTaken}),
    UniqueConstraint("voucher", info={"error": VoucherUsed}),
    CheckConstraint("status IN ('draft', 'placed')", name="status"),
    CheckConstraint("deposit_cents >= 0", name="deposit"),
    CheckConstraint("(deposit_cents IS NULL) = (deposit_currency IS NULL)", name="whole_deposit"),
)
order_lines = Table("house_order_lines", metadata, LineColumns)


def map_orders() -> None:
    with mapping():
        _map_orders()


def _map_orders() -> None:
    map_once(Line, order_lines, properties={"_order_id": order_lines.c.order_id})
    map_once(
        Order,
        orders,
        version_id_col=orders.c.version,
        properties={
            "_deposit_cents": orders.c.deposit_cents,
            "_deposit_currency": orders.c.deposit_currency,
            "deposit": composite(
                Money, "_deposit_cents", "_deposit_currency", return_none_on=lambda *parts: None in parts
            ),
            "lines": relationship(Line, cascade="all, delete-orphan", lazy="selectin", order_by=order_lines.c.id),
        },
    )


class SqlAlchemyOrderRepository(SqlAlchemyRepository[Order, OrderId], OrderRepository):
    entity = Order

    def placed(
        self, since: datetime, until: datetime, *, after: tuple[datetime, OrderId] | None = None, limit: int = 50
    ) -> list[Order]:
        at, id = orders.c.placed_at, orders.c.id
        query = select(Order).where(at >= since, at < until).order_by(at, id).limit(limit)
        if after:
            query = query.where(tuple_(at, id) > after)
        return list(self._session.scalars(query))


class InMemoryOrderRepository(InMemoryRepository[Order, OrderId], OrderRepository):
    entity = Order

    def placed(
        self, since: datetime, until: datetime, *, after: tuple[datetime, OrderId] | None = None, limit: int = 50
    ) -> list[Order]:
        found = {(o.placed_at, o.id): o for o in self._all() if o.placed_at and since <= o.placed_at < until}
        return [found[key] for key in sorted(found) if after is None or key > after][:limit]


class SqlAlchemyOrderingUnitOfWork(SqlAlchemyTransaction, OrderingUnitOfWork):
    orders = RepositoryOf(SqlAlchemyOrderRepository)


class InMemoryOrderingUnitOfWork(InMemoryTransaction, OrderingUnitOfWork):
    orders = RepositoryOf(InMemoryOrderRepository)
