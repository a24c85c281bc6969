"""How many statements each use case sends: as many as its work needs, inside one BEGIN and one end."""

from collections.abc import Callable, Iterator
from sqlite3 import Connection

import pytest
from sqlalchemy import event

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from service_layer import reports, users
from service_layer.users import UserDetails

WRITE, READ = "BEGIN IMMEDIATE", "BEGIN"


@pytest.fixture
def container(sqlite_url: str) -> Iterator[Container]:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        yield container


@pytest.fixture
def sent(container: Container) -> list[str]:
    """The first words of each statement, as the driver itself sees them."""
    statements: list[str] = []

    def trace(connection: Connection, _record: object) -> None:
        connection.set_trace_callback(lambda sql: statements.append(sql if "BEGIN" in sql else sql.split()[0]))

    event.listen(container.engine(), "connect", trace)
    return statements


@pytest.fixture
def john(container: Container, sent: list[str]) -> UserDetails:
    john = users.register_user(container.unit_of_work(), name="John Doe", age=30, email="john@example.com")
    users.get_user(container.unit_of_work(), john.id)
    sent.clear()
    return john


def test_registering_is_one_insert(container: Container, sent: list[str], john: UserDetails) -> None:
    users.change_user_age(container.unit_of_work(), john.id, 31)
    sent.clear()

    users.register_user(container.unit_of_work(), name="Jane Roe", age=28)

    assert sent == [WRITE, "INSERT", "COMMIT"]


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
    container: Container, sent: list[str], john: UserDetails, read: Callable[..., object]
) -> None:
    read(container.unit_of_work(), john)

    assert sent == [READ, "SELECT", "ROLLBACK"]


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
    container: Container, sent: list[str], john: UserDetails, change: Callable[..., object]
) -> None:
    change(container.unit_of_work(), john)

    assert sent == ["PRAGMA", WRITE, "SELECT", "UPDATE", "COMMIT"]


def test_removing_is_one_select_and_one_delete(container: Container, sent: list[str], john: UserDetails) -> None:
    users.remove_user(container.unit_of_work(), john.id)

    assert sent == ["PRAGMA", WRITE, "SELECT", "DELETE", "COMMIT"]


def test_an_empty_block_sends_nothing(container: Container, sent: list[str], john: UserDetails) -> None:
    with container.unit_of_work() as uow:
        uow.commit()

    assert sent == []


def test_only_a_turn_from_reading_to_writing_costs_a_pragma(
    container: Container, sent: list[str], john: UserDetails
) -> None:
    users.get_user(container.unit_of_work(), john.id)
    users.change_user_age(container.unit_of_work(), john.id, 31)
    users.change_user_age(container.unit_of_work(), john.id, 32)

    assert sent.count("PRAGMA") == 1


def test_a_report_is_one_select(container: Container, sent: list[str], john: UserDetails) -> None:
    uow = container.unit_of_work()

    reports.users_by_age(uow, container.user_statistics(uow))

    assert sent == [READ, "SELECT", "ROLLBACK"]
