"""Databases of the tests' own on a given server: copies of one, or one that is emptied by each test."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString, Protocol, Self
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

from tests.seedwork.given.facts import Facts
from tests.seedwork.given.session import (
    TOKEN,
    VARIABLE,
    Row,
    Session,
    connected,
    in_schema,
    parse,
    rows,
    text_of,
)

Build = Callable[[str], None]

SHAPE: LiteralString = """
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
    FROM information_schema.columns WHERE table_schema = current_schema()
    UNION ALL SELECT conname FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
    WHERE nspname = current_schema()
    UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()
    UNION ALL SELECT concat('trigger ', tgname) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat('revision ', version_num) FROM alembic_version
    ORDER BY 1
"""
"""What a test may change besides rows."""
TABLES: LiteralString = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
"""


class Server(Protocol):
    """Makes databases for tests, on a server of our own or on a given one."""

    def url(self, database: str) -> str:
        """Return the URL of a database that was made here."""

    def create_template(self, name: str, *builds: Build) -> None:
        """Make a database from which others are made, and let each function fill the one that its URL names."""

    def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database, empty or like a template."""

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, and cut its connections."""


@dataclass
class _Template:
    builds: tuple[Build, ...]
    shape: list[Row] | None = None
    """As it was built; None where it has to be built anew."""
    lent_to: str | None = None
    """The database that it is now, where it can't be copied."""


class GivenServer:
    """The databases of one process on the server of TEST_DATABASE_URL; ``with`` drops them at the end."""

    def __init__(self, facts: Facts) -> None:
        self._place = facts.place
        self._given = parse(os.environ[VARIABLE])
        self._session = Session(self._given, uuid4().hex[:TOKEN])
        self._templates: dict[str, _Template] = {}
        self._lent: dict[str, str] = {}
        self._made: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in sorted(self._made):
            with suppress(psycopg.Error):  # the next run drops it
                self._drop(name)
        self._session.__exit__()

    def url(self, database: str) -> str:
        name = self._full(self._lent.get(database, database))
        return text_of(in_schema(self._given, name) if self._place == "schema" else self._given.set(database=name))

    def create_template(self, name: str, *builds: Build) -> None:
        self._templates[name] = _Template(builds)
        self._build(name)

    def create_database(self, name: str, template: str | None = None) -> None:
        if template and self._place != "copies":
            self._lend(template, name)
            return
        self._made.add(name)
        if template:
            self._session.ask("CREATE DATABASE {} TEMPLATE {}", self._full(name), self._full(template))
        else:
            self._session.ask("CREATE SCHEMA {}" if self._place == "schema" else "CREATE DATABASE {}", self._full(name))

    def drop_database(self, name: str) -> None:
        if template := self._lent.pop(name, None):
            self._templates[template].lent_to = None
        else:
            self._drop(name)

    def _build(self, name: str) -> None:
        template = self._templates[name]
        self.create_database(name)
        for build in template.builds:
            build(self.url(name))
        template.shape = self._shape(name)

    def _lend(self, template: str, name: str) -> None:
        """Let the template itself be the database of a test, without a row."""
        lent = self._templates[template]
        if lent.lent_to:
            pytest.skip(f"it needs two databases at once that are alike, and the server of {VARIABLE} copies none")
        if lent.shape is None or lent.shape != self._shape(template):
            self._drop(template)
            self._build(template)
        with connected(make_url(self.url(template))) as connection:
            connection.execute("SET lock_timeout = '10s'")
            if tables := [Identifier(table) for (table,) in rows(connection.execute(TABLES))]:
                connection.execute(SQL("TRUNCATE {}").format(SQL(", ").join(tables)))
        lent.lent_to, self._lent[name] = name, template

    def _shape(self, name: str) -> list[Row] | None:
        with suppress(psycopg.Error), connected(make_url(self.url(name))) as connection:
            return rows(connection.execute(SHAPE))
        return None

    def _drop(self, name: str) -> None:
        self._session.drop("schema" if self._place == "schema" else "database", self._full(name))
        self._made.discard(name)

    def _full(self, name: str) -> str:
        return f"{self._session.name}_{name}"
