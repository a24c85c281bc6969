"""Databases of the tests' own on a given server, or schemas in the given database."""

import os
from contextlib import suppress
from typing import Self
from uuid import uuid4

import psycopg

from tests.seedwork.given.facts import Facts
from tests.seedwork.given.session import TOKEN, VARIABLE, Session, in_schema, parse, text_of
from tests.seedwork.lender import Build


class GivenServer:
    """The databases of one process on the server of TEST_DATABASE_URL; ``with`` drops them at the end."""

    def __init__(self, facts: Facts) -> None:
        self._place = facts.place
        self._given = parse(os.environ[VARIABLE])
        self._session = Session(self._given, uuid4().hex[:TOKEN])
        self._templates: dict[str, tuple[Build, ...]] = {}
        self._made: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in sorted(self._made):
            with suppress(psycopg.Error):  # the next run drops it
                self.drop_database(name)
        self._session.__exit__()

    def url(self, database: str) -> str:
        name = self._full(database)
        return text_of(in_schema(self._given, name) if self._place == "schema" else self._given.set(database=name))

    def create_template(self, name: str, *builds: Build) -> None:
        self._templates[name] = builds
        if self._place == "copies":
            self._build(name, builds)

    def create_database(self, name: str, template: str | None = None) -> None:
        if template and self._place != "copies":
            self._build(name, self._templates[template])
            return
        self._made.add(name)
        if template:
            self._session.ask("CREATE DATABASE {} TEMPLATE {}", self._full(name), self._full(template))
        else:
            self._session.ask("CREATE SCHEMA {}" if self._place == "schema" else "CREATE DATABASE {}", self._full(name))

    def drop_database(self, name: str) -> None:
        self._session.drop("schema" if self._place == "schema" else "database", self._full(name))
        self._made.discard(name)

    def _build(self, name: str, builds: tuple[Build, ...]) -> None:
        self.create_database(name)
        for build in builds:
            build(self.url(name))

    def _full(self, name: str) -> str:
        return f"{self._session.name}_{name}"
