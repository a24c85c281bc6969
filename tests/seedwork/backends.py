"""The back ends on which every promise is tested: in memory, on a database, and on its asynchronous driver."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Generic, Protocol, Self, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, QueuePool
from sqlalchemy.util import await_
from sqlalchemy.util.concurrency import in_greenlet

from adapters.container import Container, async_bootstrap, bootstrap
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy.asynchronous import in_bridge
from adapters.settings import Settings
from service_layer.seedwork.transaction import Transaction

U_co = TypeVar("U_co", bound=Transaction, covariant=True)
T = TypeVar("T")


class NewUnit(Protocol[U_co]):
    """Makes a unit of work that shares nothing with the others but the data."""

    def __call__(self, isolation_level: str | None = None) -> U_co: ...


@dataclass(frozen=True)
class Units(Generic[U_co]):
    """The two classes of a unit of work."""

    in_memory: Callable[..., U_co]
    on_database: Callable[..., U_co]


@dataclass(frozen=True)
class Backend(Generic[U_co]):
    """A back end: its name, and how to get a unit of work on it."""

    name: str
    new_unit: NewUnit[U_co]


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, as ``alembic upgrade`` does."""
    config = Config(toml_file=PROJECT / "pyproject.toml")
    config.attributes["url"] = url
    command.upgrade(config, revision)


@contextmanager
def memory(units: Units[U_co], lock_timeout_s: float = 5.0) -> Generator[Backend[U_co]]:
    """A store of its own."""
    store = InMemoryStore(lock_timeout_s)
    units.in_memory(store)  # maps, as an application does: an entity that a test makes first could not be saved
    yield Backend("memory", lambda isolation_level=None: units.in_memory(store, isolation_level))


def _settings(url: str, **settings: Any) -> Settings:  # Any: Settings checks them
    # to check the schema costs each test one more connection; test_migrations_status.py tests that check
    return Settings(database_url=url, database_check_schema=False, **settings)


def on_database(units: Units[U_co], application: Container) -> Backend[U_co]:
    """A database, on which an application works."""
    factory = application.session_factory()
    return Backend(
        application.engine().dialect.name, lambda isolation_level=None: units.on_database(factory, isolation_level)
    )


@contextmanager
def database(units: Units[U_co], url: str, **settings: Any) -> Generator[Backend[U_co]]:  # Any: Settings checks them
    """A migrated database, with an application of its own."""
    with bootstrap(settings=_settings(url, **settings)) as application:
        yield on_database(units, application)


def checked_out(engine: Engine) -> int:
    """Return how many connections of a pool are in use."""
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


class Loop:
    """An event loop for tests that are plain functions."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, from inside the bridge as well as from outside."""
        return await_(work) if in_greenlet() else self._runner.run(work)

    def bridged(self, test: Callable[..., None]) -> Callable[..., None]:
        """Let a test run as a whole inside the bridge, where it can use an asynchronous driver."""

        @wraps(test)
        def bridged(**fixtures: Any) -> None:
            self.wait(in_bridge(partial(test, **fixtures)))

        return bridged


class Applications:
    """Applications that stay open from test to test; ``with`` closes them.

    Their connections do not: what a test sets or makes in a session, such as a temporary table, is its own.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._started: dict[object, Container] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @contextmanager
    def on(self, url: str, *, asynchronous: bool, **settings: Any) -> Generator[Container]:  # Any: Settings checks them
        """Give the one on this database with these settings."""
        key = (url, asynchronous, *settings.items())
        if key not in self._started:
            start = self._start_asynchronously if asynchronous else self._start
            self._started[key] = start(_settings(url, **settings))
        engine = self._started[key].engine()
        try:
            yield self._started[key]
        finally:
            if asynchronous:
                self._loop.wait(in_bridge(engine.dispose))
            else:
                engine.dispose()

    def _start(self, settings: Settings) -> Container:
        return self._open.enter_context(bootstrap(settings=settings))

    def _start_asynchronously(self, settings: Settings) -> Container:
        application = async_bootstrap(settings)
        self._open.callback(lambda: self._loop.wait(application.__aexit__(None, None, None)))
        return self._loop.wait(application.__aenter__())
