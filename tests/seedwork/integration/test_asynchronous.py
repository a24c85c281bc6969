"""Service functions for asynchronous callers: many at a time, cancelled, and tried again."""

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import partial
from time import sleep

import pytest
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.util import await_

from adapters.container import Container, async_bootstrap, bootstrap
from adapters.seedwork.sqlalchemy.asynchronous import run
from adapters.settings import Settings
from service_layer.seedwork.errors import ConcurrencyConflict, SchemaOutdated, UnitOfWorkMisuse
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.backends import checked_out
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    Order,
    OrderingUnitOfWork,
    OrderNumberTaken,
    SqlAlchemyOrderingUnitOfWork,
)
from tests.seedwork.tcp_proxy import TcpProxy
from tests.seedwork.use_cases import OrderDetails, add_order, get_order, list_orders, raise_deposit


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(database_url=request.getfixturevalue(f"{request.param}_url"))


def new_unit(container: Container) -> SqlAlchemyOrderingUnitOfWork:
    return SqlAlchemyOrderingUnitOfWork(container.session_factory())


async def added(container: Container) -> OrderDetails:
    return await run(add_order, new_unit(container), "A-1")


async def saved(container: Container) -> tuple[OrderDetails, ...]:
    return (await run(list_orders, new_unit(container))).items


def test_service_functions_are_awaited_as_they_are(settings: Settings) -> None:
    async def main() -> None:
        async with async_bootstrap(settings) as container:
            order = await added(container)
            with pytest.raises(OrderNumberTaken):
                await added(container)

            assert await run(get_order, new_unit(container), order.id) == order

    asyncio.run(main())


def test_what_is_not_awaited_is_refused_with_what_to_write(settings: Settings) -> None:
    async def main() -> None:
        async with async_bootstrap(settings) as container:
            order = await added(container)
            with pytest.raises(UnitOfWorkMisuse, match="await run"):
                list_orders(new_unit(container))

            assert await saved(container) == (order,)

    asyncio.run(main())


async def count_later(uow: OrderingUnitOfWork) -> int:
    return 1


def count_in_parts(uow: OrderingUnitOfWork) -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("function", [count_later, count_in_parts, partial(count_later)])
def test_what_returns_before_its_work_is_done_is_not_awaited(
    function: Callable[[OrderingUnitOfWork], object],
) -> None:
    with pytest.raises(UnitOfWorkMisuse, match=r"\(\) returns before its work is done. Write a plain function"):
        asyncio.run(run(function, InMemoryOrderingUnitOfWork()))


def test_a_unit_of_work_that_would_hold_up_the_event_loop_is_refused(settings: Settings) -> None:
    with (
        bootstrap(settings=settings) as container,
        pytest.raises(UnitOfWorkMisuse, match="would hold up the event loop.*async_bootstrap"),
    ):
        asyncio.run(run(list_orders, new_unit(container)))


def test_many_tasks_at_a_time_lose_nothing(settings: Settings) -> None:
    async def main() -> None:
        async with async_bootstrap(settings) as container:
            order = await added(container)
            await asyncio.gather(*(run(raise_deposit, new_unit(container), order.id) for _ in range(20)))

            assert (await run(get_order, new_unit(container), order.id)).cents == 20

    asyncio.run(main())


def test_other_tasks_run_while_one_waits_for_its_next_try(settings: Settings) -> None:
    seen: list[str] = []

    @retry_transient
    def work(uow: OrderingUnitOfWork) -> None:
        seen.append("try")
        if seen.count("try") < 3:
            raise ConcurrencyConflict("lost")

    async def other() -> None:
        seen.append("other")

    async def main() -> None:
        async with async_bootstrap(settings) as container:
            await asyncio.gather(run(work, new_unit(container)), other())

    asyncio.run(main())

    assert seen == ["try", "try", "other", "try"]  # the second try comes at once


