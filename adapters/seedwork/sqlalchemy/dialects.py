"""The dialects of SQLite and PostgreSQL as units of work need them: how a transaction begins, and what has written.

``Dialect.do_begin`` and ``do_execute`` are SQLAlchemy's hooks for that. Events of the engine can do the same, but
reading an entity by id on SQLite takes a fifth longer with them.
"""

import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

from sqlalchemy import URL, Dialect, PoolProxiedConnection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.default import DefaultDialect

from adapters.seedwork.sqlalchemy import sqlite
from service_layer.seedwork.block import Steps
from service_layer.seedwork.errors import ENDED, UnitOfWorkMisuse

if TYPE_CHECKING:
    from adapters.seedwork.sqlalchemy.session import UnitSession

SESSION = "session"
"""The key in a connection's ``info`` of a weak reference to the session that it serves."""

CONNECTING = ContextVar("CONNECTING", default=False)
"""Whether a unit of work takes a connection from the pool now."""

WRITING_TAGS = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE", "CREATE", "ALTER", "DROP")
"""How PostgreSQL's command tags of statements begin that write."""


def session_of(info: dict[str, Any]) -> "UnitSession | None":
    """Return the session that a connection serves, by its ``info``; None outside of units of work."""
    session: ref[UnitSession] | None = info.get(SESSION)
    return session() if session else None


