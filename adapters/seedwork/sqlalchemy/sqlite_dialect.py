"""SQLite's dialect for units of work, on both drivers: a writer takes its lock at BEGIN, and a reader can't write."""

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from math import isnan
from typing import Any

from sqlalchemy import Dialect, Float, Numeric, PoolProxiedConnection
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import memoized_property

from adapters.seedwork.sqlalchemy import sqlite
from adapters.seedwork.sqlalchemy.dialects import UnitOfWorkDialect, session_of
from adapters.seedwork.types import rounded

DIGITS_MAX = 15
"""How many digits of a number SQLite keeps exactly: it stores a Decimal as a float."""


class _Numeric(Numeric[Any]):
    """A number of so many places, kept as a float: it is rounded to them as on PostgreSQL, or refused."""

    def bind_processor(self, dialect: Dialect) -> Any:  # Any: a function, as Numeric returns one
        return self._to_store

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # Any: as above
        if self.scale is None or not self.asdecimal:
            return super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        return lambda value: None if value is None else rounded(Decimal(str(value)), self)

    def _to_store(self, value: Any) -> float | None:  # Any: a Decimal, or what SQLAlchemy takes for one
        number = rounded(value, self)
        if self.scale is not None and isinstance(number, Decimal | int) and not _is_kept(Decimal(number)):
            raise ValueError(
                f"SQLite keeps {DIGITS_MAX} digits of a number exactly, not {value}. Let a rule of the domain allow"
                " fewer, or use PostgreSQL."
            )
        return _as_float(number)


class _Float(Float[Any]):
    """A float, or None; no NaN."""

    def bind_processor(self, dialect: Dialect) -> Any:  # Any: a function, as Float returns one
        return _as_float


def _as_float(number: Any) -> float | None:  # Any: what can be made a float
    kept = None if number is None else float(number)
    if kept is not None and isnan(kept):
        raise ValueError("SQLite makes NULL of NaN. Let a rule of the domain refuse it, or store None.")
    return kept


def _is_kept(number: Decimal) -> bool:
    return not number.is_finite() or len("".join(map(str, number.as_tuple().digits)).rstrip("0")) <= DIGITS_MAX


_plain = SQLiteDialect_pysqlite()


class _Compiler(SQLiteCompiler):
    """Lets a decimal that is compared with a column, or multiplied by one, keep its places: none is stored."""

    @memoized_property
    def _bind_processors(self) -> dict[str, Any]:  # Any: functions, as SQLiteCompiler has them
        processors: dict[str, Any] = dict(super()._bind_processors)
        for parameter, name in self.bind_names.items():
            is_stored = parameter._is_crud  # noqa: SLF001  # nothing else tells
            if name in processors and not is_stored and getattr(parameter.type, "scale", None) is not None:
                processors[name] = parameter.type.dialect_impl(_plain).bind_processor(_plain)
        return processors


class _SQLite(UnitOfWorkDialect):
    statement_compiler = _Compiler
    colspecs = {**SQLiteDialect_pysqlite.colspecs, Numeric: _Numeric, Float: _Float}

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        session, info = session_of(dbapi_connection), dbapi_connection.info
        read_only = bool(session and session.is_read_only)
        # only when it changes: the pragma makes SQLite prepare every statement anew
        if info.get("query_only", False) is not read_only:
            info["query_only"] = None  # not known, where a signal handler raises before it is noted
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
        if info.pop("query_only", False) is not False:
            connection.execute("PRAGMA query_only=0")

    def has_ended(self, driver: Any) -> bool:
        return not driver.in_transaction

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        before = driver.total_changes
        execute(*arguments)
        # a change that returns rows is counted when the last one is read; a query has -1
        return driver.total_changes != before or bool(cursor.description and cursor.rowcount >= 0)

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
        super().do_commit(dbapi_connection)
        if session_of(dbapi_connection):
            driver: Any = dbapi_connection.driver_connection  # Any: sqlite3's, or that of aiosqlite
            sqlite.shorten_log(dbapi_connection.cursor, driver.total_changes, dbapi_connection.info)


class SQLite(_SQLite, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class AsyncSQLite(_SQLite, SQLiteDialect_aiosqlite):
    supports_statement_cache = True


def _execute(connection: PoolProxiedConnection, sql: str) -> None:
    driver: Any = connection.dbapi_connection  # Any: sqlite3's, or an adapter
    driver.execute(sql).close()
