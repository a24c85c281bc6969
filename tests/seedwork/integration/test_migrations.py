"""What ``alembic`` promises here, whatever the revisions are: all or nothing, one at a time, and no silent success."""

import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, text

from migrations.seedwork import connection
from tests.seedwork.fixtures import require_of_server, require_own_database
from tests.seedwork.revisions import History

FIRST = """op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(9)))"""
HALF_A_REVISION = """
    op.create_table("halves", sa.Column("id", sa.Integer, primary_key=True))
    op.execute("INSERT INTO halves VALUES (1)")
    """


def revisions(history: History) -> list[str]:
    with history.engine.connect() as database:
        return list(database.scalars(text("SELECT version_num FROM alembic_version")))


# ---- all or nothing -----------------------------------------------------------------------------------------------


def test_a_revision_that_fails_half_way_leaves_nothing_of_its_own_and_the_next_run_succeeds(planted: History) -> None:
    require_of_server("transactional DDL", planted.url)
    planted.plant("first", FIRST)
    planted.plant("second", f"{HALF_A_REVISION}\n    raise RuntimeError('half-way')", down="first")

    with pytest.raises(RuntimeError, match="half-way"):
        planted.upgrade()
    assert "halves" not in planted.tables()

    planted.plant("second", HALF_A_REVISION, down="first")
    planted.upgrade()
    assert planted.tables() == {"parents", "halves", "alembic_version"}
    assert revisions(planted) == ["second"]


def test_on_postgresql_the_revisions_before_the_failing_one_stay(on_postgresql: History) -> None:
    on_postgresql.plant("first", FIRST)
    on_postgresql.plant("second", "raise RuntimeError", down="first")

    with pytest.raises(RuntimeError):
        on_postgresql.upgrade()

    assert revisions(on_postgresql) == ["first"]


def test_on_sqlite_a_failing_upgrade_leaves_no_trace(on_sqlite: History) -> None:
    on_sqlite.plant("first", FIRST)
    on_sqlite.plant("second", "with op.get_context().autocommit_block(): raise RuntimeError", down="first")

    with pytest.raises(RuntimeError):
        on_sqlite.upgrade()

    assert on_sqlite.tables() == set()


def test_what_a_killed_upgrade_has_begun_is_undone_and_done_by_the_next_one(planted: History, tmp_path: Path) -> None:
    require_of_server("transactional DDL", planted.url)
    flag = tmp_path / "flag"
    flag.touch()
    stop = f"import os, time; os.path.exists({str(flag)!r}) and (print('half-way', flush=True), time.sleep(60))"
    planted.plant("first", FIRST)
    planted.plant("second", f"{HALF_A_REVISION}\n    {stop}", down="first")

    with planted.start("upgrade", "head") as killed:
        assert killed.stdout
        next(line for line in killed.stdout if line == "half-way\n")
        killed.kill()
    flag.unlink()
    planted.upgrade()

    assert planted.tables() == {"parents", "halves", "alembic_version"}
    assert revisions(planted) == ["second"]


# ---- a hook after each revision -----------------------------------------------------------------------------------

ENV = """
from sqlalchemy import MetaData, text

from adapters.settings import Settings
from migrations.seedwork.environment import migrate


def distribute(connection):
    connection.execute(text("INSERT INTO parents (name) SELECT 'hook ' || count(*) FROM parents"))
    {then}


migrate(MetaData(), Settings, after_each=distribute)
"""


def upgrade_with_a_hook(history: History, folder: Path, then: str = "") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "env.py").write_text(ENV.format(then=then))
    config = history.config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    command.upgrade(config, "head")


def test_a_hook_runs_once_after_each_revision_in_its_transaction(planted: History, tmp_path: Path) -> None:
    planted.plant("first", FIRST)
    planted.plant("second", "op.execute('SELECT 1')", down="first")

    upgrade_with_a_hook(planted, tmp_path / "scripts")
    upgrade_with_a_hook(planted, tmp_path / "scripts")

    with planted.engine.connect() as database:
        assert [*database.scalars(text("SELECT name FROM parents ORDER BY name"))] == ["hook 0", "hook 1"]


def test_a_revision_whose_hook_fails_is_undone(planted: History, tmp_path: Path) -> None:
    require_of_server("transactional DDL", planted.url)
    planted.plant("first", FIRST)

    with pytest.raises(RuntimeError, match="not distributed"):
        upgrade_with_a_hook(planted, tmp_path / "scripts", "raise RuntimeError('not distributed')")

    assert "parents" not in planted.tables()


# ---- one at a time ------------------------------------------------------------------------------------------------


