"""Engines and session factories: what SQLite and PostgreSQL each need, and how a failure is reported."""

import logging
from contextlib import suppress
from functools import partial
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext, ExecutionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError, ResourceClosedError, StatementError
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from adapters.seedwork.settings import DatabaseSettings
from adapters.seedwork.sqlalchemy import sqlite
from adapters.seedwork.sqlalchemy.dialects import CONNECTING, session_of
from adapters.seedwork.sqlalchemy.driver_errors import meaning_of
from adapters.seedwork.sqlalchemy.drivers import driver_of
from adapters.seedwork.sqlalchemy.gaps import ENGINE_OPTIONS
from adapters.seedwork.sqlalchemy.lifetime import watch
from adapters.seedwork.sqlalchemy.session import UnitSession
from service_layer.seedwork.errors import DatabaseRefused, DatabaseUnavailable

WAITS = 10
"""A second connection is opened when callers have waited this often for the answer to the ROLLBACK of a block."""


def create_engine(settings: DatabaseSettings) -> Engine:
    """Return an engine for units of work; it connects when it is first used."""
    url = settings.url.set(drivername=driver_of(settings.url))
    return prepare(sqlalchemy.create_engine(url, **engine_options(settings)), settings)


def engine_options(settings: DatabaseSettings) -> dict[str, Any]:  # Any: whatever create_engine takes
    """Return with which options an engine is made."""
    is_sqlite = settings.url.drivername == "sqlite"
    # no transaction that the driver begins by itself: do_begin begins each
    on_sqlite = {"isolation_level": None, "timeout": settings.database_lock_timeout_s}
    return {
        **({} if is_sqlite else ENGINE_OPTIONS),
        "connect_args": on_sqlite if is_sqlite else _postgresql_options(settings),
        "echo": settings.database_echo,
        "hide_parameters": True,
        "max_overflow": 0,
        "pool_size": settings.database_pool_size,
        "pool_timeout": settings.database_pool_timeout_s,
    }


def prepare(engine: Engine, settings: DatabaseSettings) -> Engine:
    """Set an engine up for units of work, and return it: what a new connection gets, and who translates errors."""
    dialect: Any = engine.dialect  # Any: a UnitOfWorkDialect
    dialect.retry_seconds = settings.retry_seconds
    dialect.retry_tries = settings.retry_tries or max(dialect.retry_tries, round(settings.retry_seconds))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", sqlite.create_private)
        event.listen(engine, "connect", partial(sqlite.prepare, settings.database_lock_timeout_s))
        event.listen(engine, "invalidate", _end_transaction)
    else:
        event.listen(engine, "checkout", partial(_replace_if_closed, engine))
        logging.getLogger("psycopg").addFilter(_says_something_new)
    event.listen(engine, "checkout", partial(_renew_for_others, engine.dialect))
    event.listen(engine, "handle_error", _translate)
    watch(engine)
    return engine


def session_factory(engine: Engine) -> sessionmaker[UnitSession]:
    """Return what makes the sessions of units of work: one for each block."""
    return sessionmaker(engine, class_=UnitSession, expire_on_commit=False)


def reading_session_factory(engine: Engine) -> sessionmaker[UnitSession]:
    """Return what makes the sessions of reading blocks alone, since a stand-by takes no other ones."""
    return sessionmaker(engine, class_=UnitSession, expire_on_commit=False, only_reads=True)


_DEFAULTS = {
    # the server's own may be SQL_ASCII, whose texts the driver reads as bytes, or LATIN1, which lacks most letters
    "client_encoding": "utf8",
    # a server that is gone is given up after 5 s of connecting, or 10 + 3 x 5 s of waiting, not after two hours
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_IN_UTC = "-c timezone=UTC"
"""In another zone the server sends the last hours of the year 9999 as the year 10000, which Python can't read."""


def _postgresql_options(settings: DatabaseSettings) -> dict[str, Any]:  # Any: whatever the driver takes
    in_url = settings.url.normalized_query  # it wins over what is set here
    options: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in in_url}
    if settings.database_pooler:
        return {**options, "prepare_threshold": None}
    limits = {
        "lock_timeout": settings.database_lock_timeout_s,
        "statement_timeout": settings.database_statement_timeout_s,
        "idle_in_transaction_session_timeout": settings.database_idle_timeout_s,
    }
    flags = [f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits.items()]
    return {**options, "options": " ".join((_IN_UTC, *flags, *in_url.get("options", ())))}