class _UnitOfWorkDialect(DefaultDialect):
    """Notes in the block whether a statement has written, and refuses one that ends the unit's transaction."""

    retry_tries, retry_seconds = Steps.retry_tries, Steps.retry_seconds
    """How patient units of work are on this engine, by its settings."""

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._send(context, cursor, cursor.execute, statement, parameters)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._send(context, cursor, cursor.executemany, statement, parameters)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        self._send(context, cursor, cursor.execute, statement)

    def _send(self, context: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> None:
        session = _session_of(context) if context else None
        if not session or not context.is_text:
            execute(*arguments)
            wrote = session and (context.isinsert or context.isupdate or context.isdelete or context.isddl)
        else:  # only the driver knows what plain SQL did
            driver = context.root_connection.connection.driver_connection
            wrote = self._send_text(driver, cursor, execute, *arguments)
            if self.has_ended(driver):
                raise UnitOfWorkMisuse(ENDED)
        if wrote and session:
            session.note_write()

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        """Execute plain SQL, and return whether it has written."""
        raise NotImplementedError

    def has_ended(self, driver: Any) -> bool:
        """Return whether a driver's connection has no transaction."""
        raise NotImplementedError

    def renew(self, connection: Any, info: dict[str, Any]) -> None:
        """Undo what a reading block has set, before a connection is used without a unit of work."""
        raise NotImplementedError


class _SQLite(_UnitOfWorkDialect):
    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        session, info = session_of(dbapi_connection.info), dbapi_connection.info
        read_only = bool(session and session.is_read_only)
        # only when it changes: the pragma makes SQLite prepare every statement anew
        if info.get("query_only", False) is not read_only:
            _execute(dbapi_connection, f"PRAGMA query_only={read_only:d}")
            info["query_only"] = read_only
        if not session and id(dbapi_connection.dbapi_connection) in self._autocommitting:
            return
        # IMMEDIATE takes the write lock now. A transaction that begins as a reader and writes later fails at once
        # with SQLITE_BUSY_SNAPSHOT instead of waiting.
        _execute(dbapi_connection, "BEGIN IMMEDIATE" if session and not read_only else "BEGIN")

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Let AUTOCOMMIT begin nothing, as VACUUM needs it; the driver begins nothing by itself in any case."""
        (self._autocommitting.add if level == "AUTOCOMMIT" else self._autocommitting.discard)(id(dbapi_connection))

    def renew(self, connection: Any, info: dict[str, Any]) -> None:
        if info.pop("query_only", False):
            connection.execute("PRAGMA query_only=0")

    def has_ended(self, driver: Any) -> bool:
        return not driver.in_transaction

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        before = driver.total_changes
        execute(*arguments)
        return bool(driver.total_changes != before)

    @cached_property
    def _autocommitting(self) -> set[int]:
        return set()  # by id: the driver's connections take neither attributes nor weak references

    def connect(self, *arguments: Any, **options: Any) -> Any:
        connection = super().connect(*arguments, **options)
        self._autocommitting.discard(id(connection))
        return connection

    def do_rollback(self, dbapi_connection: PoolProxiedConnection) -> None:
        if not self.has_ended(dbapi_connection.driver_connection):  # the pool asks for it again
            dbapi_connection.rollback()

    def do_commit(self, dbapi_connection: PoolProxiedConnection) -> None:
        dbapi_connection.commit()
        if session_of(dbapi_connection.info):
            driver: Any = dbapi_connection.driver_connection  # Any: sqlite3's, or that of aiosqlite
            sqlite.shorten_log(dbapi_connection.cursor, driver.total_changes, dbapi_connection.info)


class _PostgreSQL(_UnitOfWorkDialect):
    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        # psycopg sends BEGIN before the first statement, as these two attributes say
        session = session_of(dbapi_connection.info)
        if session is None:
            return  # without a unit of work, a connection is as its caller has set it
        read_only = session.is_read_only or None
        # REPEATABLE READ: all that a reading block reads is of one moment, as on SQLite
        name = session.unit.isolation_level or ("REPEATABLE READ" if read_only else None)
        level = name and self.loaded_dbapi.IsolationLevel[name.replace(" ", "_")]
        driver: Any = dbapi_connection.driver_connection  # Any: psycopg is an extra
        if (driver.isolation_level, driver.read_only) != (level, read_only):
            _set_mode(dbapi_connection.dbapi_connection, level, read_only)

    def renew(self, connection: Any, info: dict[str, Any]) -> None:
        _set_mode(connection, None, None)

    def has_ended(self, driver: Any) -> bool:
        return bool(driver.info.transaction_status.name == "IDLE")

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        sent = execute(*arguments) or cursor  # psycopg returns its cursor, which an asynchronous adapter hides
        tag: str = getattr(sent, "statusmessage", "INSERT") or ""  # an asynchronous executemany() returns nothing
        # "AND CHAIN" begins a new transaction, so that the connection has one again; ROLLBACK TO has the same tag
        if tag == "COMMIT" or (tag == "ROLLBACK" and not re.search(r"\bTO\b", arguments[0], re.IGNORECASE)):
            raise UnitOfWorkMisuse(ENDED)
        return tag.startswith(WRITING_TAGS) and cursor.rowcount != 0


class SQLite(_SQLite, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class AsyncSQLite(_SQLite, SQLiteDialect_aiosqlite):
    supports_statement_cache = True


class PostgreSQL(_PostgreSQL, PGDialect_psycopg):
    supports_statement_cache = True


class AsyncPostgreSQL(_PostgreSQL, PGDialectAsync_psycopg):
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Self]:  # noqa: ARG003  # SQLAlchemy passes it
        return cls


def driver_of(url: URL, *, is_async: bool = False) -> str:
    """Return the name under which SQLAlchemy knows the dialect for a URL."""
    backend = url.get_backend_name()
    kind = ("Async" if is_async else "") + ("SQLite" if backend == "sqlite" else "PostgreSQL")
    if backend in {"sqlite", "postgresql"}:
        registry.register(f"{backend}.{kind.lower()}", __name__, kind)
    else:
        registry.impls[f"{backend}.{kind.lower()}"] = partial(_relative, url, is_async=is_async)
    return f"{backend}+{kind.lower()}"


def _relative(url: URL, *, is_async: bool) -> type[Dialect]:
    """Return the dialect of another engine of PostgreSQL's family, on psycopg, as units of work need it."""
    theirs: Any = url.get_dialect()  # Any: as the package that brings it has it
    theirs = theirs.get_async_dialect_cls(url) if is_async else theirs
    ours = {
        "supports_statement_cache": True,
        "supports_sane_rowcount": True,  # psycopg counts by the protocol, and versions are compared by that count
        "get_async_dialect_cls": classmethod(lambda cls, _: cls),
    }
    made: type[Dialect] = type("Relative", (_PostgreSQL, theirs), ours)
    return made


def _session_of(context: Any) -> "UnitSession | None":
    try:
        return session_of(context.root_connection.info)
    except NotImplementedError:  # the connection on which SQLAlchemy asks the server for its version has none
        return None


def _execute(connection: PoolProxiedConnection, sql: str) -> None:
    driver: Any = connection.dbapi_connection  # Any: sqlite3's, or an adapter
    driver.execute(sql).close()


def _set_mode(connection: Any, level: Any, read_only: bool | None) -> None:  # noqa: FBT001  # as psycopg has it
    connection.set_isolation_level(level)  # an asynchronous driver is set through its adapter
    connection.set_read_only(read_only)
