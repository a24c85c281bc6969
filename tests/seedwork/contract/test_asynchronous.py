"""The rules of the unit of work through the bridge for asynchronous callers, on aiosqlite and on psycopg.

The tests are those of the other implementations, each run whole inside the bridge, on an event loop of this module.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, TypeVar

import pytest
from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.util import await_
from sqlalchemy.util.concurrency import in_greenlet

from adapters.container import async_bootstrap
from adapters.seedwork.sqlalchemy.asynchronous import in_bridge
from adapters.settings import Settings
from tests.seedwork.backends import Backend
from tests.seedwork.contract import test_unit_of_work
from tests.seedwork.fixtures import OpenBackend
from tests.seedwork.ordering import OrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork, map_orders

T = TypeVar("T")

OF_THREADS = {
    "test_another_task_cannot_enter_an_open_unit",
    "test_another_thread_can_neither_work_in_an_open_unit_nor_commit_it",
    "test_another_thread_cannot_enter_an_open_unit",
    "test_another_thread_may_leave_an_open_unit_which_closes_it",
    "test_a_closed_unit_may_go_to_another_thread",
}
"""These bring threads and an event loop of their own."""


class Loop:
    """The event loop of this module."""

    runner: asyncio.Runner

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return await_(work) if in_greenlet() else self.runner.run(work)

    def bridged(self, test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def bridged(*arguments: Any, **named: Any) -> None:
            self.wait(in_bridge(partial(test, *arguments, **named)))

        return bridged


loop = Loop()
globals().update(
    (name, loop.bridged(test))
    for name, test in vars(test_unit_of_work).items()
    if name.startswith("test_") and name not in OF_THREADS
)


@pytest.fixture(scope="module", autouse=True)
def _running_loop() -> Generator[None]:
    with asyncio.Runner() as loop.runner:
        yield


@contextmanager
def asynchronous(url: str, lock_timeout_s: float = 5.0) -> Generator[Backend[OrderingUnitOfWork]]:
    """A migrated database, on its asynchronous driver. At the end every connection must be back in the pool."""
    application = async_bootstrap(Settings(database_url=url, database_lock_timeout_s=lock_timeout_s))
    container = loop.wait(application.__aenter__())
    map_orders()
    factory = container.session_factory()
    pool = container.engine().pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    yield Backend(
        container.engine().dialect.name,
        lambda isolation_level=None: SqlAlchemyOrderingUnitOfWork(factory, isolation_level),
    )
    checked_out = pool.checkedout()
    loop.wait(application.__aexit__(None, None, None))
    assert checked_out == 0, f"{checked_out} connections were not given back"


@pytest.fixture(params=["sqlite", "postgresql"])
def open_backend(request: pytest.FixtureRequest) -> OpenBackend[OrderingUnitOfWork]:
    """How to open each database in turn on its asynchronous driver."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return lambda lock_timeout_s=5.0: asynchronous(url, lock_timeout_s)
