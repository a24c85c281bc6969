"""The databases of the benchmark: migrated like any other, filled, and gone at the end."""

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import make_url

from benchmarks.distance import proxy_to
from benchmarks.subject import AGE, NAME
from tests.seedwork.backends import migrate
from tests.seedwork.postgresql_server import PostgresServer

MEMORY = Path("/dev/shm")


class NewDatabase(Protocol):
    """Makes databases."""

    def __call__(self, rows: int) -> str:
        """Make a migrated database with so many users in it, and return its URL."""


def row_id(number: int) -> UUID:
    """Return the id of the user in this row, counted from 1."""
    return UUID(int=number)


@contextmanager
def sqlite() -> Generator[NewDatabase]:
    """Files in memory where there is such a folder: waiting for a disk would drown what is to be measured."""
    with TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:

        def new(rows: int) -> str:
            url = f"sqlite:///{folder}/{uuid4().hex}.db"
            migrate(url)
            with sqlite3.connect(str(make_url(url).database)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", _rows(rows))
            connection.close()
            return url

        yield new


@contextmanager
def distant_postgresql() -> Generator[NewDatabase]:
    """Databases on a server that is a millisecond away. Raises: PostgresNotFound."""
    with PostgresServer.start(tcp=True) as server, proxy_to(server.url()) as port:
        new = _databases_on(server)
        yield lambda rows: make_url(new(rows)).set(port=port).render_as_string(hide_password=False)


@contextmanager
def postgresql() -> Generator[NewDatabase]:
    """Databases on a server of our own, in memory for the same reason.

    Raises: PostgresNotFound.
    """
    with PostgresServer.start() as server:
        yield _databases_on(server)


def _databases_on(server: PostgresServer) -> NewDatabase:
    def new(rows: int) -> str:
        name = f"bench_{uuid4().hex}"
        server.create_database(name)
        url = server.url(name)
        migrate(url)
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as connection, connection.cursor().copy("COPY users FROM STDIN") as copy:
            for row in _rows(rows):
                copy.write_row(row)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE users")
        return url

    return new


def _rows(count: int) -> Iterator[tuple[str, str, int, None, int]]:
    return ((row_id(number).hex, NAME, AGE, None, 1) for number in range(1, count + 1))
