"""Databases that are alike: a test gets one that others had before it, as if it were new."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import LiteralString, Protocol, Self

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal
from sqlalchemy import make_url

from tests.seedwork.given.session import Row, connect, rows

Build = Callable[[str], None]

SHAPE: LiteralString = """
    WITH here AS (SELECT oid FROM pg_namespace WHERE nspname = current_schema()),
    tables AS (SELECT pg_class.* FROM pg_class JOIN here ON here.oid = relnamespace)
    SELECT concat_ws(' ', relname, attname, atttypid, atttypmod, attnotnull, pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN tables ON tables.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL SELECT concat_ws(' ', relname, relpersistence, relrowsecurity, relforcerowsecurity, relacl) FROM tables
    UNION ALL SELECT conname FROM pg_constraint JOIN here ON here.oid = connamespace
    UNION ALL SELECT concat('function ', proname) FROM pg_proc JOIN here ON here.oid = pronamespace
    UNION ALL SELECT concat('type ', typname) FROM pg_type JOIN here ON here.oid = typnamespace
    UNION ALL SELECT concat_ws(' ', 'trigger', tgname, tgenabled) FROM pg_trigger JOIN tables ON tables.oid = tgrelid
    UNION ALL SELECT concat('policy ', polname) FROM pg_policy JOIN tables ON tables.oid = polrelid
    UNION ALL SELECT concat('schema ', nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|seedwork_test_)'
    UNION ALL SELECT concat('revision ', version_num) FROM alembic_version
    UNION ALL SELECT concat('setting ', setconfig) FROM pg_db_role_setting
    JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
    UNION ALL SELECT concat('locked ', relname) FROM pg_locks JOIN tables ON tables.oid = relation
    WHERE pid <> pg_backend_pid()
    ORDER BY 1
"""
"""What a test may change besides rows, and the tables that a transaction of somebody else still uses."""
TABLES: LiteralString = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
"""


class FileLender:
    """Lends one SQLite file again and again."""

    def __init__(self, template: Path) -> None:
        self.template = template
        self._names = (f"{template.stem}_{number}.db" for number in count())
        self._file = self._next()

    def lend(self) -> str:
        """Return the URL of the file, with the content of the template, and nothing else."""
        with closing(sqlite3.connect(self.template)) as template:
            while True:
                with closing(sqlite3.connect(self._file, timeout=1, isolation_level=None)) as file:
                    try:
                        file.execute("BEGIN EXCLUSIVE")  # backup() would wait for ever
                    except sqlite3.OperationalError:  # somebody still writes into it, or reads it without WAL
                        self._file = self._next()
                        continue
                    file.rollback()
                    file.execute("PRAGMA synchronous = OFF")
                    template.backup(file)
                return f"sqlite:///{self._file}"

    def _next(self) -> Path:
        return self.template.with_name(next(self._names))


class Server(Protocol):
    """Makes databases for tests: our own server, or a given one."""

    def url(self, database: str) -> str:
        """Return the URL of a database that was made here."""

    def create_template(self, name: str, *builds: Build) -> None:
        """Let each function fill the databases that are made like this one; it gets the URL."""

    def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database, empty or like a template."""

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, and cut its connections."""


@dataclass(frozen=True)
class _Database:
    name: str
    connection: "psycopg.Connection[Row]"
    shape: list[Row] | None
    """None where the server does not tell: then it is lent once."""
    filled: Composed
    """Asks which tables have rows, of those that have none at first."""
    given: Composed
    """Asks for the rows that revisions have inserted."""
    given_rows: list[Row]


class Lender:
    """Lends databases of PostgreSQL that are like a template; ``with`` ends its connections."""

    def __init__(self, server: Server, template: str) -> None:
        self._server = server
        self._template = template
        self._names = (f"{template}_{number}" for number in count())
        self._idle: list[_Database] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for database in self._idle:
            database.connection.close()

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Give the URL of a database that nobody else has until the block ends."""
        database = self._emptied() or self._new()
        try:
            yield self._server.url(database.name)
        finally:
            self._idle.append(database)

    def _emptied(self) -> _Database | None:
        """Return one that was lent before; drop those of which more was changed than rows, or rows of a revision."""
        while self._idle:
            database = self._idle.pop()
            with suppress(psycopg.Error):
                if database.shape and rows(database.connection.execute(SHAPE)) == database.shape:
                    if filled := [Identifier(table) for (table,) in rows(database.connection.execute(database.filled))]:
                        database.connection.execute(SQL("TRUNCATE {} CASCADE").format(SQL(", ").join(filled)))
                    if rows(database.connection.execute(database.given)) == database.given_rows:
                        return database
            database.connection.close()
            with suppress(psycopg.Error):  # a schema that somebody still uses: it is left to the end of the run
                self._server.drop_database(database.name)
        return None

    def _new(self) -> _Database:
        name = next(self._names)
        self._server.create_database(name, template=self._template)
        connection = connect(make_url(self._server.url(name)))
        connection.execute("SET lock_timeout = '10s'")
        tables = [table for (table,) in rows(connection.execute(TABLES))]
        given = [table for (table,) in rows(connection.execute(_filled(tables)))]
        their_rows = _rows_of(given)
        return _Database(
            name,
            connection,
            _shape(connection),
            _filled([table for table in tables if table not in given]),
            their_rows,
            rows(connection.execute(their_rows)),
        )


def _shape(connection: "psycopg.Connection[Row]") -> list[Row] | None:
    with suppress(psycopg.Error):
        return rows(connection.execute(SHAPE))
    return None


def _filled(tables: list[str]) -> Composed:
    """Return what asks which of these tables have rows."""
    ask = SQL("SELECT {} WHERE EXISTS (SELECT FROM {})")
    return SQL(" UNION ALL ").join(ask.format(Literal(table), Identifier(table)) for table in tables)


def _rows_of(tables: list[str]) -> Composed:
    """Return what asks for all rows of these tables."""
    ask = SQL("SELECT {}, (one.*)::text FROM {} AS one")
    asked = [ask.format(Literal(table), Identifier(table)) for table in tables]
    return SQL("{} ORDER BY 1, 2").format(SQL(" UNION ALL ").join([SQL("SELECT '', ''"), *asked]))
