"""Many tasks of one event loop that each read a user: awaited on the asynchronous driver, and in threads."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from adapters.container import async_bootstrap, bootstrap
from adapters.seedwork.sqlalchemy.asynchronous import run
from adapters.settings import Settings
from benchmarks.clock import Clock, Figure
from benchmarks.databases import row_id
from benchmarks.subjects.sessions import NakedSession, User
from domain.user import UserId
from service_layer.users import get_user

TASKS, CONNECTIONS, ROUNDS = 100, 8, 7
GET, AWAITED, THREADS = "get", "groundwork, awaited", "groundwork, in threads"

Read = Callable[[UserId], Awaitable[object]]


def gets_by_tasks(database: str, url: str) -> list[Figure]:
    """Read by 100 tasks at once, over 8 connections."""
    return asyncio.run(_measured(Clock(f"{database}, {TASKS} tasks"), url))


async def _measured(clock: Clock, url: str) -> list[Figure]:
    ids = [UserId(row_id(number)) for number in range(1, TASKS + 1)]
    settings = Settings(database_url=url, database_pool_size=CONNECTIONS)
    async with _naked(url) as naked, _awaited(settings) as awaited, _in_threads(settings) as in_threads:
        readers = {NakedSession.name: naked, AWAITED: awaited, THREADS: in_threads}
        for number in range(1 + ROUNDS):
            for name, read in readers.items():
                with clock.turn(GET, name, TASKS):
                    await asyncio.gather(*map(read, ids))
            if number == 0:
                clock.forget()
    return clock.figures


@asynccontextmanager
async def _naked(url: str) -> AsyncGenerator[Read]:
    engine = create_async_engine(url, pool_size=CONNECTIONS, max_overflow=0)
    sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(engine)

    async def read(id: UserId) -> object:
        async with sessions() as session:
            return await session.get_one(User, id)

    yield read
    await engine.dispose()


@asynccontextmanager
async def _awaited(settings: Settings) -> AsyncGenerator[Read]:
    async with async_bootstrap(settings) as container:
        yield lambda user_id: run(get_user, container.unit_of_work(), user_id)


@asynccontextmanager
async def _in_threads(settings: Settings) -> AsyncGenerator[Read]:
    loop = asyncio.get_running_loop()
    with bootstrap(settings=settings) as container, ThreadPoolExecutor(CONNECTIONS) as pool:
        yield lambda user_id: loop.run_in_executor(pool, lambda: get_user(container.unit_of_work(), user_id))
