"""The fixtures of all tests: migrated databases, and the units of work on them.

The fixture ``units`` says which units of work: yours in ``tests/conftest.py``, the tests' own in
``tests/seedwork/conftest.py``.
"""

import asyncio
import gc
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from adapters.settings import Settings
from service_layer.seedwork.transaction import Transaction
from tests.seedwork.backends import Applications, Backend, Loop, NewUnit, Units, memory, migrate, on_database
from tests.seedwork.given.facts import facts
from tests.seedwork.given.server import GivenServer
from tests.seedwork.given.session import VARIABLE
from tests.seedwork.lender import FileLender, Lender, Server
from tests.seedwork.postgresql_server import PostgresNotFound, PostgresServer

pytest_plugins = ["tests.seedwork.given.plugin"]

DATABASES = ("sqlite", "postgresql")
BACKENDS = ("memory", *DATABASES)
ASYNCHRONOUS = ("async-sqlite", "async-postgresql")
LOCK_TIMEOUT_S = 5.0

synchronous = pytest.mark.parametrize("open_backend", BACKENDS, indirect=True)
"""For a test with threads or an event loop of its own, in a module that runs on asynchronous drivers too."""

U_co = TypeVar("U_co", bound=Transaction, covariant=True)


class OpenBackend(Protocol[U_co]):
    """Opens the back end of the test, with whatever this test needs different."""

    def __call__(self, lock_timeout_s: float = LOCK_TIMEOUT_S) -> AbstractContextManager[Backend[U_co]]: ...


def pytest_configure(config: pytest.Config) -> None:
    """Ignore what hypothesis says of its own generator, whose keeper is among what is frozen below."""
    config.addinivalue_line("filterwarnings", "ignore:It looks like `register_random`")


def pytest_collection_finish() -> None:
    """Look for garbage among what the tests make, and not among all that they have imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_settings_of_the_person_who_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DATABASE_", "MIGRATION_", "RETRY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    if (found := facts()) and "options" in found.lacks:
        monkeypatch.setenv("DATABASE_POOLER", "true")


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


@pytest.fixture(scope="session", autouse=True)
def _programs_hear_ctrl_c() -> None:
    """In a run that a shell started in the background, the programs of the tests would inherit that it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def file_lender(tmp_path_factory: pytest.TempPathFactory) -> FileLender:
    """Migrated SQLite files."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{file}")
    return FileLender(file)


@pytest.fixture
def lent_sqlite_url(file_lender: FileLender) -> str:
    """A migrated SQLite database, for a test that uses its rows alone."""
    return file_lender.lend()


@pytest.fixture
def sqlite_url(file_lender: FileLender, tmp_path: Path) -> str:
    """A migrated SQLite database, for a test that uses its file."""
    return f"sqlite:///{shutil.copy(file_lender.template, tmp_path / 'test.db')}"


def start_postgresql(*, tcp: bool = False) -> PostgresServer:
    """Start a server that the test may kill; where its programs are missing, skip with the reason; in CI fail."""
    require_own_server()
    try:
        return PostgresServer.start(tcp=tcp)
    except PostgresNotFound as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED ON POSTGRESQL: {error}")


def require_own_server() -> None:
    """Skip a test that kills its server, or changes what all databases of it share, where one is given."""
    if facts():
        pytest.skip(f"it needs control over the server, and the one of {VARIABLE} is not the tests' own")


def require_own_database() -> None:
    """Skip a test that needs a database to itself, where tests share one."""
    if (found := facts()) and found.place == "schema":
        pytest.skip(f"it needs a database of its own, and has a schema in the one of {VARIABLE}")


def require_time_limits() -> None:
    """Skip a test that waits for a time limit of a connection, where the server takes none."""
    if (found := facts()) and "options" in found.lacks:
        pytest.skip(f"it needs a time limit, and the server of {VARIABLE} takes none at connect")


def require_of_server(what: str, url: str) -> None:
    """Skip a test on a given server that lacks what it needs, by the name that the gap has there."""
    if (found := facts()) and what in found.lacks and not url.startswith("sqlite"):
        pytest.skip(f"it needs {what}, and the server of {VARIABLE} has none")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server for the whole run: the one that TEST_DATABASE_URL names, or one of our own."""
    found = facts()
    with GivenServer(found) if found else start_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def lender(postgresql: Server) -> Iterator[Lender]:
    """Migrated PostgreSQL databases."""
    postgresql.create_template("template", migrate)
    with Lender(postgresql, "template") as lender:
        yield lender


@pytest.fixture
def postgresql_url(lender: Lender) -> Iterator[str]:
    """A migrated PostgreSQL database for one test."""
    with lender.lend() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_applications(loop: Loop) -> Iterator[Applications]:
    """The applications on lent SQLite databases."""
    with Applications(loop) as applications:
        yield applications


@pytest.fixture(scope="session")
def postgresql_applications(loop: Loop, lender: Lender) -> Iterator[Applications]:
    """The applications on lent databases of PostgreSQL."""
    with Applications(loop) as applications:
        yield applications


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """An SQLite database without a table."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgresql_url(postgresql: Server) -> Iterator[str]:
    """A PostgreSQL database without a table."""
    name = f"empty_{uuid4().hex}"
    postgresql.create_database(name)
    yield postgresql.url(name)
    postgresql.drop_database(name)


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database without a table, on each engine in turn."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """The event loop of all tests on an asynchronous driver."""
    with asyncio.Runner() as runner:
        yield Loop(runner)


def opener(request: pytest.FixtureRequest, units: Units[U_co], loop: Loop) -> OpenBackend[U_co]:
    """Return how to open the back end that is the fixture's parameter."""
    if request.param == "memory":
        return lambda lock_timeout_s=LOCK_TIMEOUT_S: memory(units, lock_timeout_s)
    engine = request.param.removeprefix("async-")
    url: str = request.getfixturevalue("lent_sqlite_url" if engine == "sqlite" else "postgresql_url")
    applications: Applications = request.getfixturevalue(f"{engine}_applications")

    @contextmanager
    def open_database(lock_timeout_s: float = LOCK_TIMEOUT_S) -> Generator[Backend[U_co]]:
        if lock_timeout_s != LOCK_TIMEOUT_S and engine != "sqlite":
            require_time_limits()
        asynchronous = request.param in ASYNCHRONOUS
        limits = {"database_lock_timeout_s": lock_timeout_s}
        with applications.on(url, asynchronous=asynchronous, **limits) as application:
            yield on_database(units, application)

    return open_database


@pytest.fixture(params=BACKENDS)
def open_backend(request: pytest.FixtureRequest, units: Units[Transaction], loop: Loop) -> OpenBackend[Transaction]:
    """How to open each back end in turn."""
    return opener(request, units, loop)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Run a test on an asynchronous driver inside SQLAlchemy's bridge."""
    callspec = getattr(pyfuncitem, "callspec", None)
    if callspec and callspec.params.get("open_backend") in ASYNCHRONOUS:
        loop = pyfuncitem.funcargs["loop"]
        assert isinstance(loop, Loop)
        pyfuncitem.obj = loop.bridged(pyfuncitem.obj)


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
