"""The composition root: where every part is chosen and put together, and the only place that knows all of them."""

from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

from dependency_injector import providers
from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker

from adapters.mappers import start_mappers
from adapters.reports import SqlAlchemyUserStatistics
from adapters.seedwork.composition import Parts, opened_engine, opened_reading_engine, started, started_asynchronously
from adapters.seedwork.sqlalchemy.engine import reading_session_factory, session_factory
from adapters.seedwork.sqlalchemy.session import UnitSession
from adapters.settings import Settings
from adapters.unit_of_work import SqlAlchemyUnitOfWork
from service_layer.reports import UserStatistics
from service_layer.unit_of_work import UnitOfWork


class Container(Parts):
    """What an application is made of. Ask it at the edge, in a command or a request handler, and nowhere else."""

    settings: providers.Provider[Settings] = providers.ThreadSafeSingleton(Settings)
    engine: providers.Provider[Engine] = providers.Resource(opened_engine, settings)
    session_factory: providers.Provider[sessionmaker[UnitSession]] = providers.ThreadSafeSingleton(
        session_factory, engine
    )
    unit_of_work: providers.Provider[UnitOfWork] = providers.Factory(SqlAlchemyUnitOfWork, session_factory)
    """A new one on each call; on PostgreSQL it takes ``isolation_level="SERIALIZABLE"``."""
    reader: providers.Provider[UnitOfWork] = providers.Factory(
        SqlAlchemyUnitOfWork,
        providers.ThreadSafeSingleton(
            reading_session_factory, providers.Resource(opened_reading_engine, settings, engine)
        ),
    )
    """The same for reading blocks whose answer may be old: on the stand-by that ``DATABASE_READ_URL`` names."""
    user_statistics: providers.Provider[UserStatistics] = providers.Factory(SqlAlchemyUserStatistics)
    """The query of reports about users: it takes the unit of work to read in."""


@contextmanager
def bootstrap(**overrides: Any) -> Generator[Container]:  # Any: a provider, or the object that it would provide
    """Map the entities, build a container and start it; at the end of the block close every connection.

    Args:
        overrides: what takes the place of a provider of the same name, as in ``bootstrap(settings=Settings(...))``.
    Raises: AttributeError (no provider has that name), pydantic.ValidationError (a setting is not allowed),
        SchemaOutdated (the database is not migrated to what this code needs).
    """
    start_mappers()
    with started(Container(**overrides), on_database="unit_of_work" not in overrides) as container:
        yield container


def async_bootstrap(settings: Settings | None = None, **overrides: Any) -> AbstractAsyncContextManager[Container]:
    """Start a container for asynchronous callers, who await ``adapters.seedwork.sqlalchemy.asynchronous.run``.

    It needs the extra ``async``. Overrides and errors are those of ``bootstrap``.
    """
    return started_asynchronously(bootstrap, settings or Settings(), **overrides)