def test_of_three_that_upgrade_at_once_one_migrates_and_all_succeed_and_a_new_process_sees_it(
    planted: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATION_WAIT_S", "60")  # else a waiting one that blocks the index would do so for long
    planted.plant("first", FIRST)
    planted.plant(
        "second",
        """
        with op.get_context().autocommit_block():
            op.drop_index("ix_parents_name", table_name="parents", if_exists=True, postgresql_concurrently=True)
            op.create_index("ix_parents_name", "parents", ["name"], postgresql_concurrently=True)
        """,
        down="first",
    )

    upgrades = [planted.start("upgrade", "head") for _ in range(3)]
    outputs = [upgrade.communicate()[0] for upgrade in upgrades]
    current = planted.start("current", "--check-heads")

    assert [upgrade.returncode for upgrade in upgrades] == [0] * 3, outputs
    assert "".join(outputs).count("Running upgrade first -> second") == 1
    assert "second (head)" in current.communicate()[0]
    assert current.returncode == 0


def test_on_postgresql_a_wait_that_is_too_long_ends_with_the_name_of_who_migrates(
    on_postgresql: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_of_server("advisory locks", on_postgresql.url)
    require_own_database()
    on_postgresql.plant("first", "op.execute('SELECT 1')")
    on_postgresql.upgrade()
    monkeypatch.setenv("MIGRATION_WAIT_S", "0.001")
    url = make_url(on_postgresql.url).set(drivername="postgresql").render_as_string(hide_password=False)

    with psycopg.connect(url, application_name="a stuck deploy") as other:
        other.execute("SELECT pg_advisory_lock(7316911042)")

        holder = rf"after 0.001 s: pid {other.info.backend_pid}, a stuck deploy, user .*, connected since 20\d\d-"
        with pytest.raises(CommandError, match=holder):
            on_postgresql.upgrade()


def test_on_sqlite_a_wait_that_is_too_long_ends_with_the_reason(
    on_sqlite: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_sqlite.plant("first", FIRST)
    monkeypatch.setenv("MIGRATION_WAIT_S", "0.001")

    with closing(sqlite3.connect(make_url(on_sqlite.url).database or "")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommandError, match=r"Another process has been writing .* MIGRATION_WAIT_S"):
            on_sqlite.upgrade()


def test_on_postgresql_a_statement_waits_5_s_for_its_lock_unless_it_is_one_to_run_concurrently(
    on_postgresql: History,
) -> None:
    seen = "op.execute(\"CREATE TABLE {} AS SELECT current_setting('lock_timeout')\")"
    on_postgresql.plant(
        "first", f"{seen.format('inside')}\nwith op.get_context().autocommit_block():\n    {seen.format('outside')}"
    )

    on_postgresql.upgrade()

    with on_postgresql.engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM inside, outside")).one() == ("5s", "0")


def test_on_postgresql_a_revision_is_in_utc_as_the_application_is(on_postgresql: History) -> None:
    require_own_database()
    seen = "op.execute(\"CREATE TABLE {} AS SELECT current_setting('timezone')\")"
    on_postgresql.plant(
        "first", f"{seen.format('inside')}\nwith op.get_context().autocommit_block():\n    {seen.format('outside')}"
    )
    with on_postgresql.engine.begin() as connection:
        name = connection.dialect.identifier_preparer.quote(on_postgresql.engine.url.database or "")
        connection.execute(text(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'"))

    on_postgresql.upgrade()

    with on_postgresql.engine.connect() as connection:
        assert connection.execute(text("SELECT * FROM inside, outside")).one() == ("UTC", "UTC")


def test_on_postgresql_a_lock_that_is_not_free_is_tried_for_again_and_readers_wait_for_no_longer_than_it_does(
    on_postgresql: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCK_WAIT_S", 0.2)
    monkeypatch.setattr(connection, "PAUSE_S", (0.1, 0.3))
    on_postgresql.plant("first", FIRST)
    on_postgresql.plant("second", 'op.add_column("parents", sa.Column("age", sa.Integer))', down="first")
    on_postgresql.upgrade("first")
    url = make_url(on_postgresql.url).set(drivername="postgresql").render_as_string(hide_password=False)
    longest_s = 0.0

    with ThreadPoolExecutor() as pool, psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as reader:
        holder.execute("SELECT * FROM parents")
        upgrade, deadline = pool.submit(on_postgresql.upgrade), time.monotonic() + 1.5
        while time.monotonic() < deadline:
            asked = time.monotonic()
            reader.execute("SELECT * FROM parents")
            longest_s = max(longest_s, time.monotonic() - asked)
        assert not upgrade.done()
        holder.rollback()
        upgrade.result(10)

    assert 0.1 < longest_s < 0.7
    assert revisions(on_postgresql) == ["second"]


def test_on_postgresql_a_lock_that_never_becomes_free_is_reported(
    on_postgresql: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_own_database()
    monkeypatch.setattr(connection, "LOCK_WAIT_S", 0.05)
    monkeypatch.setenv("MIGRATION_WAIT_S", "0.01")
    on_postgresql.plant("first", FIRST)
    on_postgresql.plant("second", 'op.drop_table("parents")', down="first")
    on_postgresql.upgrade("first")
    url = make_url(on_postgresql.url).set(drivername="postgresql").render_as_string(hide_password=False)

    with psycopg.connect(url) as holder:
        holder.execute("SELECT * FROM parents")
        with pytest.raises(CommandError, match="canceling statement due to lock timeout"):
            on_postgresql.upgrade()

    assert revisions(on_postgresql) == ["first"]


# ---- foreign keys on SQLite -----------------------------------------------------------------------------------------


@pytest.fixture
def family(on_sqlite: History) -> History:
    """A parent with a child that would go with it."""
    on_sqlite.plant(
        "first",
        f"""
    {FIRST}
    parent = sa.Column("parent_id", sa.Integer, sa.ForeignKey("parents.id", name="fk", ondelete="CASCADE"))
    op.create_table("children", parent)
    op.execute("INSERT INTO parents VALUES (1, 'Ann')")
    op.execute("INSERT INTO children VALUES (1)")
    """,
    )
    on_sqlite.upgrade()
    return on_sqlite


def children(history: History) -> list[int]:
    with history.engine.connect() as database:
        return list(database.scalars(text("SELECT parent_id FROM children")))


def test_a_rebuilt_table_keeps_the_rows_that_refer_to_it(family: History) -> None:
    family.plant(
        "second",
        """
        with op.batch_alter_table("parents") as batch:
            batch.alter_column("name", nullable=False, existing_type=sa.String(9))
        """,
        down="first",
    )

    family.upgrade()

    assert children(family) == [1]


def test_a_revision_that_breaks_a_foreign_key_is_undone(family: History) -> None:
    family.plant("second", "op.execute('DELETE FROM parents')", down="first")

    with pytest.raises(CommandError, match="after second a row of children would refer to a row of parents that does"):
        family.upgrade()

    assert revisions(family) == ["first"]


def test_a_connection_that_would_delete_referring_rows_is_refused(family: History) -> None:
    with family.engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA foreign_keys=ON")

        with pytest.raises(CommandError, match="set it OFF"):
            command.upgrade(family.config(connection=connection), "head")


# ---- called from Python ---------------------------------------------------------------------------------------------


def test_a_given_connection_is_used_and_committed(planted: History) -> None:
    planted.plant("first", HALF_A_REVISION)

    with planted.engine.connect() as connection:
        command.upgrade(planted.config(connection=connection), "head")

    assert revisions(planted) == ["first"]


def test_a_given_connection_in_a_transaction_is_left_to_its_owner(planted: History) -> None:
    require_of_server("transactional DDL", planted.url)
    planted.plant("first", HALF_A_REVISION)

    with planted.engine.connect() as connection, connection.begin() as transaction:
        command.upgrade(planted.config(connection=connection), "head")
        transaction.rollback()

    assert planted.tables() == set()


def test_a_given_connection_loses_nothing_of_the_half_that_succeeded(planted: History) -> None:
    require_of_server("transactional DDL", planted.url)
    planted.plant("first", f"{HALF_A_REVISION}\n    raise RuntimeError")

    with planted.engine.connect() as connection, pytest.raises(RuntimeError):
        command.upgrade(planted.config(connection=connection), "head")

    assert "halves" not in planted.tables()


def test_logging_of_the_caller_is_left_alone(on_sqlite: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    on_sqlite.plant("first", FIRST)

    on_sqlite.upgrade()

    assert logging.getLogger().handlers == []
    assert logging.getLogger("alembic").level == logging.NOTSET


# ---- offline --------------------------------------------------------------------------------------------------------


def run(script: str, connection: Connection) -> None:
    dbapi_connection = connection.connection.driver_connection
    assert isinstance(dbapi_connection, sqlite3.Connection | psycopg.Connection)
    getattr(dbapi_connection, "executescript", dbapi_connection.execute)(script)


def test_offline_sql_does_the_same_in_transactions_too(planted: History) -> None:
    planted.plant("first", HALF_A_REVISION)
    planted.plant("second", FIRST, down="first")

    script = planted.offline()
    with planted.engine.connect() as connection:
        run(script, connection)

    assert script.lstrip().startswith("BEGIN;")
    assert script.rstrip().endswith("COMMIT;")
    assert revisions(planted) == ["second"]
    assert planted.tables() == {"parents", "halves", "alembic_version"}
