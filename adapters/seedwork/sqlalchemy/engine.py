"""Engines and sessions: what SQLite and PostgreSQL each need, how a transaction begins, who hears of a failure."""

import re
from functools import partial
from sqlite3 import Connection as SQLiteConnection
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Dialect, Engine, PoolProxiedConnection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.seedwork.settings import DatabaseSettings
from adapters.seedwork.sqlalchemy.driver_errors import meaning_of
from adapters.seedwork.sqlalchemy.session import UnitSession
from service_layer.seedwork.errors import DatabaseUnavailable

SESSION = "session"
"""The key in a connection's ``info`` of the session that it serves."""

_WRITE = re.compile(
    r"(\s|/\*.*?\*/|--[^\n]*\n)*(INSERT|UPDATE|DELETE|MERGE|REPLACE|WITH\b.*\b(INSERT|(?<!FOR )UPDATE|DELETE)\b)",
    re.IGNORECASE | re.DOTALL,
)
"""A statement that writes, comments before it included."""


def create_engine(settings: DatabaseSettings) -> Engine:
    """Return an engine for units of work; it connects when it is first used."""
    return equip(sqlalchemy.create_engine(settings.url, **engine_options(settings)))


def engine_options(settings: DatabaseSettings) -> dict[str, Any]:  # Any: whatever create_engine takes
    """Return with which options an engine is made."""
    sqlite = settings.url.drivername == "sqlite"
    return {
        "connect_args": _sqlite_options(settings) if sqlite else _postgresql_options(settings),
        "echo": settings.database_echo,
        "hide_parameters": True,
        "max_overflow": 0,
        "pool_size": settings.database_pool_size,
        "pool_timeout": settings.database_pool_timeout_s,
    }


def equip(engine: Engine) -> Engine:
    """Give an engine what units of work expect of it: how to begin, who hears of a change and of a failure."""
    sqlite = engine.dialect.name == "sqlite"
    if sqlite:
        event.listen(engine, "connect", _set_pragmas)
    else:
        event.listen(engine, "checkout", _drop_if_closed)
    begin = _begin_sqlite if sqlite else partial(_begin_postgresql, engine.dialect)
    engine.dialect.do_begin = begin  # type: ignore[method-assign]  # it is the hook for this
    # events of the dialect: one of the engine, such as after_cursor_execute, costs each connection 25 us
    for hook in ("do_execute", "do_execute_no_params", "do_executemany"):
        event.listen(engine, hook, _note_change)
    event.listen(engine, "handle_error", _translate)
    return engine


def session_factory(engine: Engine) -> sessionmaker[UnitSession]:
    """Return what makes the sessions of units of work: one for each block, unusable after it."""
    return sessionmaker(engine, class_=UnitSession, autobegin=False, close_resets_only=False, expire_on_commit=False)


def _sqlite_options(settings: DatabaseSettings) -> dict[str, Any]:  # Any: whatever the driver takes
    # the driver begins nothing by itself, do_begin does
    return {"isolation_level": None, "timeout": settings.database_lock_timeout_s}


# a peer that fell silent is given up after 5 s of connecting, or 10 + 3 x 5 s of waiting, not after two hours
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def _postgresql_options(settings: DatabaseSettings) -> dict[str, Any]:  # Any: whatever the driver takes
    said = settings.url.normalized_query  # which wins
    options: dict[str, Any] = {name: value for name, value in _PATIENCE.items() if name not in said}
    if settings.database_pooler:
        return {**options, "prepare_threshold": None}
    limits = {
        "lock_timeout": settings.database_lock_timeout_s,
        "statement_timeout": settings.database_statement_timeout_s,
        "idle_in_transaction_session_timeout": settings.database_idle_timeout_s,
    }
    flags = [f"-c {name}={seconds * 1000:.0f}" for name, seconds in limits.items()]
    return {**options, "options": " ".join((*flags, *said.get("options", ())))}


