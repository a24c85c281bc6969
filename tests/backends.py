"""The three homes of data on which every promise is tried, each with the tests' own aggregate beside the sample."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from alembic import command
from alembic.config import Config

from adapters.container import bootstrap
from adapters.memory import InMemoryStore
from adapters.settings import PROJECT, Settings
from tests.ordering import (
    InMemoryOrderingUnitOfWork,
    OrderingUnitOfWork,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)


class NewUnit(Protocol):
    """Makes a unit of work that shares nothing with the others but the data."""

    def __call__(self, isolation_level: str | None = None) -> OrderingUnitOfWork: ...


@dataclass(frozen=True)
class Backend:
    """A home of data: its name, and how to get a unit of work on it."""

    name: str
    new_unit: NewUnit


def migrate(url: str, revision: str = "head") -> None:
    """Bring a database to a revision, as ``alembic upgrade`` does."""
    config = Config(toml_file=PROJECT / "pyproject.toml")
    config.attributes["url"] = url
    command.upgrade(config, revision)


@contextmanager
def memory(lock_timeout_s: float = 5.0) -> Generator[Backend]:
    """A store of its own."""
    store = InMemoryStore(lock_timeout_s)
    yield Backend("memory", lambda isolation_level=None: InMemoryOrderingUnitOfWork(store, isolation_level))


@contextmanager
def database(url: str, lock_timeout_s: float = 5.0) -> Generator[Backend]:
    """A migrated database."""
    settings = Settings(database_url=url, database_lock_timeout_s=lock_timeout_s)
    with bootstrap(settings=settings) as container:
        map_orders()
        factory = container.session_factory()
        yield Backend(
            container.engine().dialect.name,
            lambda isolation_level=None: SqlAlchemyOrderingUnitOfWork(factory, isolation_level),
        )
