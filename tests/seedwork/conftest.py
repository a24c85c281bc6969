"""Tests of the machinery: the fixtures ``uow`` and ``new_unit`` return a unit of work of the tests' own aggregates."""

import shutil
from collections.abc import Iterator

import pytest

from tests.seedwork.backends import Units, migrate
from tests.seedwork.lender import FileLender, Lender, Server
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    OrderingUnitOfWork,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)
from tests.seedwork.shapes import create_tables


@pytest.fixture(scope="session")
def file_lender(file_lender: FileLender) -> FileLender:
    """Migrated SQLite files with the tests' own tables."""
    file = file_lender.template.with_name("seedwork.db")
    shutil.copy(file_lender.template, file)
    create_tables(f"sqlite:///{file}")
    return FileLender(file)


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
