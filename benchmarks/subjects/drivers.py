"""The floor: SQL by hand on the bare driver, one connection a thread."""

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any, ClassVar, LiteralString
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from benchmarks.engines import PRAGMAS
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.seedwork.entity import new_id

INSERT = "INSERT INTO users (id, name, age, email, version) VALUES (?, ?, ?, ?, ?)"
SELECT = "SELECT id, name, age, email, version FROM users"


class Driver(Subject):
    name = "bare driver"
    mark: ClassVar[LiteralString]
    begin: ClassVar[LiteralString]

    def __init__(self, url: str) -> None:
        self._url = url
        self._threads = local()

    def register(self) -> UUID:
        id = new_id()
        with self._transaction() as connection:
            self._execute(connection, INSERT, *_row(self._key(id)))
        return id

    def get(self, id: UUID) -> int:
        with self._transaction() as connection:
            return int(self._get(connection, id)[2])

    def change(self, id: UUID, age: int) -> int:
        with self._transaction() as connection:
            version = int(self._get(connection, id)[4])
            update = "UPDATE users SET age = ?, version = ? WHERE id = ? AND version = ?"
            changed = self._execute(connection, update, age, version + 1, self._key(id), version)
            if changed.rowcount != 1:
                raise RuntimeError("another transaction was faster")
        return version + 1

    def remove(self, id: UUID) -> None:
        with self._transaction() as connection:
            version = self._get(connection, id)[4]
            self._execute(connection, "DELETE FROM users WHERE id = ? AND version = ?", self._key(id), version)

    def page(self, after: UUID) -> int:
        with self._transaction() as connection:
            select = SELECT + " WHERE id > ? ORDER BY id LIMIT ?"
            return len(self._execute(connection, select, self._key(after), PAGE).fetchall())

    def make(self, count: int) -> Iterator[Any]:
        return (_row(self._key(new_id())) for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        with self._transaction() as connection:
            connection.cursor().executemany(INSERT.replace("?", self.mark), users)

    def _get(self, connection: Any, id: UUID) -> Any:
        select = SELECT + " WHERE id = ?"
        return self._execute(connection, select, self._key(id)).fetchone()

    def _execute(self, connection: Any, statement: str, *values: object) -> Any:
        return connection.execute(statement.replace("?", self.mark), values)

    @contextmanager
    def _transaction(self) -> Generator[Any]:  # Any: what the two drivers have in common has no name
        connection = self._connection
        connection.execute(self.begin)
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @property
    def _connection(self) -> Any:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = self._connect()
        return self._threads.connection

    @abstractmethod
    def _connect(self) -> Any: ...

    @abstractmethod
    def _key(self, id: UUID) -> object: ...


class Sqlite3(Driver):
    mark, begin = "?", "BEGIN IMMEDIATE"

    def stream(self, write: Callable[[int], object]) -> None:
        with self._transaction() as connection:
            for row in connection.execute(SELECT + " ORDER BY id"):
                write(row[2])

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(make_url(self._url).database), isolation_level=None)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        return connection

    def _key(self, id: UUID) -> str:
        return id.hex


class Psycopg(Driver):
    mark, begin = "%s", "BEGIN"

    def stream(self, write: Callable[[int], object]) -> None:
        with self._transaction() as connection, connection.cursor("ages") as rows:
            rows.itersize = 1_000
            for row in rows.execute(SELECT + " ORDER BY id"):
                write(row[2])

    def _connect(self) -> psycopg.Connection[Any]:
        url = make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True)

    def _key(self, id: UUID) -> UUID:
        return id


def _row(key: object) -> tuple[object, ...]:
    return (key, NAME, AGE, None, 1)
