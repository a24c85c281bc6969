"""The connection that migrates: one process at a time, all of a revision or nothing, and no reader waits for long."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from alembic.util import CommandError
from sqlalchemy import URL, Connection, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random

from adapters.seedwork.sqlalchemy.gaps import ENGINE_OPTIONS, code_of
from adapters.seedwork.sqlalchemy.sqlite import create_private
from migrations.seedwork.lock import locked

log = logging.getLogger("alembic.env")

POSTGRESQL = {"client_encoding": "utf8", "connect_timeout": 5, "fallback_application_name": "alembic"}
LOCK_WAIT_S = 5
"""How long a statement waits for its lock on PostgreSQL; every later statement on the table waits with it."""
PAUSE_S = (1, 5)
"""How long it lets others work before it tries again: at least, and at most."""


@contextmanager
def connect(url: URL, wait_s: float) -> Generator[Connection]:
    """Connect, and wait until no other process migrates the database; the lock ends with the connection."""
    sqlite = url.drivername == "sqlite"
    options = {"timeout": wait_s} if sqlite else dict(POSTGRESQL)
    options = {name: value for name, value in options.items() if name not in url.query}
    gaps = {} if sqlite else ENGINE_OPTIONS
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options, **gaps)
    if sqlite:
        event.listen(engine, "do_connect", create_private)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise _unusable(error) from None
    with connection, nullcontext() if sqlite else locked(connection, wait_s):  # on SQLite BEGIN IMMEDIATE waits
        yield connection


def tries_for_a_lock(wait_s: float) -> Retrying:
    """Try again, for ``wait_s`` seconds at the most, after a statement did not get its lock; its revision is undone."""
    return Retrying(
        retry=retry_if_exception(_lost_a_lock),
        stop=stop_after_delay(wait_s),
        wait=wait_random(*PAUSE_S),
        before_sleep=_log_try,
        reraise=True,
    )


def _lost_a_lock(error: BaseException) -> bool:
    """Return whether a lock timeout or a deadlock ended a statement on PostgreSQL. On SQLite BEGIN waits."""
    return isinstance(error, DBAPIError) and code_of(error) in {"55P03", "40P01"}


def _log_try(state: RetryCallState) -> None:
    assert state.outcome
    assert state.next_action
    failure = state.outcome.exception()
    assert isinstance(failure, DBAPIError)
    log.info("Trying again in %.0f s: %s", state.next_action.sleep, words_of(failure))


def begin_for_all_or_nothing(connection: Connection) -> None:
    """Make every transaction begin as its engine needs it, on SQLite also one that a caller has begun."""
    if connection.dialect.name != "sqlite":
        event.listen(connection, "begin", _limit_lock_waits)
        event.listen(connection, "begin", _be_in_utc)
        return
    if _sqlite(connection).execute("PRAGMA foreign_keys").fetchone() == (1,):
        raise CommandError("With PRAGMA foreign_keys=ON, rebuilding a table deletes what refers to it: set it OFF.")
    event.listen(connection, "begin", _begin_immediate)
    if connection.in_transaction():
        _begin_immediate(connection)


def _limit_lock_waits(connection: Connection) -> None:
    # everybody else queues behind a statement that waits for its lock; LOCAL: not in an autocommit_block,
    # where CREATE INDEX CONCURRENTLY waits for other transactions, and would leave an invalid index
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S * 1000:.0f}ms'")


def _be_in_utc(connection: Connection) -> None:
    # as the sessions of the application are: a day is the same here, and so is a default without a zone
    connection.exec_driver_sql("SET timezone = 'UTC'")


def _begin_immediate(connection: Connection) -> None:
    # the driver alone would begin at the first INSERT, and leave the tables of a revision that fails
    if _sqlite(connection).in_transaction:
        return
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "") != "SQLITE_BUSY":
            raise _unusable(error) from None
        raise CommandError(
            "Another process has been writing to this database for too long: it migrates, or a block of it is open."
            " Wait for it, for longer with MIGRATION_WAIT_S; or end it: SQLite can't say who it is, but `fuser` can."
        ) from None


def check_foreign_keys(ctx: Any, step: Any, **_: object) -> None:  # Any: as Alembic calls it
    """Refuse a revision after which a row of SQLite refers to nothing; the whole upgrade is undone."""
    if ctx.dialect.name != "sqlite":
        return
    if broken := ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise CommandError(
            f"Nothing was migrated: after {step.up_revision_id} a row of {broken.table} would refer to a row of"
            f" {broken.parent} that does not exist."
        )


def _sqlite(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def words_of(error: DBAPIError) -> str:
    """Return what the database itself says, in one line."""
    return " ".join(str(error.orig).split())


def _unusable(error: DBAPIError) -> CommandError:
    return CommandError(f"The database can't be used: {words_of(error)}")