def _renew_for_others(dialect: Any, connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    if not CONNECTING.get():
        dialect.renew(connection, entry.info)


def _end_transaction(connection: Any, _record: object, _error: object) -> None:  # Any: sqlite3's, or an adapter
    """End the transaction of a connection that is about to be closed after an interruption.

    SQLite would keep it, and its lock, as long as one cursor of the connection is unread.
    """
    with suppress(Exception):
        connection.rollback()


def _says_something_new(record: logging.LogRecord) -> bool:
    """Drop a warning that repeats, of each refused batch, what the error of its first statement says."""
    return not record.getMessage().endswith("pipeline aborted")


def _replace_if_closed(engine: Engine, _driver: object, entry: ConnectionPoolEntry, _connection: object) -> None:
    """Let the pool replace a connection that the server has closed.

    The server's goodbye is already in the socket's buffer, so reading it needs no round trip; only the answer to the
    ROLLBACK of a block that has just ended is waited for.
    """
    if "used" not in entry.info:  # a new one is not replaced by another: its first statement reports what is wrong
        entry.info["used"] = True
        return
    dialect: Any = engine.dialect  # Any: a UnitOfWorkDialect
    driver: Any = entry.driver_connection  # Any: psycopg is an extra
    try:
        has_waited = dialect.settle(driver)
    except driver.OperationalError as error:
        raise DisconnectionError from error
    if has_waited:
        entry.info["waits"] = entry.info.get("waits", 0) + 1
        if entry.info["waits"] == WAITS:
            _let_two_take_turns(engine)


def _let_two_take_turns(engine: Engine) -> None:
    """Open a second connection: the pool hands out first what was returned first, so that one rests meanwhile."""
    pool = engine.pool
    if isinstance(pool, QueuePool) and pool.size() > 1 and pool.checkedin() + pool.checkedout() == 1:
        with suppress(Exception):  # the server may have no room for it
            pool.connect().close()


def _translate(context: ExceptionContext) -> None:
    """Raise what a driver's error means, in the place where it happens. After any error the block has failed."""
    connection, error, wrapped = context.connection, context.original_exception, context.sqlalchemy_exception
    is_first = connection is not None and _asks_what_the_server_is(connection)
    session = session_of(connection) if connection and not is_first else None
    meaning = None
    if isinstance(wrapped, DBAPIError) or isinstance(error, OverflowError | UnicodeEncodeError):
        meaning = meaning_of(
            error,
            session.unit.block if session else None,
            context.dialect,
            lost=context.is_disconnect or not connection,
            statement=context.statement,
            of_values=_is_of_values(context.execution_context),
        )
    if isinstance(wrapped, DBAPIError):
        # SQLAlchemy has made it of the whole text of the driver's error, and keeps the values that were sent
        wrapped.args, wrapped.params = (f"({type(error).__name__}) {error}",), None
    if isinstance(meaning, DatabaseUnavailable) and not isinstance(meaning, DatabaseRefused):
        context.is_disconnect = True  # although it may still answer, as a stand-by does
    elif connection and not is_first and (_has_ended(connection) or _is_interrupted(connection)):
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False
    if session:
        # without its savepoint an inner block can't be undone by itself
        is_nested = (context.statement or "").startswith("SAVEPOINT")
        session.fail(meaning or wrapped or error, lost=context.is_disconnect or is_nested)
    if meaning:
        raise meaning from error
    if isinstance(wrapped, StatementError) and not isinstance(wrapped, DBAPIError):
        raise error  # not the driver's: a column type's, or a signal handler's


def _is_of_values(context: ExecutionContext | None) -> bool:
    """Return whether a statement stores values, or is a repository's look-up by values; not where it is plain SQL."""
    made: Any = context  # Any: a DefaultExecutionContext
    return bool(made and (made.isinsert or made.isupdate or made.execution_options.get("of_values")))


def _asks_what_the_server_is(connection: Connection) -> bool:
    """Return whether it is the one with which SQLAlchemy begins: it has no ``info``."""
    try:
        connection.info  # noqa: B018  # the question is whether it raises
    except (NotImplementedError, ResourceClosedError):
        return True
    return False


def _has_ended(connection: Connection) -> bool:
    """Return whether SQLite has ended the transaction, as on a full disk: it would save each later statement."""
    dialect: Any = connection.dialect  # Any: a UnitOfWorkDialect
    in_transaction = dialect.name == "sqlite" and connection.in_transaction()
    return in_transaction and bool(dialect.has_ended(connection.connection.driver_connection))


def _is_interrupted(connection: Connection) -> bool:
    """Return whether PostgreSQL still runs a statement that a signal handler has left by an exception; cancel it.

    The same is true of a pipeline that psycopg has not left: later statements would get no answer of their own.
    """
    driver: Any = connection.connection.driver_connection  # Any: psycopg is an extra
    if connection.dialect.name == "sqlite":
        return False
    if driver.info.transaction_status.name != "ACTIVE":
        return bool(driver.pgconn.pipeline_status)
    driver.cancel()  # the server would hold its locks until the statement ends
    return True
