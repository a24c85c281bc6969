"""Service functions for asynchronous callers: the same ones, awaited on the database's asynchronous driver.

It needs the extra ``async``. Nothing is written twice: SQLAlchemy's bridge lets synchronous code wait without
holding up the event loop, in a greenlet.
"""

from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from adapters.seedwork.settings import DatabaseSettings
from adapters.seedwork.sqlalchemy.drivers import driver_of
from adapters.seedwork.sqlalchemy.engine import engine_options, prepare
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from service_layer.seedwork.errors import UnitOfWorkMisuse
from service_layer.seedwork.functions import returns_early
from service_layer.seedwork.transaction import Transaction

P = ParamSpec("P")
U = TypeVar("U", bound=Transaction)
T = TypeVar("T")


async def run(function: Callable[Concatenate[U, P], T], uow: U, /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Await a service function, or one of your own that makes several of them one transaction.

    ::

        order = await run(place_order, container.unit_of_work(), number="A-1")

    The function must not wait for anything but the database. Cancelled, its block is rolled back and its connection
    given back; cancelled during COMMIT, it may be saved nevertheless. A unit of work belongs to one task.

    Raises: UnitOfWorkMisuse (a generator, or an asynchronous function, returns before its work is done; the unit of
        work is on a synchronous driver).
    """
    if returns_early(function):
        raise UnitOfWorkMisuse(
            f"{getattr(function, '__name__', function)}() returns before its work is done. Write a plain function that"
            " returns frozen values, and await what is not the database's before it or after it."
        )
    if isinstance(uow, SqlAlchemyTransaction) and not uow.is_awaited:
        raise UnitOfWorkMisuse(
            "This unit of work would hold up the event loop whenever it waits for the database. Start its container by:"
            " async with async_bootstrap() as container:"
        )
    return await in_bridge(partial(function, uow, *args, **kwargs))


async def in_bridge(work: Callable[[], T]) -> T:
    """Call what uses an asynchronous driver in a synchronous way."""
    return await AsyncSession().run_sync(lambda _: work())  # this session is never used: it is the public way in


def create_engine(settings: DatabaseSettings) -> Engine:
    """Return an engine like that of ``engine.py``, on the asynchronous driver."""
    url = settings.url.set(drivername=driver_of(settings.url, is_async=True))
    return prepare(create_async_engine(url, **engine_options(settings)).sync_engine, settings)
