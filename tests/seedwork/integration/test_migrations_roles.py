"""On PostgreSQL one role owns the schema and migrates, another one runs the application."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from alembic.config import main
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from adapters.container import bootstrap
from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings
from service_layer import users


@dataclass(frozen=True)
class Urls:
    owner: str
    app: str


@pytest.fixture
def urls(empty_postgresql_url: str) -> Iterator[Urls]:
    """The database as each of the roles opens it that ``docs/roles.sql`` makes, under names of this test's own."""
    suffix, url = uuid4().hex, make_url(empty_postgresql_url)
    administrator = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    roles = re.sub(r"\b(app|app_owner)\b", rf"\1_{suffix}", PROJECT.joinpath("docs/roles.sql").read_text())
    administrator.execute(roles.encode())
    administrator.commit()
    yield Urls(
        *(
            url.set(username=f"{role}_{suffix}", password=f"secret-of-the-{name}").render_as_string(hide_password=False)
            for role, name in (("app_owner", "owner"), ("app", "application"))
        )
    )
    with administrator:
        for role in (f"app_{suffix}", f"app_owner_{suffix}"):
            administrator.execute(SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(Identifier(role)))


@pytest.fixture
def migrated(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> Urls:
    monkeypatch.setenv("DATABASE_URL", urls.app)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", urls.owner)
    main(["-c", str(PROJECT / "pyproject.toml"), "upgrade", "head"])
    return urls


def test_the_use_cases_work_under_the_role_of_the_application(migrated: Urls) -> None:
    with bootstrap(settings=Settings()) as container:
        uow = container.unit_of_work()

        john = users.register_user(uow, name="John Doe", age=30, email="john@example.com")
        users.change_user_age(uow, john.id, 31, expected_version=john.version)
        jane = users.register_user(uow, name="Jane Roe", age=28)
        users.remove_user(uow, jane.id)

        assert [(user.name, user.age) for user in users.list_users(uow).items] == [("John Doe", 31)]


def test_the_role_of_the_application_can_not_change_the_schema(migrated: Urls) -> None:
    statements = (
        "CREATE TABLE t (n INTEGER)",
        "CREATE TEMPORARY TABLE t (n INTEGER)",
        "CREATE SCHEMA s",
        "ALTER TABLE users ADD COLUMN nickname VARCHAR(50)",
        "CREATE INDEX ix ON users (age)",
        "DROP TABLE users",
        "TRUNCATE users",
        "UPDATE alembic_version SET version_num = 'newer'",
        "DELETE FROM alembic_version",
    )

    refusals = {statement: sqlstate_of(statement, migrated.app) for statement in statements}

    assert refusals == dict.fromkeys(statements, "42501")


def sqlstate_of(statement: LiteralString, url: str) -> str | None:
    name = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(name) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)
    return refused.value.sqlstate


def test_the_role_of_the_application_can_not_migrate(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", urls.app)

    with pytest.raises(ProgrammingError, match="permission denied for schema public"):
        main(["-c", str(PROJECT / "pyproject.toml"), "upgrade", "head"])
