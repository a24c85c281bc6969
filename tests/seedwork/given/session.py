"""A session on the given server, and the names that the tests make there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, Self

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL

from adapters.settings import Settings

VARIABLE = "TEST_DATABASE_URL"
PREFIX = "seedwork_test_"
TOKEN = 8
"""So many letters after the prefix tell one process from others."""

Row = tuple[Any, ...]  # Any: whatever the server says


def parse(text: str) -> URL:
    """Return a URL as the application understands it."""
    return Settings(database_url=text).url


def text_of(url: URL) -> str:
    """Return a URL as text, with its password."""
    return url.render_as_string(hide_password=False)


def in_schema(url: URL, schema: str) -> URL:
    """Return a URL under which every table is in a schema."""
    options = " ".join((*url.normalized_query.get("options", ()), f"-csearch_path={schema}"))
    return url.update_query_dict({"options": options})


@contextmanager
def connected(url: URL) -> Iterator["psycopg.Connection[Row]"]:
    """Connect, without a transaction, for a block."""
    with connect(url) as connection:
        yield connection


def connect(url: URL, **options: str) -> "psycopg.Connection[Row]":
    """Connect, without a transaction, until ``close()``."""
    return psycopg.connect(text_of(url.set(drivername="postgresql")), autocommit=True, connect_timeout=10, **options)  # type: ignore[arg-type]  # its parameters


def rows(cursor: "psycopg.Cursor[Row]") -> list[Row]:
    """Return what a statement answers, nothing if it answers nothing."""
    return cursor.fetchall() if cursor.description else []


def words_of(error: psycopg.Error) -> str:
    """Return what the server says, in one line."""
    return " ".join((error.diag.message_primary or str(error)).split())


class Session:
    """A session whose name says that a run is alive. It connects again when it was lost, as in a fail-over."""

    def __init__(self, url: URL, token: str) -> None:
        self._url = url
        self.name = PREFIX + token
        self._connection: psycopg.Connection[Row] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection:
            self._connection.close()

    def ask(self, statement: LiteralString, *names: str) -> list[Row]:
        """Execute a statement with these names in it; once more on a new connection if the old one was lost."""
        query = SQL(statement).format(*map(Identifier, names))
        connection = self._connected()
        try:
            return rows(connection.execute(query))
        except psycopg.OperationalError:
            if not connection.closed:
                raise
        return rows(self._connected().execute(query))

    def drop(self, kind: str, name: str) -> None:
        """Drop a database or a schema, with all that is in it."""
        if kind == "schema":
            self.ask("SET lock_timeout = '10s'")
            self.ask("DROP SCHEMA IF EXISTS {} CASCADE", name)
            return
        try:
            self.ask("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        except errors.SyntaxError:  # before PostgreSQL 13, and where only its protocol is spoken
            self.ask("DROP DATABASE IF EXISTS {}", name)

    def sees_itself(self) -> bool:
        """Return whether the server shows sessions by their names."""
        try:
            return (self.name,) in self.ask("SELECT application_name FROM pg_stat_activity")
        except psycopg.Error:
            return False

    def drop_what_is_left(self) -> list[str]:
        """Drop what runs of this role have made that live no more; return what can't be dropped."""
        alive = {name for (name,) in self.ask("SELECT application_name FROM pg_stat_activity")}
        owned = "SELECT 'database', datname FROM pg_database WHERE pg_get_userbyid(datdba) = current_user"
        owned += " UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE pg_get_userbyid(nspowner) = current_user"
        left = []
        for kind, name in self.ask(owned):
            if name.startswith(PREFIX) and name[: len(PREFIX) + TOKEN] not in alive:
                try:
                    self.drop(kind, name)
                except psycopg.Error as error:
                    left.append(f"{name} ({words_of(error)})")
        return left

    def _connected(self) -> "psycopg.Connection[Row]":
        if not self._connection or self._connection.closed:
            self._connection = connect(self._url, application_name=self.name)
        return self._connection
