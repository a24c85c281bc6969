"""Use cases on every implementation: pages, versions and unique values, as their callers see them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import DomainError, InvalidValue, VersionMismatch
from service_layer.seedwork.once import KeyAlreadyUsed, once
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.backends import NewUnit
from tests.seedwork.ordering import (
    Order,
    OrderId,
    OrderIdAlreadyUsed,
    OrderingUnitOfWork,
    OrderNumberTaken,
    Status,
    VoucherUsed,
)
from tests.seedwork.pages import blocks, page
from tests.seedwork.use_cases import (
    OrderDetails,
    add_order,
    export_orders,
    find_order_by_number,
    get_order,
    import_orders,
    list_orders,
    raise_deposit,
    remove_order,
    renumber_order,
)

changes = pytest.mark.parametrize(
    "change",
    [
        lambda uow, order_id, version: renumber_order(uow, order_id, "B-2", expected_version=version),
        lambda uow, order_id, version: raise_deposit(uow, order_id, expected_version=version),
        lambda uow, order_id, version: remove_order(uow, order_id, expected_version=version),
    ],
    ids=["renumber", "raise deposit", "remove"],
)
Change = Callable[[OrderingUnitOfWork, OrderId, int], OrderDetails]


@pytest.fixture
def order(new_unit: NewUnit[OrderingUnitOfWork]) -> OrderDetails:
    return add_order(new_unit(), "A-1")


def test_what_a_use_case_has_saved_another_unit_finds(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    order = add_order(uow, "A-1", voucher="V-1")

    assert order == OrderDetails(order.id, "A-1", "V-1", cents=0, version=1)
    assert get_order(new_unit(), order.id) == find_order_by_number(new_unit(), "A-1") == order


def test_each_change_is_saved_and_counted(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    renumber_order(uow, order.id, "B-2")
    raise_deposit(uow, order.id, 500)

    assert get_order(new_unit(), order.id) == OrderDetails(order.id, "B-2", None, cents=500, version=3)


def test_what_is_removed_is_gone(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails
) -> None:
    assert remove_order(uow, order.id) == order

    assert list_orders(new_unit()).items == ()


@changes
def test_a_change_of_the_version_that_was_read_is_saved(
    uow: OrderingUnitOfWork, order: OrderDetails, change: Change
) -> None:
    assert change(uow, order.id, order.version).id == order.id


@changes
def test_a_change_of_an_older_version_is_refused(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork], order: OrderDetails, change: Change
) -> None:
    present = raise_deposit(uow, order.id)

    with pytest.raises(VersionMismatch, match="has version 2, not 1"):
        change(uow, order.id, order.version)

    assert get_order(new_unit(), order.id) == present


@pytest.mark.parametrize("version", ["1", 1.0, True])
def test_a_version_that_is_no_whole_number_is_refused(
    uow: OrderingUnitOfWork, order: OrderDetails, version: int
) -> None:
    with pytest.raises(VersionMismatch):
        renumber_order(uow, order.id, "B-2", expected_version=version)


def test_a_full_last_page_says_that_it_is_the_last(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    orders = [add_order(uow, f"A-{n}") for n in range(4)]

    first = list_orders(new_unit(), limit=2)
    last = list_orders(new_unit(), after=first.next, limit=2)

    assert [*first.items, *last.items] == orders
    assert (first.next, last.next) == (orders[1].id, None)


@pytest.mark.parametrize("limit", [0, 1001, "2"])
def test_a_page_of_no_or_too_many_orders_is_refused(uow: OrderingUnitOfWork, limit: int) -> None:
    with pytest.raises(InvalidValue, match="ask for 1 to 1000 at a time"):
        list_orders(uow, limit=limit)


def test_many_orders_may_have_no_voucher(uow: OrderingUnitOfWork, order: OrderDetails) -> None:
    other = add_order(uow, "B-2")

    assert (order.voucher, other.voucher) == (None, None)


def test_a_voucher_pays_for_one_order(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    order = add_order(uow, "A-1", voucher="V-1")

    with pytest.raises(VoucherUsed):
        add_order(uow, "B-2", voucher="V-1")

    assert list_orders(new_unit()).items == (order,)


def test_a_request_that_is_repeated_by_its_id_returns_what_is_there(uow: OrderingUnitOfWork) -> None:
    order_id = OrderId(new_id())
    order = add_order(uow, "A-1", order_id=order_id)

    assert add_order(uow, "A-1", order_id=order_id) == order


def test_an_id_is_not_used_for_other_values(uow: OrderingUnitOfWork, order: OrderDetails) -> None:
    with pytest.raises(OrderIdAlreadyUsed):
        add_order(uow, "B-2", order_id=order.id)


def test_a_number_that_another_order_has_is_refused_by_any_id(uow: OrderingUnitOfWork, order: OrderDetails) -> None:
    with pytest.raises(OrderNumberTaken):
        add_order(uow, "A-1", order_id=OrderId(new_id()))


def test_what_is_imported_can_be_exported(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    exported: list[OrderDetails] = []

    import_orders(uow, ["A-1", "B-2"])
    export_orders(new_unit(), exported.append)

    assert [order.number for order in exported] == ["A-1", "B-2"]


def test_use_cases_in_one_block_are_one_step(uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]) -> None:
    with uow:
        order = add_order(uow, "A-1")
        renumber_order(uow, order.id, "B-2")
        uow.rollback()

    assert list_orders(new_unit()).items == ()


def test_who_asks_decides_as_decision_0023_shows(uow: OrderingUnitOfWork, order: OrderDetails) -> None:
    kinds = (DomainError, Status, Order, OrderId, OrderingUnitOfWork, OrderDetails)
    names: dict[str, Any] = {kind.__name__: kind for kind in kinds}
    names |= {"__name__": __name__, "dataclass": dataclass, "retry_transient": retry_transient}
    [block] = blocks(page("decisions/0023-who-asks-is-an-argument.md"), "python")
    exec(block, names)
    change, new_caller = names["change_order_number"], names["Caller"]
    clerk, manager = new_caller("Ann"), new_caller("Bob", is_manager=True)
    with uow:
        uow.orders.get(order.id).place(datetime.now(UTC))
        uow.commit()

    with pytest.raises(names["NotPermitted"], match="Ann may not change order A-1, which is placed"):
        change(uow, order.id, "B-2", by=clerk)
    assert get_order(uow, order.id).number == "A-1"

    assert once(uow, "K-1", change, order.id, "B-2", by=manager).number == "B-2"
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-1", change, order.id, "B-2", by=clerk)
