"""What a block costs grows with what was touched in it, not with what was loaded: calls of our own code are counted."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Uuid
from sqlalchemy.orm import registry

from adapters.container import bootstrap
from adapters.seedwork import mapping
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings
from domain.seedwork.entity import Entity, Part, new_id
from domain.seedwork.errors import NotFound
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    Line,
    Order,
    OrderNumberTaken,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)
from tests.seedwork.shapes import parts

FEW, MANY = 10, 100

Unit = SqlAlchemyOrderingUnitOfWork


@pytest.fixture
def uow(sqlite_url: str) -> Iterator[Unit]:
    """A unit of work on as many orders as are ever loaded."""
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        map_orders()
        uow = Unit(container.session_factory())
        with uow:
            uow.orders.insert_many(
                Order(number=f"{number:03}", lines=[Line(product="tea", quantity=1)]) for number in range(MANY)
            )
            uow.commit()
        yield uow


def calls(work: Callable[[], object]) -> int:
    """Count the calls that work makes from our code, be it of ours or of a library."""
    count = 0
    ours = tuple(str(PROJECT / folder) for folder in ("adapters", "service_layer", "domain"))

    def trace(frame: FrameType, kind: str, _argument: object) -> None:
        nonlocal count
        caller = frame if kind == "c_call" else frame.f_back
        if kind in {"call", "c_call"} and caller and caller.f_code.co_filename.startswith(ours):
            count += 1

    sys.setprofile(trace)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def change(orders: list[Order], what: str) -> None:
    if what == "field":
        orders[0].voucher = f"V-{orders[0].version}"
    else:
        orders[0].lines[0].quantity += 1


def cost_of_commit(uow: Unit, loaded: int, what: str) -> int:
    with uow:
        orders = list(uow.orders.page(limit=loaded).items)
        change(orders, what)
        return calls(uow.commit)


def cost_of_leaving(uow: Unit, loaded: int, what: str) -> int:
    uow.__enter__()
    orders = list(uow.orders.page(limit=loaded).items)
    change(orders, what)
    uow.commit()
    return calls(lambda: uow.__exit__(None, None, None))


def cost_of_inner_rollback(uow: Unit, loaded: int, what: str) -> int:
    with uow:
        orders = list(uow.orders.page(limit=loaded).items)
        with uow:
            change(orders, what)
            uow.flush()
            cost = calls(uow.rollback)
        uow.rollback()
    return cost


def cost_of_inner_refusal(uow: Unit, loaded: int, what: str) -> int:
    def add_again() -> None:
        with suppress(OrderNumberTaken), uow:
            uow.orders.add(Order(number="001"))
            uow.commit()

    with uow:
        orders = list(uow.orders.page(limit=loaded).items)
        change(orders, what)
        count = calls(add_again)
        uow.rollback()
    return count


@pytest.mark.parametrize("what", ["field", "part"])
@pytest.mark.parametrize("cost", [cost_of_commit, cost_of_leaving, cost_of_inner_rollback, cost_of_inner_refusal])
def test_a_block_costs_what_was_touched_in_it(uow: Unit, cost: Callable[[Unit, int, str], int], what: str) -> None:
    cost(uow, FEW, what)  # what is done once is done

    assert cost(uow, MANY, what) <= cost(uow, FEW, what)


def cost_of_lookup_in_memory(loaded: int) -> int:
    uow = InMemoryOrderingUnitOfWork()
    orders = [Order(number=f"{number:03}", lines=[Line(product="tea", quantity=1)]) for number in range(MANY)]
    with uow:
        uow.orders.insert_many(orders)
        uow.commit()
    with uow.reading():
        uow.orders.page(limit=loaded)
        return calls(lambda: uow.orders.get(orders[-1].id))


def test_a_lookup_in_memory_makes_no_rows_of_what_nobody_touched() -> None:
    cost_of_lookup_in_memory(FEW)  # what is done once is done

    each = (cost_of_lookup_in_memory(5 * FEW) - cost_of_lookup_in_memory(FEW)) / (4 * FEW)

    assert each < 20


def cost_of_block_in_memory(stored: int) -> int:
    uow = InMemoryOrderingUnitOfWork()
    with uow:
        uow.orders.insert_many(Order(number=f"{number:03}") for number in range(stored))
        uow.commit()

    def add() -> None:
        with uow:
            uow.orders.add(Order(number="new"))
            uow.commit()

    return calls(add)


def test_a_block_in_memory_does_not_go_through_all_that_is_stored() -> None:
    cost_of_block_in_memory(FEW)  # what is done once is done

    assert cost_of_block_in_memory(MANY) <= cost_of_block_in_memory(FEW)


def cost_of_page_in_memory(stored: int) -> int:
    uow = InMemoryOrderingUnitOfWork()
    orders = [Order(number=f"{number:03}") for number in range(stored)]
    with uow:
        uow.orders.insert_many(orders)
        uow.commit()
    with uow.reading():
        return calls(lambda: uow.orders.page(after=orders[-2].id))


def test_a_page_in_memory_only_compares_the_ids_of_what_is_stored() -> None:
    cost_of_page_in_memory(FEW)  # what is done once is done

    each = (cost_of_page_in_memory(MANY) - cost_of_page_in_memory(FEW)) / (MANY - FEW)

    assert each < 10


@dataclass(eq=False, kw_only=True)
class Desk(Part):
    id: UUID = field(default_factory=new_id)


@dataclass(eq=False, kw_only=True)
class Floor(Part):
    id: UUID = field(default_factory=new_id)
    desks: list[Desk] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class House(Entity):
    floors: list[Floor] = field(default_factory=list)


@pytest.fixture
def houses(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:  # Any: a unit of work with houses
    """Makes units in memory of an aggregate whose parts have parts."""
    monkeypatch.setattr(mapping, "mapper_registry", registry())
    metadata = MetaData()
    tables = [
        Table(name, metadata, Column("id", Uuid, primary_key=True), *columns)
        for name, columns in {
            "houses": [Column("version", Integer, nullable=False)],
            "floors": [Column("house_id", Uuid, ForeignKey("houses.id"), nullable=False)],
            "desks": [Column("floor_id", Uuid, ForeignKey("floors.id"), nullable=False)],
        }.items()
    ]
    with mapping.mapping():
        mapping.map_once(Desk, tables[2])
        mapping.map_once(Floor, tables[1], properties={"desks": parts(Desk)})
        mapping.map_once(House, tables[0], version_id_col=tables[0].c.version, properties={"floors": parts(Floor)})

    class Houses(InMemoryRepository[House, UUID]):
        entity = House
        not_found = NotFound

    class Unit(InMemoryTransaction):
        houses = RepositoryOf(Houses)

    return Unit


def cost_of_loading_in_memory(uow: Any, floors: int) -> int:
    house = House(floors=[Floor(desks=[Desk()]) for _ in range(floors)])
    with uow:
        uow.houses.insert_many([house])
        uow.commit()
    with uow.reading():
        return calls(lambda: uow.houses.get(house.id))


def test_parts_of_parts_in_memory_are_not_looked_for_again_for_each_owner(houses: Callable[[], Any]) -> None:
    cost_of_loading_in_memory(houses(), FEW)  # what is done once is done

    few, many = (cost_of_loading_in_memory(houses(), floors) / floors for floors in (FEW, MANY))

    assert many <= few
