"""A test gets a database that others had before it, as if it were new."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.seedwork.given.session import connected
from tests.seedwork.lender import FileLender, Lender
from tests.seedwork.postgresql_server import PostgresServer


def build(url: str) -> None:
    """Do what migrations would."""
    with connected(make_url(url)) as connection:
        connection.execute("CREATE TABLE alembic_version AS SELECT 'first' AS version_num")
        connection.execute("CREATE TABLE shelves (id integer PRIMARY KEY, name text DEFAULT 'new')")
        connection.execute("CREATE TABLE books (shelf_id integer REFERENCES shelves)")
        connection.execute("CREATE TABLE readers (id integer PRIMARY KEY)")
        connection.execute("CREATE TABLE kinds (name text, liked_by integer REFERENCES readers)")
        connection.execute("INSERT INTO kinds VALUES ('novel')")


@pytest.fixture
def lender(server: PostgresServer) -> Iterator[Lender]:
    server.create_template("library", build)
    with Lender(server, "library") as lender:
        yield lender
    for name in ("library", "library_0", "library_1"):
        server.drop_database(name)


def lent(lender: Lender, *statements: str) -> URL:
    """Get a database, and do this in it."""
    with lender.lend() as text:
        url = make_url(text)
        with connected(url) as connection:
            for statement in statements:
                connection.execute(statement.format(url.database).encode())
    return url


def test_what_comes_back_is_lent_again_without_its_rows(lender: Lender) -> None:
    first = lent(lender, "INSERT INTO shelves VALUES (1)", "INSERT INTO books VALUES (1)")

    second = lent(lender)

    assert second == first
    with connected(second) as connection:
        rows = connection.execute("SELECT id FROM shelves UNION ALL SELECT shelf_id FROM books").fetchall()
        revisions = connection.execute("SELECT * FROM alembic_version").fetchall()
    assert (rows, revisions) == ([], [("first",)])


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE shelves ADD COLUMN place text",
        "ALTER TABLE shelves ALTER name TYPE varchar(9)",
        "ALTER TABLE shelves ALTER name SET DEFAULT 'old'",
        "ALTER TABLE shelves ALTER name SET NOT NULL",
        "ALTER TABLE shelves ADD CHECK (id > 0)",
        "ALTER TABLE books DROP CONSTRAINT books_shelf_id_fkey",
        "CREATE TABLE more ()",
        "CREATE VIEW names AS SELECT name FROM shelves",
        "CREATE INDEX by_name ON shelves (name)",
        "CREATE TRIGGER t BEFORE UPDATE ON shelves FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ALTER TABLE shelves DISABLE TRIGGER ALL",
        "ALTER TABLE shelves ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON shelves USING (false)",
        "GRANT SELECT ON shelves TO PUBLIC",
        "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE colour AS ENUM ('red')",
        "CREATE SCHEMA annex",
        "UPDATE alembic_version SET version_num = 'second'",
        'ALTER DATABASE "{}" SET lock_timeout = 1',
        "DROP TABLE alembic_version",
    ],
)
def test_one_in_which_more_was_changed_than_rows_is_dropped(lender: Lender, statement: str) -> None:
    first = lent(lender, statement)

    second = lent(lender)

    assert second != first
    with pytest.raises(psycopg.OperationalError, match="does not exist"), connected(first):
        pass


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO books VALUES (NULL)",
        "INSERT INTO readers VALUES (1)",
        "INSERT INTO kinds VALUES ('poem')",
        "UPDATE kinds SET name = 'poem'",
        "DELETE FROM kinds",
    ],
)
def test_what_a_revision_has_inserted_is_there_for_each_test(lender: Lender, statement: str) -> None:
    lent(lender, statement)

    with connected(lent(lender)) as connection:
        assert connection.execute("SELECT name FROM kinds").fetchall() == [("novel",)]


def test_one_that_somebody_still_writes_into_is_dropped(lender: Lender) -> None:
    first = lent(lender)
    with connected(first) as writer:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO shelves VALUES (1)")

        assert lent(lender) != first

        with pytest.raises(psycopg.OperationalError):
            writer.execute("COMMIT")


def test_one_that_can_not_be_dropped_is_not_lent_again(
    lender: Lender, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_name: str) -> None:
        raise psycopg.errors.LockNotAvailable

    first = lent(lender, "CREATE TABLE more ()")

    with monkeypatch.context() as patch:
        patch.setattr(server, "drop_database", refuse)
        assert lent(lender) != first


def test_one_whose_connections_were_cut_is_dropped(lender: Lender) -> None:
    first = lent(
        lender,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()",
    )

    assert lent(lender) != first


def test_where_the_server_does_not_tell_what_a_database_has_each_test_gets_a_new_one(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.seedwork.lender.SHAPE", "SELECT * FROM pg_of_another_engine")

    assert lent(lender) != lent(lender)


def test_two_at_once_are_two(lender: Lender) -> None:
    with lender.lend() as first, lender.lend() as second:
        assert first != second


@pytest.fixture
def file_lender(tmp_path: Path) -> FileLender:
    file = tmp_path / "library.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE shelves (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    return FileLender(file)


def test_a_file_is_lent_again_as_it_was_at_first(file_lender: FileLender) -> None:
    file = make_url(file_lender.lend()).database
    with closing(sqlite3.connect(file or "", isolation_level=None)) as kept:
        for statement in ("INSERT INTO shelves DEFAULT VALUES", "CREATE TABLE books (id)", "PRAGMA journal_mode = WAL"):
            kept.execute(statement)

        assert make_url(file_lender.lend()).database == file

        assert kept.execute("SELECT * FROM shelves").fetchall() == []
        assert kept.execute("INSERT INTO shelves DEFAULT VALUES RETURNING id").fetchall() == [(1,)]
        assert kept.execute("SELECT name FROM sqlite_schema WHERE name = 'books'").fetchall() == []


@pytest.mark.parametrize("statements", [["BEGIN IMMEDIATE"], ["BEGIN", "SELECT * FROM shelves"]])
def test_where_somebody_still_uses_a_file_another_one_is_lent(file_lender: FileLender, statements: list[str]) -> None:
    file = make_url(file_lender.lend()).database
    with closing(sqlite3.connect(file or "", isolation_level=None)) as kept:
        for statement in statements:
            kept.execute(statement).fetchall()

        assert make_url(file_lender.lend()).database != file
