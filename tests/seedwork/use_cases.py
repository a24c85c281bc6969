"""Use cases on orders, written like yours in ``service_layer``, so that the tests work as callers do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from domain.seedwork.errors import AlreadyExists
from domain.seedwork.repository import Page
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.ordering import Money, Order, OrderId, OrderIdAlreadyUsed, OrderingUnitOfWork


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """An order as a use case returns it."""

    id: OrderId
    number: str
    voucher: str | None
    cents: int
    version: int

    @classmethod
    def of(cls, order: Order) -> Self:
        cents = order.deposit.cents if order.deposit else 0
        return cls(order.id, order.number, order.voucher, cents, order.version)


@retry_transient
def add_order(
    uow: OrderingUnitOfWork, number: str, *, voucher: str | None = None, order_id: OrderId | None = None
) -> OrderDetails:
    """Add an order. Repeated with the same ``order_id`` and the same values it returns the order that is there."""
    order = Order(number=number, voucher=voucher)
    if order_id is not None:
        order = Order(id=order_id, number=number, voucher=voucher)
    try:
        with uow:
            uow.orders.add(order)
            uow.commit()
    except AlreadyExists:
        if order_id is None:
            raise
        with uow.reading():
            found = uow.orders.find(order_id)
        if found is None:
            raise
        if (found.number, found.voucher) != (number, voucher):
            raise OrderIdAlreadyUsed from None
        return OrderDetails.of(found)
    return OrderDetails.of(order)


@retry_transient
def get_order(uow: OrderingUnitOfWork, order_id: OrderId) -> OrderDetails:
    with uow.reading():
        return OrderDetails.of(uow.orders.get(order_id))


@retry_transient
def find_order_by_number(uow: OrderingUnitOfWork, number: str) -> OrderDetails | None:
    with uow.reading():
        order = uow.orders.by_number(number)
        return OrderDetails.of(order) if order else None


@retry_transient
def list_orders(uow: OrderingUnitOfWork, *, after: UUID | None = None, limit: int = 50) -> Page[OrderDetails]:
    with uow.reading():
        page = uow.orders.page(after=after, limit=limit)
        return Page(tuple(map(OrderDetails.of, page.items)), page.next)


@retry_transient
def renumber_order(
    uow: OrderingUnitOfWork, order_id: OrderId, number: str, *, expected_version: int | None = None
) -> OrderDetails:
    with uow:
        order = uow.orders.get(order_id)
        order.expect_version(expected_version)
        order.number = number
        uow.commit()
    return OrderDetails.of(order)


@retry_transient
def raise_deposit(
    uow: OrderingUnitOfWork, order_id: OrderId, cents: int = 1, *, expected_version: int | None = None
) -> OrderDetails:
    """Add to the deposit: the result depends on what was read, so a lost update shows."""
    with uow:
        order = uow.orders.get(order_id)
        order.expect_version(expected_version)
        order.deposit = Money((order.deposit.cents if order.deposit else 0) + cents, "EUR")
        uow.commit()
    return OrderDetails.of(order)


@retry_transient
def remove_order(uow: OrderingUnitOfWork, order_id: OrderId, *, expected_version: int | None = None) -> OrderDetails:
    with uow:
        order = uow.orders.get(order_id)
        order.expect_version(expected_version)
        uow.orders.remove(order)
        uow.commit()
    return OrderDetails.of(order)


def import_orders(uow: OrderingUnitOfWork, numbers: Iterable[str]) -> None:
    """Add many orders: all of them, or none. It is not retried: ``numbers`` can't be read twice."""
    with uow:
        uow.orders.insert_many(Order(number=number) for number in numbers)
        uow.commit()


def export_orders(uow: OrderingUnitOfWork, write: Callable[[OrderDetails], object]) -> None:
    """Call ``write`` with each order, in order of id."""
    with uow.reading():
        for order in uow.orders.stream():
            write(OrderDetails.of(order))
