"""Service functions for asynchronous callers: many at a time, cancelled, and tried again."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import AsyncAdaptedQueuePool, text
from sqlalchemy.util import await_

from adapters.container import Container, async_bootstrap
from adapters.seedwork.sqlalchemy.asynchronous import run
from adapters.settings import Settings
from adapters.unit_of_work import SqlAlchemyUnitOfWork
from domain.user import EmailAlreadyTaken
from service_layer import users
from service_layer.seedwork.errors import ConcurrencyConflict, SchemaOutdated, UnitOfWorkMisuse
from service_layer.seedwork.retry import retry_transient
from service_layer.unit_of_work import UnitOfWork
from service_layer.users import UserDetails


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(database_url=request.getfixturevalue(f"{request.param}_url"))


async def john(container: Container) -> UserDetails:
    return await run(users.register_user, container.unit_of_work(), name="John Doe", age=30, email="j@example.com")


def checked_out(container: Container) -> int:
    pool = container.engine().pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    return pool.checkedout()


def test_service_functions_are_awaited_as_they_are(settings: Settings) -> None:
    async def main() -> None:
        async with async_bootstrap(settings) as container:
            registered = await john(container)
            with pytest.raises(EmailAlreadyTaken):
                await john(container)

            assert await run(users.get_user, container.unit_of_work(), registered.id) == registered

    asyncio.run(main())


def test_what_is_not_awaited_is_refused_with_the_cure(settings: Settings) -> None:
    async def main() -> None:
        async with async_bootstrap(settings) as container:
            registered = await john(container)
            with pytest.raises(UnitOfWorkMisuse, match="await run"):
                users.list_users(container.unit_of_work())

            assert (await run(users.list_users, container.unit_of_work())).items == (registered,)

    asyncio.run(main())


def test_many_tasks_at_a_time_lose_nothing(settings: Settings) -> None:
    @retry_transient
    def celebrate(uow: UnitOfWork, user_id: Any) -> None:
        with uow:
            user = uow.users.get(user_id)
            user.change_age(user.age + 1)
            uow.commit()

    async def main() -> None:
        async with async_bootstrap(settings) as container:
            user_id = (await john(container)).id
            await asyncio.gather(*(run(celebrate, container.unit_of_work(), user_id) for _ in range(20)))

            assert (await run(users.get_user, container.unit_of_work(), user_id)).age == 50

    asyncio.run(main())


def test_other_tasks_run_while_one_waits_for_its_next_try(settings: Settings) -> None:
    seen: list[str] = []

    @retry_transient
    def work(uow: UnitOfWork) -> None:
        seen.append("try")
        if seen.count("try") < 3:
            raise ConcurrencyConflict("lost")

    async def other() -> None:
        seen.append("other")

    async def main() -> None:
        async with async_bootstrap(settings) as container:
            await asyncio.gather(run(work, container.unit_of_work()), other())

    asyncio.run(main())

    assert seen == ["try", "try", "other", "try"]  # the second try comes at once


def test_a_cancelled_task_is_rolled_back_and_gives_its_connection_back(settings: Settings) -> None:
    async def main() -> None:
        inside = asyncio.Event()

        def work(uow: UnitOfWork) -> None:
            with uow:
                users.register_user(uow, name="Jane Roe", age=28)
                inside.set()
                await_(asyncio.Event().wait())

        async with async_bootstrap(settings) as container:
            task = asyncio.create_task(run(work, container.unit_of_work()))
            await inside.wait()
            assert checked_out(container) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            assert checked_out(container) == 0
            registered = await john(container)
            assert (await run(users.list_users, container.unit_of_work())).items == (registered,)

    asyncio.run(main())


def test_a_task_is_cancelled_in_the_middle_of_a_statement(postgresql_url: str) -> None:
    def work(uow: UnitOfWork) -> None:
        assert isinstance(uow, SqlAlchemyUnitOfWork)
        with uow:
            users.register_user(uow, name="Jane Roe", age=28)
            uow.session.execute(text("SELECT pg_sleep(60)"))

    async def main() -> None:
        async with async_bootstrap(Settings(database_url=postgresql_url)) as container:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(run(work, container.unit_of_work()), timeout=0.3)

            assert checked_out(container) == 0
            registered = await john(container)
            assert (await run(users.list_users, container.unit_of_work())).items == (registered,)

    asyncio.run(main())


def test_a_database_that_is_not_migrated_is_refused(tmp_path: Any) -> None:
    async def main() -> None:
        async with async_bootstrap(Settings(database_url=f"sqlite:///{tmp_path / 'new.db'}")):
            pytest.fail("started")

    with pytest.raises(SchemaOutdated, match="alembic upgrade head"):
        asyncio.run(main())
