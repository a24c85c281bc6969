"""Events of the tests' own aggregates."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.seedwork.events import Event
from tests.seedwork.ordering import Money, Order, OrderId, Status


@dataclass(frozen=True, kw_only=True)
class OrderPlaced(Event, name="order placed", of=Order):
    order_id: OrderId
    number: str = ""
    status: Status = Status.PLACED
    placed_at: datetime | None = None
    deposit: Money | None = None
    discount: Decimal = Decimal(0)
    products: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OrderRemoved(Event, name="order removed", of=Order):
    order_id: OrderId
