"""Users and their rows: one side is written in SQL, so that two mistakes of the mapping can't cancel each other out."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from domain.seedwork.rules import EmailAddress
from domain.user import EmailAlreadyTaken, User, UserId
from service_layer import users
from service_layer.seedwork.errors import TransactionError


@pytest.fixture(params=["sqlite_url", "postgresql_url"], ids=["sqlite", "postgresql"])
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    with bootstrap(settings=Settings(database_url=request.getfixturevalue(request.param))) as container:
        yield container


def insert(engine: Engine, **values: object) -> UserId:
    row = {"id": UserId(new_id()), "name": "John Doe", "age": 30, "email": "john@example.com", "version": 4} | values
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO users (id, name, age, email, version) VALUES (:id, :name, :age, :email, :version)"),
            row | {"id": row["id"].hex if engine.dialect.name == "sqlite" else row["id"]},  # type: ignore[attr-defined]  # a UUID
        )
    return row["id"]  # type: ignore[return-value]  # the id stands among values of other types


def test_a_saved_user_is_this_row(container: Container) -> None:
    john = users.register_user(container.unit_of_work(), name="John Doe", age=30, email="John@example.com")

    with container.engine().connect() as connection:
        [[id, *values]] = connection.execute(text("SELECT id, name, age, email, version FROM users"))

    assert str(id).replace("-", "") == john.id.hex
    assert values == ["John Doe", 30, "john@example.com", 1]


def test_a_row_is_this_user(container: Container) -> None:
    user_id = insert(container.engine())

    assert users.get_user(container.unit_of_work(), user_id) == users.UserDetails(
        user_id, "John Doe", 30, "john@example.com", 4
    )


def test_what_was_stored_under_an_older_rule_is_loaded_as_it_is(container: Container) -> None:
    user_id = insert(container.engine(), email="john@localhost")

    with container.unit_of_work().reading() as uow:
        loaded = uow.users.get(user_id)

    assert type(loaded) is User
    assert type(loaded.email) is EmailAddress
    assert loaded.email == "john@localhost"


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"name": " John"},
        {"name": None},
        {"name": "J" * 101},
        {"age": -1},
        {"age": 151},
        {"age": None},
        {"email": "John@example.com"},
        {"email": "j@"},
        {"email": "a" * 250 + "@x.org"},
        {"version": None},
    ],
    ids=str,
)
def test_other_writers_cannot_break_the_rules(container: Container, values: dict[str, object]) -> None:
    with pytest.raises((DBAPIError, TransactionError)):
        insert(container.engine(), **values)

    assert users.list_users(container.unit_of_work()).items == ()


def test_other_writers_cannot_take_an_address_twice(container: Container) -> None:
    insert(container.engine())

    with pytest.raises(EmailAlreadyTaken):
        insert(container.engine())