def _set_pragmas(connection: SQLiteConnection, _record: object) -> None:
    # WAL: readers and the writer don't wait for each other. FULL: what is acknowledged survives a power cut
    # (on macOS only with fullfsync, which elsewhere does nothing).
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(dbapi_connection: PoolProxiedConnection) -> None:
    session: UnitSession | None = dbapi_connection.info.get(SESSION)
    read_only = bool(session and session.is_read_only)
    # only when it changes: the pragma makes SQLite prepare every statement anew
    if dbapi_connection.info.get("query_only", False) is not read_only:
        _execute(dbapi_connection, f"PRAGMA query_only={read_only:d}")
        dbapi_connection.info["query_only"] = read_only
    # IMMEDIATE: who begins as a reader can't wait for another writer later, and fails
    _execute(dbapi_connection, "BEGIN IMMEDIATE" if session and not read_only else "BEGIN")


def _drop_if_closed(_driver: object, entry: ConnectionPoolEntry, _connection: object) -> None:
    """Let the pool replace a connection that the server has closed since: the news lies in the socket, unread."""
    if "used" not in entry.info:  # a new one is replaced by no other: its first statement tells
        entry.info["used"] = True
        return
    driver: Any = entry.driver_connection  # Any: psycopg is an extra
    try:
        for _ in range(2):  # its last words, and the end
            driver.pgconn.consume_input()
            driver.pgconn.is_busy()  # takes in what was read
    except driver.OperationalError as error:
        raise DisconnectionError from error


def _begin_postgresql(dialect: Dialect, dbapi_connection: PoolProxiedConnection) -> None:
    # psycopg says BEGIN before the first statement, and here hears which; a cursor of our own for it costs 10 us
    session: UnitSession | None = dbapi_connection.info.get(SESSION)
    read_only = bool(session and session.is_read_only)
    # REPEATABLE READ: all that a reading block reads is of one moment, as on SQLite
    name = (session and session.unit.isolation_level) or ("REPEATABLE READ" if read_only else None)
    level = name and dialect.loaded_dbapi.IsolationLevel[name.replace(" ", "_")]
    driver: Any = dbapi_connection.driver_connection  # Any: psycopg is an extra
    if (driver.isolation_level, driver.read_only) != (level, read_only or None):
        setter: Any = dbapi_connection.dbapi_connection  # an asynchronous driver is set through its adapter
        setter.set_isolation_level(level)
        setter.set_read_only(read_only or None)


def _execute(connection: PoolProxiedConnection, sql: str) -> None:
    cursor = connection.cursor()
    cursor.execute(sql)
    cursor.close()


def _note_change(_cursor: object, statement: str, *more: Any) -> None:  # Any: the last one is an ExecutionContext
    if _WRITE.match(statement):
        session: UnitSession | None = more[-1].root_connection.info.get(SESSION)
        if session and session.unit.block:
            session.unit.block.changed = True


def _translate(context: ExceptionContext) -> None:
    """Raise what a driver's error means, in the place where it happens. Whatever it is, the block has failed."""
    connection, error, wrapped = context.connection, context.original_exception, context.sqlalchemy_exception
    session: UnitSession | None = connection.info.get(SESSION) if connection else None
    meaning = None
    if isinstance(wrapped, DBAPIError):
        block = session.unit.block if session else None
        meaning = meaning_of(error, block, context.dialect, lost=context.is_disconnect or not connection)
        wrapped.args = (f"({type(error).__name__}) {error}",)  # it was made of all that the driver's error told
    if isinstance(meaning, DatabaseUnavailable):
        context.is_disconnect = True  # although it may still answer, as a stand-by does
    elif connection and _has_ended(connection):
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False
    if session:
        session.fail(meaning or wrapped or error, harmless=session.is_in_foreign_savepoint, lost=context.is_disconnect)
    if meaning:
        raise meaning from error


def _has_ended(connection: Connection) -> bool:
    """Tell whether SQLite has ended the transaction by itself, as on a full disk: all that followed would be kept."""
    driver = connection.connection.driver_connection
    return connection.in_transaction() and getattr(driver, "in_transaction", True) is False
