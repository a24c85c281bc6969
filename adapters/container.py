"""The composition root: where every part is chosen and put together, and the only place that knows all of them."""

from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from dependency_injector import containers, providers
from sqlalchemy import Engine
from sqlalchemy.orm import sessionmaker

from adapters.mappers import start_mappers
from adapters.reports import SqlAlchemyUserStatistics
from adapters.seedwork.sqlalchemy.engine import create_engine, session_factory
from adapters.seedwork.sqlalchemy.session import UnitSession
from adapters.settings import Settings
from adapters.unit_of_work import SqlAlchemyUnitOfWork
from service_layer.reports import UserStatistics
from service_layer.unit_of_work import UnitOfWork

if TYPE_CHECKING:

    class _Base(containers.DeclarativeContainer):
        __getattr__: None  # type: ignore[assignment, misc]  # the library's lets every misspelt provider pass

else:
    _Base = containers.DeclarativeContainer


def _engine(settings: Settings) -> Generator[Engine]:
    engine = create_engine(settings)
    yield engine
    engine.dispose()


class Container(_Base):
    """What an application is made of. Ask it at the edge, in a command or a request handler, and nowhere else."""

    settings: providers.Provider[Settings] = providers.ThreadSafeSingleton(Settings)
    engine: providers.Provider[Engine] = providers.Resource(_engine, settings)
    session_factory: providers.Provider[sessionmaker[UnitSession]] = providers.ThreadSafeSingleton(
        session_factory, engine
    )
    unit_of_work: providers.Provider[UnitOfWork] = providers.Factory(SqlAlchemyUnitOfWork, session_factory)
    """A new one on each call; on PostgreSQL it takes ``isolation_level="SERIALIZABLE"``."""
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
    container = Container(**overrides)
    try:
        container.init_resources()
        if container.settings().database_check_schema and "unit_of_work" not in overrides:
            from adapters.seedwork.sqlalchemy.schema import check_schema  # noqa: PLC0415  # it takes 0.08 s, and only a start needs it

            check_schema(container.engine())
        yield container
    finally:
        container.shutdown_resources()


@asynccontextmanager
async def async_bootstrap(settings: Settings | None = None, **overrides: Any) -> AsyncGenerator[Container]:
    """Do the same for asynchronous callers, who await their work by ``adapters.seedwork.sqlalchemy.asynchronous.run``.

    It needs the extra ``async``. Overrides and errors are those of ``bootstrap``.
    """
    from adapters.seedwork.sqlalchemy.asynchronous import create_engine, in_bridge  # noqa: PLC0415  # only [async] installs what it needs

    settings = settings or Settings()
    engine, application = create_engine(settings), ExitStack()
    application.callback(engine.dispose)
    start = partial(application.enter_context, bootstrap(settings=settings, engine=engine, **overrides))
    try:
        yield await in_bridge(start)
    finally:
        await in_bridge(application.close)
