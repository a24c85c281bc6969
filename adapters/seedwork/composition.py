"""How a container starts and ends; which parts it has is yours to say, in ``adapters.container``."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from dependency_injector import providers
from sqlalchemy import Engine

from adapters.seedwork.containers import DeclarativeContainer
from adapters.seedwork.settings import DatabaseSettings
from adapters.seedwork.sqlalchemy.engine import create_engine
from adapters.seedwork.sqlalchemy.lifetime import end, refuse_after_the_end

C = TypeVar("C", bound="Parts")

if TYPE_CHECKING:

    class Parts(DeclarativeContainer):
        """What every container has, and what a type checker needs to see a misspelt part."""

        settings: providers.Provider[Any]
        engine: providers.Provider[Engine]
        __getattr__: None  # type: ignore[assignment, misc]  # the library's own accepts every misspelt part

else:
    Parts = DeclarativeContainer


def opened_engine(settings: DatabaseSettings) -> Generator[Engine]:
    """Make the engine of an application, and close it at its end."""
    engine = create_engine(settings)
    yield engine
    end(engine)


def opened_reading_engine(settings: DatabaseSettings, engine: Engine) -> Generator[Engine]:
    """Make the engine for reads that may be old, and close it at the end; without a URL of its own it is ``engine``."""
    if not settings.database_read_url:
        yield engine
        return
    settings = settings.model_copy(update={"database_url": settings.database_read_url})
    if engine.dialect.is_async:
        from adapters.seedwork.sqlalchemy import asynchronous  # noqa: PLC0415  # only [async] installs what it needs

        reading = asynchronous.create_engine(settings)
    else:
        reading = create_engine(settings)
    yield reading
    end(reading)


@contextmanager
def started(container: C, *, on_database: bool) -> Generator[C]:
    """Start a container; at the end of the block close every connection, and let its parts refuse work.

    Args:
        container: the parts of the application.
        on_database: whether its units of work need the database, and so the schema of this code.
    Raises: pydantic.ValidationError (a setting is not allowed), SchemaOutdated (the database is not migrated to what
        this code needs).
    """
    try:
        container.init_resources()
        if on_database and container.settings().database_check_schema:
            from adapters.seedwork.sqlalchemy.schema import check_schema  # noqa: PLC0415  # a container that never starts needs no check

            check_schema(container.engine())
        yield container
    finally:
        container.shutdown_resources()
        for part in container.providers.values():
            part.override(providers.Callable(refuse_after_the_end))


@asynccontextmanager
async def started_asynchronously(
    bootstrap: Callable[..., AbstractContextManager[C]], settings: DatabaseSettings, **overrides: Any
) -> AsyncGenerator[C]:
    """Start a container on the database's asynchronous driver: ``bootstrap`` gets its engine as an argument."""
    from adapters.seedwork.sqlalchemy.asynchronous import (  # noqa: PLC0415  # only [async] installs what it needs
        create_engine,
        in_bridge,
    )

    engine, application = create_engine(settings), ExitStack()
    application.callback(end, engine)
    start = partial(application.enter_context, bootstrap(settings=settings, engine=engine, **overrides))
    try:
        yield await in_bridge(start)
    finally:
        await in_bridge(application.close)
