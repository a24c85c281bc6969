"""What the given server can and can't do, found out by trying, once for all processes of a run."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from uuid import uuid4

import psycopg
import pytest
from pydantic import ValidationError
from sqlalchemy import URL, Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from adapters.seedwork.sqlalchemy.gaps import ENGINE_OPTIONS, has_advisory_locks, has_transactional_ddl
from tests.seedwork.given.session import (
    PREFIX,
    TOKEN,
    VARIABLE,
    Session,
    connected,
    in_schema,
    parse,
    rows,
    words_of,
)

FOUND = "_TEST_DATABASE_FACTS"
"""The variable by which worker processes get what was found out."""


def has_savepoints(connection: Connection) -> bool:
    """Try a savepoint inside a savepoint; the transaction is rolled back."""
    try:
        for statement in ("SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO SAVEPOINT b", "RELEASE SAVEPOINT a"):
            connection.exec_driver_sql(statement)
    except DBAPIError:
        return False
    finally:
        connection.rollback()
    return True


GAPS: dict[str, tuple[Callable[[Connection], bool], str]] = {
    "savepoints": (has_savepoints, "It has no SAVEPOINT: a test that opens a block inside a block is skipped."),
    "advisory locks": (
        lambda connection: has_advisory_locks(connection, uuid4().int >> 65),
        "It has no advisory locks: migrations lock a row instead.",
    ),
    "transactional DDL": (
        has_transactional_ddl,
        "It makes each statement of DDL at once: a revision that was killed goes on, and is not undone.",
    ),
}


@dataclass(frozen=True)
class Facts:
    """What was found out about a server."""

    place: str
    """What the tests' databases are: one of "copies" of the first, each a "database" of its own, each a "schema"."""
    lacks: tuple[str, ...]
    """Its gaps, by name."""
    sentences: tuple[str, ...]
    """The same for people, and what each means for the tests."""


def facts() -> Facts | None:
    """Return what this run has found out; None where no server is given."""
    return _facts(os.environ[FOUND]) if os.environ.get(VARIABLE) and FOUND in os.environ else None


@cache
def _facts(text: str) -> Facts:
    found = json.loads(text)
    return Facts(found["place"], tuple(found["lacks"]), tuple(found["sentences"]))


def find_out() -> None:
    """Try what the given server can, and drop what killed runs have left; worker processes inherit the answer.

    Raises: pytest.UsageError (the tests can't use it; the message says why).
    """
    given = os.environ.get(VARIABLE)
    if not given or "PYTEST_XDIST_WORKER" in os.environ:
        return
    try:
        found = _find_out(parse(given))
    except (psycopg.Error, SQLAlchemyError, ValidationError) as error:
        words = words_of(error) if isinstance(error, psycopg.Error) else str(error)
        raise pytest.UsageError(f"The server of {VARIABLE} can't be used: {words}") from None
    os.environ[FOUND] = json.dumps(asdict(found))


def _find_out(url: URL) -> Facts:
    with Session(url, uuid4().hex[:TOKEN]) as session:
        shows = session.sees_itself()
        left = session.drop_what_is_left() if shows else []
        lacks, sentences = [], []
        engine = create_engine(url, poolclass=NullPool, **ENGINE_OPTIONS)
        with engine.connect() as connection:
            for name, (has, sentence) in GAPS.items():
                if not has(connection):
                    lacks.append(name)
                    sentences.append(sentence)
        takes_options = _can_connect(in_schema(url, "public"))
        if not takes_options:
            lacks.append("options")
            sentences.append("It takes no `options` at connect: DATABASE_POOLER=true, and no statement has a limit.")
        place, *reason = _place(session, url, takes_options=takes_options)
    if not shows:
        sentences.append(f"It does not show who is connected: what a killed run leaves, {PREFIX}*, is yours to drop.")
    if left:
        sentences.append(f"It keeps what a killed run has left: {', '.join(left)}.")
    return Facts(place, tuple(lacks), (*reason, *sentences))


def _can_connect(url: URL) -> bool:
    try:
        with connected(url):
            return True
    except psycopg.Error:
        return False


def _place(session: Session, url: URL, *, takes_options: bool) -> tuple[str, ...]:
    """Return where the tests' tables can be and, unless that is the best place, why there."""
    first, second = f"{session.name}_a", f"{session.name}_b"
    try:
        if missing := _missing_in_a_new_database(session, url, first):
            return _schemas(session, f"a new database lacks {missing}", takes_options=takes_options)
        try:
            session.ask("CREATE DATABASE {} TEMPLATE {}", second, first)
        except psycopg.Error as error:
            return "database", f"It copies no database ({words_of(error)}): each process has one, emptied by each test."
        else:
            return ("copies",)
    except psycopg.Error as error:
        return _schemas(session, words_of(error), takes_options=takes_options)
    finally:
        for name in (first, second):
            with suppress(psycopg.Error):
                session.drop("database", name)


def _missing_in_a_new_database(session: Session, url: URL, name: str) -> str:
    """Make a database, connect to it, and name the extensions that the given one has and this one has not."""
    session.ask("CREATE DATABASE {}", name)
    extensions = "SELECT extname FROM pg_extension"
    with connected(url.set(database=name)) as connection:
        missing = {*session.ask(extensions)} - {*rows(connection.execute(extensions))}
    return " and ".join(sorted(f"the extension {name}" for (name,) in missing))


def _schemas(session: Session, reason: str, *, takes_options: bool) -> tuple[str, ...]:
    problem = None if takes_options else "a schema needs `options` at connect"
    try:
        session.ask("CREATE SCHEMA {}", session.name)
        session.drop("schema", session.name)
    except psycopg.Error as error:
        problem = words_of(error)
    if problem:
        raise pytest.UsageError(
            f"The tests can't have tables of their own on the server of {VARIABLE}: no database ({reason}), no schema"
            f" ({problem}). Name a role that may make databases, or the owner of an empty one."
        )
    return "schema", f"It keeps the tests in the given database, each process in a schema that is emptied: {reason}."
