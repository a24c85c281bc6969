"""Migrations on a server without advisory locks, and on one where DDL is not undone with its transaction."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, ExceptionContext, event, make_url, text

from tests.seedwork.fixtures import require_of_server
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.revisions import History
from tests.seedwork.tcp_proxy import TcpProxy

PARENTS = 'op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True))'
CHILDREN = 'op.create_table("children", sa.Column("id", sa.Integer, primary_key=True))'
KILLED = "raise KeyboardInterrupt"


# ---- a row instead of an advisory lock ---------------------------------------------------------------------------


@pytest.fixture
def without_locks(server: PostgresServer, tmp_path: Path) -> Iterator[History]:
    """A history on a server that knows no advisory lock."""
    server.create_database("empty")
    url = make_url(server.url("empty"))
    with TcpProxy(url.host or "", url.port or 0) as proxy:
        proxy.misspell(b"pg_try_advisory_lock")
        yield History(tmp_path / "revisions", url.set(port=proxy.port).render_as_string(hide_password=False))
    server.drop_database("empty")


def test_of_three_that_upgrade_at_once_without_advisory_locks_one_migrates(without_locks: History) -> None:
    without_locks.plant("first", PARENTS)

    upgrades = [without_locks.start("upgrade", "head") for _ in range(3)]
    outputs = [upgrade.communicate(timeout=60)[0] for upgrade in upgrades]

    assert [upgrade.returncode for upgrade in upgrades] == [0] * 3, outputs
    assert "".join(outputs).count("Running upgrade  -> first") == 1
    assert without_locks.tables() == {"parents", "alembic_version"}


def test_a_wait_that_is_too_long_without_advisory_locks_ends_with_the_reason(
    without_locks: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks.plant("first", PARENTS)
    without_locks.upgrade()
    monkeypatch.setenv("MIGRATION_WAIT_S", "0.001")

    with psycopg.connect(without_locks.url.replace("+psycopg", "")) as other:
        other.execute("SELECT id FROM alembic_lock FOR UPDATE")

        with pytest.raises(CommandError, match=r"Another process is still migrating .* does not say which"):
            without_locks.upgrade()

    without_locks.upgrade()


def test_the_row_that_another_process_makes_at_the_same_time_is_the_lock(without_locks: History) -> None:
    without_locks.plant("first", PARENTS)

    with psycopg.connect(without_locks.url.replace("+psycopg", ""), autocommit=True) as other:

        def make_the_type(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if statement.startswith("CREATE TABLE alembic_lock"):  # its type is found a moment before the table is
                other.execute("CREATE TYPE alembic_lock AS ENUM ()")

        def make_the_table(context: ExceptionContext) -> None:
            if (context.statement or "").startswith("CREATE TABLE alembic_lock"):
                other.execute("DROP TYPE alembic_lock; CREATE TABLE alembic_lock (id integer PRIMARY KEY)")
                other.execute("INSERT INTO alembic_lock VALUES (1)")

        event.listen(Engine, "before_cursor_execute", make_the_type)
        event.listen(Engine, "handle_error", make_the_table)
        try:
            without_locks.upgrade()
        finally:
            event.remove(Engine, "before_cursor_execute", make_the_type)
            event.remove(Engine, "handle_error", make_the_table)

    assert without_locks.tables() == {"parents", "alembic_version"}


# ---- statement by statement --------------------------------------------------------------------------------------


@pytest.fixture
def at_once(on_postgresql: History) -> Iterator[History]:
    """A history on a server that makes each statement of DDL at once, whatever becomes of the transaction."""
    require_of_server("transactional DDL", on_postgresql.url)  # else it need not be made so

    def commit(connection: Connection, _: object, statement: str, *__: Any) -> None:
        driver: Any = connection.connection.driver_connection
        if re.match(r"\s*(CREATE|ALTER|DROP)", statement) and not driver.autocommit:
            driver.execute("COMMIT")
            driver.execute("BEGIN")

    event.listen(Engine, "after_cursor_execute", commit)
    yield on_postgresql
    event.remove(Engine, "after_cursor_execute", commit)


def ask(history: History, statement: str) -> list[Any]:
    with history.engine.begin() as connection:
        result = connection.execute(text(statement))
        return list(result) if result.returns_rows else []


def test_an_upgrade_that_was_killed_goes_on_where_it_stands(at_once: History, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "alembic.env")
    at_once.plant("first", f"{PARENTS}\n{KILLED}")
    with pytest.raises(KeyboardInterrupt):
        at_once.upgrade()
    assert "parents" in at_once.tables()

    at_once.plant("first", f"{PARENTS}\n{CHILDREN}")
    at_once.upgrade()

    assert "Statement 1 of this revision was done before: CREATE TABLE parents" in caplog.text
    assert {"parents", "children"} < at_once.tables()
    assert ask(at_once, "SELECT version_num FROM alembic_version") == [("first",)]
    assert ask(at_once, "SELECT * FROM alembic_steps") == []


@pytest.mark.parametrize("was_done", [True, False])
def test_a_statement_during_which_the_upgrade_was_killed_is_done_once(*, at_once: History, was_done: bool) -> None:
    at_once.plant("first", f"{PARENTS}\n{KILLED}")
    with pytest.raises(KeyboardInterrupt):
        at_once.upgrade()
    ask(at_once, "UPDATE alembic_steps SET done = false")
    ask(at_once, "SELECT 1" if was_done else "DROP TABLE parents")

    at_once.plant("first", f"{PARENTS}\n{CHILDREN}")
    at_once.upgrade()

    assert {"parents", "children"} < at_once.tables()


def test_an_upgrade_that_failed_says_what_is_done_and_goes_on_when_it_is_mended(at_once: History) -> None:
    at_once.plant("first", f'{PARENTS}\nop.add_column("nowhere", sa.Column("name", sa.Text))')

    with pytest.raises(
        CommandError, match=r'"nowhere" does not exist.* of this revision 1 .* run the same command again'
    ):
        at_once.upgrade()

    at_once.plant("first", f'{PARENTS}\nop.add_column("parents", sa.Column("name", sa.Text))')
    at_once.upgrade()
    assert [
        column
        for (column,) in ask(
            at_once, "SELECT column_name FROM information_schema.columns WHERE table_name = 'parents' ORDER BY 1"
        )
    ] == ["id", "name"]


def test_a_table_of_somebody_else_is_not_taken_for_ours(at_once: History) -> None:
    at_once.plant("first", CHILDREN)
    ask(at_once, "CREATE TABLE children (name text)")

    for _ in range(2):
        with pytest.raises(CommandError, match='"children" already exists'):
            at_once.upgrade()


def test_another_revision_in_the_place_of_one_that_was_begun_is_refused(at_once: History) -> None:
    at_once.plant("first", f"{PARENTS}\n{KILLED}")
    with pytest.raises(KeyboardInterrupt):
        at_once.upgrade()
    at_once.plant("first", CHILDREN)

    with pytest.raises(CommandError, match="Another revision was begun, and not finished: its statement 1"):
        at_once.upgrade()

    assert "children" not in at_once.tables()


def test_postgresql_itself_takes_no_notes(on_postgresql: History) -> None:
    require_of_server("transactional DDL", on_postgresql.url)
    on_postgresql.plant("first", PARENTS)

    on_postgresql.upgrade()

    assert on_postgresql.tables() == {"parents", "alembic_version"}
