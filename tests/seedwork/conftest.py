"""Tests of the machinery: the fixtures ``uow`` and ``new_unit`` return a unit of work of the tests' own aggregates."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seedwork.backends import Units, migrate
from tests.seedwork.lender import Lender, Server
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    OrderingUnitOfWork,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)
from tests.seedwork.shapes import create_tables


@pytest.fixture(scope="session")
def sqlite_template(sqlite_template: Path) -> Path:
    """A migrated SQLite file with the tests' own tables."""
    file = shutil.copy(sqlite_template, sqlite_template.with_name("seedwork.db"))
    create_tables(f"sqlite:///{file}")
    return Path(file)


@pytest.fixture(scope="session")
def lender(postgresql: Server) -> Iterator[Lender]:
    """Migrated PostgreSQL databases with the tests' own tables."""
    postgresql.create_template("seedwork", migrate, create_tables)
    with Lender(postgresql, "seedwork") as lender:
        yield lender


@pytest.fixture(scope="session", autouse=True)
def _orders_are_mapped() -> None:
    map_orders()


@pytest.fixture
def units() -> Units[OrderingUnitOfWork]:
    """The unit of work of orders."""
    return Units(InMemoryOrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork)
