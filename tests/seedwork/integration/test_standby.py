"""Reads that may be old: on a stand-by, where the caller says so, and no older than what the caller has written."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from adapters.container import Container, async_bootstrap, bootstrap
from adapters.seedwork.sqlalchemy.asynchronous import run
from adapters.seedwork.sqlalchemy.standby import position, wait_for
from adapters.settings import Settings
from domain.seedwork.errors import InvalidValue
from service_layer.seedwork.errors import DatabaseUnavailable, UnitOfWorkMisuse
from tests.seedwork.cluster import ask
from tests.seedwork.ordering import Order, SqlAlchemyOrderingUnitOfWork
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.use_cases import add_order, list_orders


def units(container: Container) -> tuple[SqlAlchemyOrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork]:
    """A unit of work that writes, and one that reads."""
    writer, reader = (
        cast("SqlAlchemyOrderingUnitOfWork", unit)._session_factory
        for unit in (container.unit_of_work(), container.reader())
    )
    return SqlAlchemyOrderingUnitOfWork(writer), SqlAlchemyOrderingUnitOfWork(reader)


@pytest.fixture
def behind(primary: PostgresServer, standby: PostgresServer) -> Iterator[Container]:
    """An application that reads a stand-by which has stopped to follow."""
    settings = Settings(database_url=primary.url("app"), database_read_url=standby.url("app"))
    with bootstrap(settings=settings) as container:
        ask(standby, "SELECT pg_wal_replay_pause()")
        yield container
        ask(standby, "SELECT pg_wal_replay_resume()")


def test_who_reads_the_stand_by_may_see_what_is_old_and_waits_for_its_own_write(
    behind: Container, standby: PostgresServer
) -> None:
    writer, reader = units(behind)
    order = add_order(writer, "A-1")
    written = position(writer)

    assert list_orders(writer).items == (order,)
    assert list_orders(reader).items == ()
    with pytest.raises(DatabaseUnavailable, match="not got the write within 0.05 s: read on the primary"):
        wait_for(written, reader, within_s=0.05)

    ask(standby, "SELECT pg_wal_replay_resume()")
    wait_for(written, reader, within_s=20)
    assert list_orders(reader).items == (order,)


@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url"])
def test_without_a_stand_by_the_reader_reads_the_database_itself(request: pytest.FixtureRequest, url: str) -> None:
    with bootstrap(settings=Settings(database_url=request.getfixturevalue(url))) as container:
        writer, reader = units(container)
        order = add_order(writer, "A-1")

        wait_for(position(writer), reader, within_s=0.01)

        assert list_orders(reader).items == (order,)


@pytest.mark.parametrize("text", ["", "0/16b3748'", "0/123456789", "0/1\n"])
def test_what_is_no_position_is_refused(postgresql_url: str, text: str) -> None:
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container:
        _, reader = units(container)

        with pytest.raises(InvalidValue, match=r"it must be what position\(\) has returned"):
            wait_for(text, reader, within_s=1)


def test_a_reader_opens_no_block_that_could_write(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        _, reader = units(container)

        with pytest.raises(UnitOfWorkMisuse, match=r"reads a stand-by. Write: with uow.reading\(\):"), reader:
            pytest.fail("entered")
        with pytest.raises(UnitOfWorkMisuse), reader.reading():
            reader.orders.add(Order(number="A-1"))


def test_an_asynchronous_reader_awaits_its_own_database(sqlite_url: str, empty_sqlite_url: str) -> None:
    async def read() -> None:
        settings = Settings(database_url=empty_sqlite_url, database_read_url=sqlite_url, database_check_schema=False)
        async with async_bootstrap(settings) as container:
            _, reader = units(container)

            assert (await run(list_orders, reader)).items == ()

    asyncio.run(read())
