"""What only a database makes, knows or frees: the fake leaves it out, says what to write, or does the same."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Dialect,
    FetchedValue,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    Numeric,
    Sequence,
    Table,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator

from adapters.seedwork import mapping
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.registration import RepositoryOf
from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import NotFound
from service_layer.seedwork.errors import ConstraintViolated, UnitOfWorkMisuse
from tests.seedwork.ordering import InMemoryOrderingUnitOfWork, Order

Made = Callable[[], Column[Any]]  # Any: of whatever type

NUMBERS: dict[str, Made] = {
    "identity": lambda: Column("number", Integer, Identity()),
    "sequence": lambda: Column("number", Integer, Sequence("numbers")),
    "trigger": lambda: Column("number", Integer, server_default=FetchedValue()),
    "text": lambda: Column("number", Integer, server_default=text("nextval('numbers')"), nullable=False),
    "next value": lambda: Column("number", Integer, server_default=Sequence("numbers").next_value(), nullable=False),
    "function": lambda: Column("number", Uuid, server_default=func.gen_random_uuid(), nullable=False, unique=True),
}


def mapped(column: Column[Any], metadata: MetaData | None = None, **options: Any) -> tuple[Any, Any]:
    """Map an entity to a table with a column, and return its class and a unit of work."""

    @dataclass(eq=False, kw_only=True)
    class Ticket(Entity):
        id: UUID = field(default_factory=new_id)
        if not options:
            number: Any = None

    tickets = Table(
        "tickets",
        metadata or MetaData(),
        Column("id", Uuid, primary_key=True),
        column,
        Column("version", Integer, nullable=False),
    )
    with mapping.mapping():
        mapping.map_once(Ticket, tickets, version_id_col=tickets.c.version, **options)

    class Tickets(InMemoryRepository[Any, UUID]):
        entity = Ticket
        not_found = NotFound

    class Unit(InMemoryTransaction):
        tickets = RepositoryOf(Tickets)

    return Ticket, Unit()


@pytest.fixture(autouse=True)
def _a_registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "mapper_registry", registry())


@pytest.mark.parametrize("made", NUMBERS.values(), ids=NUMBERS.keys())
def test_what_no_attribute_has_may_be_made_by_whatever_a_database_knows(made: Made) -> None:
    ticket, uow = mapped(made(), exclude_properties=["number"])

    with uow:
        uow.tickets.add(ticket())
        uow.tickets.insert_many([ticket()])
        uow.commit()

    with uow.reading():
        assert uow.tickets.count() == 2


@pytest.mark.parametrize("made", NUMBERS.values(), ids=NUMBERS.keys())
def test_an_attribute_that_the_fake_cannot_make_is_refused_with_what_to_write(made: Made) -> None:
    ticket, uow = mapped(made())

    with pytest.raises(UnitOfWorkMisuse, match=r"makes tickets\.number .* Write: Column\(.*, default=\.\.\.\)"), uow:
        uow.tickets.add(ticket())
        uow.commit()


def test_a_default_of_python_makes_what_the_fake_cannot() -> None:
    ticket, uow = mapped(Column("number", Uuid, default=uuid4, server_default=func.gen_random_uuid()))
    new = ticket()

    with uow:
        uow.tickets.add(new)
        uow.commit()

    assert isinstance(new.number, UUID)


def test_a_reference_to_a_table_without_a_class_is_not_checked() -> None:
    metadata = MetaData()
    Table("countries", metadata, Column("id", Integer, primary_key=True))
    ticket, uow = mapped(Column("number", Integer, ForeignKey("countries.id"), nullable=False), metadata)

    with uow:
        uow.tickets.add(ticket(number=49))
        uow.commit()


def test_a_block_that_was_entered_and_forgotten_lets_others_write_when_it_is_garbage() -> None:
    store = InMemoryStore(lock_timeout_s=0)
    forgotten = InMemoryOrderingUnitOfWork(store)
    forgotten.__enter__()
    order = Order(number="A-1")
    forgotten.orders.add(order)
    forgotten.flush()

    del forgotten
    gc.collect()

    with InMemoryOrderingUnitOfWork(store) as uow:
        uow.orders.add(order)
        uow.commit()
    assert order.version == 1


def test_a_decimal_that_its_type_stores_as_another_one_is_looked_up_as_it_was_given() -> None:
    class Percent(TypeDecorator[Decimal]):
        impl = Numeric(5, 2)
        cache_ok = True

        def process_bind_param(self, value: Any, dialect: Dialect) -> Decimal:  # Any: a Decimal
            return Decimal(value * 100)

    ticket, uow = mapped(Column("number", Percent()))
    new = ticket(number=Decimal("0.125"))
    with uow:
        uow.tickets.add(new)
        uow.commit()

    with uow.reading():
        assert uow.tickets._all(number=Decimal("0.125")) == [new]


def test_a_list_in_a_unique_key_is_compared() -> None:
    ticket, uow = mapped(Column("number", ARRAY(Integer), unique=True))
    with uow:
        uow.tickets.add(ticket(number=[1, 2]))
        uow.tickets.add(ticket(number=[2, 1]))
        uow.commit()

    with pytest.raises(ConstraintViolated, match="does not allow it"), uow:
        uow.tickets.add(ticket(number=[1, 2]))
        uow.commit()


def test_a_lookup_by_a_type_of_the_forks_own_on_json_is_refused() -> None:
    class Tags(TypeDecorator[tuple[str, ...]]):
        impl = JSON
        cache_ok = True

    _, uow = mapped(Column("number", Tags()))

    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match=r"Ticket\.number is JSON"):
        uow.tickets._all(number=("a",))
