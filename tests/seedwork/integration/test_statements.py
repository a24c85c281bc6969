"""How many statements each use case sends: as many as its work needs, inside one BEGIN and one end.

Each is a round trip: on SQLite it is told by the driver, on PostgreSQL it is what goes over the wire.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from sqlite3 import Connection

import psycopg
import pytest
from sqlalchemy import event, make_url

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from service_layer import reports, users
from service_layer.user_import import export_users, import_users
from service_layer.users import UserDetails
from tests.seedwork.tcp_proxy import TcpProxy

WRITE, READ = "begin to write", "begin to read"

STATEMENT = re.compile(rb"BEGIN[A-Z ]*|SAVEPOINT|RELEASE|COMMIT|ROLLBACK( TO)?|SELECT|INSERT|UPDATE|DELETE|PRAGMA")
BEGINS = {
    "sqlite": {"BEGIN IMMEDIATE": WRITE, "BEGIN": READ},
    "postgresql": {"BEGIN": WRITE, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY": READ},
}


@dataclass(frozen=True)
class Application:
    """A container, and what it has sent."""

    container: Container
    requests: list[bytes]

    @property
    def sent(self) -> list[str]:
        """What was sent, in a word a request."""
        begins = BEGINS[self.container.engine().dialect.name]
        found = [STATEMENT.search(request) for request in self.requests]
        words = [match[0].decode() if match else "?" for match in found]
        return [begins.get(word, word) for word in words if word != "PRAGMA"]


@pytest.fixture
def postgresql_behind_proxy(database_url: str, proxy: TcpProxy) -> Iterator[Application]:
    url = make_url(database_url).set(port=proxy.port)
    settings = Settings(database_url=url.render_as_string(hide_password=False))
    with bootstrap(settings=settings) as container:
        yield Application(container, proxy.sent)


@pytest.fixture
def traced_sqlite(sqlite_url: str) -> Iterator[Application]:
    requests: list[bytes] = []

    def trace(connection: Connection, _record: object) -> None:
        connection.set_trace_callback(lambda sql: requests.append(sql.encode()))

    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        event.listen(container.engine(), "connect", trace)
        yield Application(container, requests)


@pytest.fixture(params=["traced_sqlite", "postgresql_behind_proxy"], ids=["sqlite", "postgresql"])
def application(request: pytest.FixtureRequest) -> Application:
    found: Application = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def container(application: Application) -> Container:
    return application.container


@pytest.fixture
def john(application: Application) -> UserDetails:
    """A user, and a connection that has done its first work."""
    new_unit = application.container.unit_of_work
    john = users.register_user(new_unit(), name="John Doe", age=30, email="john@example.com")
    users.get_user(new_unit(), john.id)
    application.requests.clear()
    return john


def test_registering_is_one_insert(application: Application, container: Container, john: UserDetails) -> None:
    users.register_user(container.unit_of_work(), name="Jane Roe", age=28)

    assert application.sent == [WRITE, "INSERT", "COMMIT"]


def test_registering_again_looks_only_after_the_insert_was_refused(
    application: Application, container: Container, john: UserDetails
) -> None:
    again = users.register_user(
        container.unit_of_work(), name="John Doe", age=30, email="john@example.com", user_id=john.id
    )

    assert again == john
    assert application.sent == [WRITE, "INSERT", "ROLLBACK", READ, "SELECT", "ROLLBACK"]


@pytest.mark.parametrize(
    "read",
    [
        lambda uow, john: users.get_user(uow, john.id),
        lambda uow, john: users.find_user_by_email(uow, john.email),
        lambda uow, john: users.list_users(uow),
        lambda uow, john: users.list_users(uow, after=john.id),
    ],
    ids=["get", "find by e-mail", "first page", "next page"],
)
def test_reading_is_one_select(
    application: Application, container: Container, john: UserDetails, read: Callable[..., object]
) -> None:
    read(container.unit_of_work(), john)

    assert application.sent == [READ, "SELECT", "ROLLBACK"]


@pytest.mark.parametrize(
    "change",
    [
        lambda uow, john: users.rename_user(uow, john.id, "Johnny"),
        lambda uow, john: users.change_user_age(uow, john.id, 31, expected_version=1),
        lambda uow, john: users.change_user_email(uow, john.id, None),
    ],
    ids=["rename", "change age", "change e-mail"],
)
def test_a_change_is_one_select_and_one_update(
    application: Application, container: Container, john: UserDetails, change: Callable[..., object]
) -> None:
    change(container.unit_of_work(), john)

    assert application.sent == [WRITE, "SELECT", "UPDATE", "COMMIT"]


def test_removing_is_one_select_and_one_delete(
    application: Application, container: Container, john: UserDetails
) -> None:
    users.remove_user(container.unit_of_work(), john.id)

    assert application.sent == [WRITE, "SELECT", "DELETE", "COMMIT"]


def test_importing_is_one_insert_in_a_savepoint(
    application: Application, container: Container, john: UserDetails
) -> None:
    import_users(container.unit_of_work(), [{"name": "Jane Roe", "age": 28}])

    assert application.sent == [WRITE, "SAVEPOINT", "INSERT", "RELEASE", "COMMIT"]


def test_exporting_is_one_select(application: Application, container: Container, john: UserDetails) -> None:
    export_users(container.unit_of_work(), lambda _: None)

    assert application.sent[:2] == [READ, "SELECT"]
    assert "SELECT" not in application.sent[2:]


def test_a_use_case_inside_another_adds_a_savepoint_and_no_transaction(
    application: Application, container: Container, john: UserDetails
) -> None:
    with container.unit_of_work() as uow:
        users.change_user_age(uow, john.id, 31)
        uow.commit()

    assert application.sent == [WRITE, "SAVEPOINT", "SELECT", "UPDATE", "RELEASE", "COMMIT"]


def test_a_report_is_one_select(application: Application, container: Container, john: UserDetails) -> None:
    uow = container.unit_of_work()

    reports.users_by_age(uow, container.user_statistics(uow))

    assert application.sent == [READ, "SELECT", "ROLLBACK"]


def test_an_empty_block_sends_nothing(application: Application, container: Container, john: UserDetails) -> None:
    with container.unit_of_work() as uow:
        uow.commit()

    assert application.requests == []


def test_on_sqlite_only_a_turn_between_reading_and_writing_costs_a_pragma(traced_sqlite: Application) -> None:
    new_unit = traced_sqlite.container.unit_of_work
    john = users.register_user(new_unit(), name="John Doe", age=30)
    traced_sqlite.requests.clear()

    users.get_user(new_unit(), john.id)
    users.get_user(new_unit(), john.id)
    users.change_user_age(new_unit(), john.id, 31)
    users.change_user_age(new_unit(), john.id, 32)

    pragmas = [request for request in traced_sqlite.requests if request.startswith(b"PRAGMA")]
    assert pragmas == [b"PRAGMA query_only=1", b"PRAGMA query_only=0"]


def test_on_postgresql_a_change_is_the_round_trips_of_the_bare_driver(
    postgresql_behind_proxy: Application, database_url: str, proxy: TcpProxy
) -> None:
    new_unit = postgresql_behind_proxy.container.unit_of_work
    john = users.register_user(new_unit(), name="John Doe", age=30)
    url = make_url(database_url).set(drivername="postgresql", port=proxy.port)
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        proxy.sent.clear()
        connection.execute("SELECT * FROM users WHERE id = %s", [john.id])
        connection.execute("UPDATE users SET age = 31, version = 2 WHERE id = %s AND version = 1", [john.id])
        connection.commit()
        of_the_driver = len(proxy.sent)
        proxy.sent.clear()

        users.change_user_age(new_unit(), john.id, 32)

        assert len(proxy.sent) == of_the_driver
