"""On PostgreSQL one role owns the schema and migrates, another one runs the application."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy
import sqlalchemy.orm
from alembic.config import main
from alembic.util import CommandError
from psycopg.sql import SQL, Identifier
from sqlalchemy import create_engine, make_url, text

from adapters.container import bootstrap
from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy import engine
from adapters.seedwork.sqlalchemy.schema import schema_status
from adapters.seedwork.sqlalchemy.session import UnitSession
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from service_layer.seedwork.errors import ConcurrencyConflict, DatabaseRefused, SchemaOutdated
from tests.seedwork.fixtures import require_own_server
from tests.seedwork.ordering import Order, SqlAlchemyOrderingUnitOfWork, map_orders, metadata
from tests.seedwork.pages import blocks, page
from tests.seedwork.revisions import History
from tests.seedwork.shapes import SqlAlchemyShapesUnitOfWork, Studio, map_shapes


@dataclass(frozen=True)
class Urls:
    owner: str
    app: str


@pytest.fixture
def urls(empty_postgresql_url: str) -> Iterator[Urls]:
    """The database as each of the roles opens it that ``docs/roles.sql`` makes, under names of this test's own."""
    require_own_server()
    suffix, url = uuid4().hex, make_url(empty_postgresql_url)
    roles = re.sub(r"\b(app|app_owner)\b", rf"\1_{suffix}", page("roles.sql"))
    administrator = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    administrator.execute(roles.encode())
    secret = "secret"
    for role in (f"app_owner_{suffix}", f"app_{suffix}"):
        administrator.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), secret))
    administrator.commit()
    yield Urls(
        *(
            url.set(username=f"{role}_{suffix}", password=secret).render_as_string(hide_password=False)
            for role in ("app_owner", "app")
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
    owner = create_engine(urls.owner)
    metadata.create_all(owner)  # as a revision would
    owner.dispose()
    return urls


def test_units_of_work_work_under_the_role_of_the_application(migrated: Urls) -> None:
    with bootstrap(settings=Settings()) as container:
        map_orders()
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        first, second = Order(number="A-1"), Order(number="A-2")

        with uow:
            uow.orders.add(first)
            uow.orders.add(second)
            uow.commit()
        with uow:
            uow.orders.get(first.id).add_line("tea")
            uow.orders.remove(uow.orders.get(second.id))
            uow.commit()

        with uow.reading():
            assert [(order.number, len(order.lines)) for order in uow.orders.page().items] == [("A-1", 1)]


def test_a_policy_keeps_the_rows_of_other_tenants_from_a_unit_of_work(migrated: Urls) -> None:
    operations = page("operations.md")
    [policy] = (block for block in blocks(operations, "sql") if "POLICY" in block)
    [hook] = (block for block in blocks(operations, "python") if "app.tenant" in block)
    with connect(migrated.owner) as owner:
        owner.execute(policy.replace("projects", "house_studios").encode())
    names: dict[str, Any] = {**vars(sqlalchemy), **vars(sqlalchemy.orm), **vars(engine), "UnitSession": UnitSession}
    exec(hook, names)
    with bootstrap(settings=Settings()) as container:
        map_shapes()
        ann, bob = (TenantUnitOfWork(names["of_tenants"](container.engine())) for _ in range(2))
        ann.tenant_id, bob.tenant_id = new_id(), new_id()
        studio = Studio(tenant_id=ann.tenant_id, code="A")
        with ann:
            with ann:
                ann.studios.add(studio)
                ann.commit()
            ann.commit()

        with bob.reading():
            assert bob.studios.find(studio.id) is None
            assert bob.session.scalar(text("SELECT count(*) FROM house_studios")) == 0
        with pytest.raises(ConcurrencyConflict), bob:
            bob.studios.remove(studio)
            bob.commit()
        with pytest.raises(DatabaseRefused, match="row-level security .* change its policy"), bob:
            bob.studios.add(Studio(tenant_id=ann.tenant_id, code="B"))
            bob.commit()
        ann.tenant_id, bob.tenant_id = None, ann.tenant_id
        with ann.reading(), bob.reading():
            assert (ann.studios.count(), bob.studios.count()) == (0, 1)

        with ann:  # as a worker, and in it its handler
            assert ann.studios.count() == 0
            ann.tenant_id = bob.tenant_id
            with ann, ann.reading():
                assert ann.studios.count() == 1
            ann.rollback()


def test_what_the_role_may_not_do_is_refused_in_words_and_its_connection_stays(migrated: Urls) -> None:
    with bootstrap(settings=Settings()) as container:
        map_orders()
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        with uow.reading():
            server = uow.session.scalar(text("SELECT pg_backend_pid()"))

        with pytest.raises(DatabaseRefused, match="grant it") as refused, uow:
            uow.session.execute(text("TRUNCATE house_orders"))

        assert "permission denied for table house_orders" in str(refused.value)
        with uow.reading():
            assert uow.session.scalar(text("SELECT pg_backend_pid()")) == server


class TenantUnitOfWork(SqlAlchemyShapesUnitOfWork):
    tenant_id: UUID | None = None


def test_the_role_of_the_application_can_not_change_the_schema(migrated: Urls) -> None:
    statements = (
        "CREATE TABLE t (n INTEGER)",
        "CREATE TEMPORARY TABLE t (n INTEGER)",
        "CREATE SCHEMA s",
        "ALTER TABLE house_orders ADD COLUMN note VARCHAR(50)",
        "CREATE INDEX ix ON house_orders (status)",
        "DROP TABLE house_orders",
        "TRUNCATE house_orders",
        "UPDATE alembic_version SET version_num = 'newer'",
        "DELETE FROM alembic_version",
    )

    refusals = {statement: sqlstate_of(statement, migrated.app) for statement in statements}

    assert refusals == dict.fromkeys(statements, "42501")


def sqlstate_of(statement: LiteralString, url: str) -> str | None:
    with connect(url) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement)
    return refused.value.sqlstate


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


def test_the_role_of_the_application_can_not_migrate(urls: Urls, tmp_path: Path) -> None:
    history = History(tmp_path / "revisions", urls.app)
    history.plant("first", "op.execute('CREATE TABLE t (n INTEGER)')")

    with pytest.raises(CommandError, match="permission denied for schema public"):
        history.upgrade()


@pytest.mark.parametrize(
    "look", [lambda settings: bootstrap(settings=settings).__enter__(), schema_status], ids=["bootstrap", "status"]
)
def test_a_role_that_may_not_see_where_the_schema_stands_gets_the_statement_that_lets_it(
    migrated: Urls, look: Callable[[Settings], object]
) -> None:
    role = make_url(migrated.app).username
    with connect(migrated.owner) as owner:
        owner.execute(SQL("REVOKE SELECT ON alembic_version FROM {}").format(Identifier(role or "")))

    with pytest.raises(SchemaOutdated, match=f"{role} may not read alembic_version") as refused:
        look(Settings())

    _, grant = str(refused.value).split(" run: ")
    assert "\n" not in str(refused.value)
    with connect(migrated.owner) as owner:
        owner.execute(grant.encode())
    schema_status(Settings())