def test_a_cancelled_task_is_rolled_back_and_gives_its_connection_back(settings: Settings) -> None:
    async def main() -> None:
        inside = asyncio.Event()

        def work(uow: OrderingUnitOfWork) -> None:
            with uow:
                add_order(uow, "B-2")
                inside.set()
                await_(asyncio.Event().wait())

        async with async_bootstrap(settings) as container:
            task = asyncio.create_task(run(work, new_unit(container)))
            await inside.wait()
            assert checked_out(container.engine()) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert checked_out(container.engine()) == 0
            order = await added(container)
            assert await saved(container) == (order,)

    asyncio.run(main())


def wait_last(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        add_order(uow, "B-2")
        uow.session.execute(text("SELECT pg_sleep(60)"))


def wait_first(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        uow.session.execute(select(func.pg_sleep(60)))


@pytest.mark.parametrize("work", [wait_last, wait_first])
def test_a_task_is_cancelled_in_the_middle_of_a_statement(
    postgresql_url: str, work: Callable[[SqlAlchemyOrderingUnitOfWork], None]
) -> None:
    async def main() -> None:
        async with async_bootstrap(Settings(database_url=postgresql_url)) as container:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run(work, new_unit(container)), timeout=0.3)

            assert checked_out(container.engine()) == 0
            order = await added(container)
            assert await saved(container) == (order,)

    asyncio.run(main())


def test_on_postgresql_a_task_is_cancelled_as_many_rows_are_about_to_be_sent(postgresql_url: str) -> None:
    def work(uow: OrderingUnitOfWork) -> None:
        with uow:
            uow.orders.count()
            task = asyncio.current_task()
            assert task
            task.cancel()
            sleep(0.1)  # after so long psycopg lets the event loop run as soon as it has entered its pipeline
            uow.orders.insert_many([Order(number="B-2"), Order(number="B-3")])

    async def main() -> None:
        async with async_bootstrap(Settings(database_url=postgresql_url, database_pool_size=1)) as container:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(run(work, new_unit(container)))

            assert await saved(container) == ()

    asyncio.run(main())


def test_on_postgresql_begin_is_no_request_of_its_own(proxied_url: str, proxy: TcpProxy) -> None:
    async def main() -> None:
        async with async_bootstrap(Settings(database_url=proxied_url)) as container:
            order = await added(container)
            proxy.sent.clear()
            await run(raise_deposit, new_unit(container), order.id)

        words = [re.findall(rb"BEGIN;SELECT|SELECT|UPDATE|COMMIT", request)[:1] for request in proxy.sent[:4]]
        assert words == [[b"BEGIN;SELECT"], [b"SELECT"], [b"UPDATE"], [b"COMMIT"]]

    asyncio.run(main())


def test_on_postgresql_a_reading_block_does_not_wait_for_the_answer_to_rollback(
    proxied_url: str, proxy: TcpProxy
) -> None:
    def read(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        with uow.reading():
            assert uow.orders.page().items == ()
            proxy.fall_silent()

    async def main() -> None:
        async with async_bootstrap(Settings(database_url=proxied_url)) as container:
            await asyncio.wait_for(run(read, new_unit(container)), timeout=30)

    asyncio.run(main())


def test_on_postgresql_who_comes_next_waits_for_it(postgresql_url: str) -> None:
    async def main() -> None:
        async with async_bootstrap(Settings(database_url=postgresql_url, database_pool_size=1)) as container:
            order = await added(container)
            reads = (run(get_order, new_unit(container), order.id) for _ in range(50))

            assert await asyncio.gather(*reads) == [order] * 50

    asyncio.run(main())


def test_a_database_that_a_newer_release_has_migrated_is_refused(empty_sqlite_url: str) -> None:
    engine = create_engine(empty_sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version AS SELECT 'unknown' AS version_num"))
    engine.dispose()

    async def main() -> None:
        async with async_bootstrap(Settings(database_url=empty_sqlite_url)):
            pytest.fail("started")

    with pytest.raises(SchemaOutdated, match="a newer release, or another branch, has migrated it"):
        asyncio.run(main())
