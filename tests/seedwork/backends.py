"""The homes of data on which every promise is tried: in memory, and on a database."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from alembic import command
from alembic.config import Config

from adapters.container import bootstrap
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings
from service_layer.seedwork.transaction import Transaction

U_co = TypeVar("U_co", bound=Transaction, covariant=True)


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
    """A home of data: its name, and how to get a unit of work on it."""

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
    yield Backend("memory", lambda isolation_level=None: units.in_memory(store, isolation_level))


@contextmanager
def database(units: Units[U_co], url: str, **settings: Any) -> Generator[Backend[U_co]]:  # Any: Settings checks them
    """A migrated database."""
    with bootstrap(settings=Settings(database_url=url, **settings)) as container:
        factory = container.session_factory()
        yield Backend(
            container.engine().dialect.name,
            lambda isolation_level=None: units.on_database(factory, isolation_level),
        )
