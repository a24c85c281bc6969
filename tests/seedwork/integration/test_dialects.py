"""An engine that speaks PostgreSQL's protocol and has a dialect of its own."""

from collections.abc import Iterator

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.seedwork.sqlalchemy import asynchronous
from adapters.seedwork.sqlalchemy.engine import create_engine, session_factory
from adapters.settings import Settings
from service_layer.seedwork.errors import ConcurrencyConflict, UnitOfWorkMisuse
from tests.seedwork.ordering import Order, SqlAlchemyOrderingUnitOfWork
from tests.seedwork.use_cases import add_order, get_order, renumber_order


class Otherbase(PGDialect_psycopg):
    """A stand-in. Like some real ones it claims that an UPDATE does not count its rows."""

    name = "otherbase"
    supports_statement_cache = True
    supports_sane_rowcount = False

    @classmethod
    def get_async_dialect_cls(cls, url: object) -> type[PGDialectAsync_psycopg]:
        return PGDialectAsync_psycopg


class Ours(Settings):
    drivers = {"otherbase": "otherbase+psycopg"}


@pytest.fixture
def settings(postgresql_url: str) -> Iterator[Settings]:
    registry.impls["otherbase.psycopg"] = lambda: Otherbase
    url = make_url(postgresql_url).set(drivername="otherbase")
    yield Ours(database_url=url.render_as_string(hide_password=False))
    del registry.impls["otherbase.psycopg"]


@pytest.fixture
def uow(settings: Settings) -> Iterator[SqlAlchemyOrderingUnitOfWork]:
    engine = create_engine(settings)
    yield SqlAlchemyOrderingUnitOfWork(session_factory(engine))
    engine.dispose()


def test_units_of_work_use_its_dialect_with_the_rules_of_the_house(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    order = add_order(uow, "A-1")

    renumber_order(uow, order.id, "B-2")

    assert get_order(uow, order.id).number == "B-2"
    with uow:
        assert uow.session.get_bind().dialect.name == "otherbase"
    with pytest.raises(UnitOfWorkMisuse), uow.reading():
        uow.orders.add(Order(number="C-3"))


def test_a_lost_race_is_seen_whatever_it_says_of_its_counts(
    uow: SqlAlchemyOrderingUnitOfWork, settings: Settings
) -> None:
    order = add_order(uow, "A-1")
    engine = create_engine(settings)
    other = SqlAlchemyOrderingUnitOfWork(session_factory(engine))

    with pytest.raises(ConcurrencyConflict), uow:
        late = uow.orders.get(order.id)
        renumber_order(other, order.id, "B-2")
        late.number = "C-3"
        uow.commit()

    engine.dispose()
    assert get_order(uow, order.id).number == "B-2"


def test_its_asynchronous_dialect_is_used_too(settings: Settings) -> None:
    engine = AsyncEngine(asynchronous.create_engine(settings))

    assert isinstance(engine.sync_engine.dialect, PGDialectAsync_psycopg)
    assert engine.sync_engine.dialect.is_async
