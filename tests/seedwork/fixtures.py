"""The fixtures of all tests: migrated databases, and the units of work on them.

Which units of work that is, the fixture ``units`` says: yours in ``tests/conftest.py``, the house's own in
``tests/seedwork/conftest.py``.
"""

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from adapters.settings import Settings
from service_layer.seedwork.transaction import Transaction
from tests.seedwork import shapes
from tests.seedwork.backends import Backend, NewUnit, Units, database, memory, migrate
from tests.seedwork.postgresql_server import PostgresNotFound, PostgresServer

DATABASES = ("sqlite", "postgresql")
BACKENDS = ("memory", *DATABASES)


U_co = TypeVar("U_co", bound=Transaction, covariant=True)


class OpenBackend(Protocol[U_co]):
    """Opens the back end of the test, with whatever this test needs different."""

    def __call__(self, lock_timeout_s: float = 5.0) -> AbstractContextManager[Backend[U_co]]: ...


@pytest.fixture(autouse=True)
def _no_settings_of_the_person_who_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DATABASE_", "MIGRATION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(autouse=True)
def _no_connection_is_kept() -> Iterator[None]:
    """Whatever a test does, at its end every connection of every engine is back in its pool."""
    held: set[ConnectionPoolEntry] = set()

    def take(_driver: object, entry: ConnectionPoolEntry, _connection: object) -> None:
        held.add(entry)

    def give_back(_driver: object, entry: ConnectionPoolEntry) -> None:
        held.discard(entry)

    event.listen(Pool, "checkout", take)
    event.listen(Pool, "checkin", give_back)
    yield
    event.remove(Pool, "checkout", take)
    event.remove(Pool, "checkin", give_back)
    assert not held, f"{len(held)} connections were not given back"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    _prepare(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database for one test."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'test.db')}"


def start_postgresql(*, tcp: bool = False) -> PostgresServer:
    """Start a server; where there are no programs for it, skip the test loudly, or fail it in CI."""
    try:
        return PostgresServer.start(tcp=tcp)
    except PostgresNotFound as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED ON POSTGRESQL: {error}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run, with a database ``migrated`` on it, to be copied."""
    with start_postgresql() as server:
        server.create_database("migrated")
        _prepare(server.url("migrated"))
        yield server


@pytest.fixture
def postgresql_url(postgresql: PostgresServer) -> Iterator[str]:
    """A migrated PostgreSQL database for one test."""
    name = f"test_{uuid4().hex}"
    postgresql.create_database(name, template="migrated")
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """An SQLite database without a table."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgresql_url(postgresql: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database without a table."""
    name = f"empty_{uuid4().hex}"
    postgresql.create_database(name)
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without a table, on each engine in turn."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


@pytest.fixture(params=BACKENDS)
def open_backend(request: pytest.FixtureRequest, units: Units[Transaction]) -> OpenBackend[Transaction]:
    """How to open each back end in turn."""
    if request.param == "memory":
        return lambda lock_timeout_s=5.0: memory(units, lock_timeout_s)
    url: str = request.getfixturevalue(f"{request.param}_url")
    return lambda lock_timeout_s=5.0: database(units, url, database_lock_timeout_s=lock_timeout_s)


@pytest.fixture
def backend(open_backend: OpenBackend[Transaction]) -> Generator[Backend[Transaction]]:
    """Each back end in turn, empty."""
    with open_backend() as opened:
        yield opened


@pytest.fixture
def new_unit(backend: Backend[Transaction]) -> NewUnit[Transaction]:
    """Makes units of work on the same data: what one has not committed, another does not see."""
    return backend.new_unit


@pytest.fixture
def uow(new_unit: NewUnit[Transaction]) -> Transaction:
    """A unit of work on each back end in turn."""
    return new_unit()


def _prepare(url: str) -> None:
    migrate(url)
    engine = create_engine(url)
    shapes.metadata.create_all(engine)  # the tests' own tables are nobody else's: no revision makes them
    engine.dispose()
