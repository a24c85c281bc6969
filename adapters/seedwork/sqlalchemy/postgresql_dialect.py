"""PostgreSQL's dialect for units of work, on psycopg: levels, reading blocks, and what plain SQL has done."""

import re
from collections.abc import Callable
from typing import Any, Self  # Any, below: psycopg is an extra

from sqlalchemy import URL, PoolProxiedConnection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg

from adapters.seedwork.sqlalchemy.dialects import UnitOfWorkDialect, session_of
from service_layer.seedwork.errors import ENDED, UnitOfWorkMisuse

WRITING_TAGS = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE", "CREATE", "ALTER", "DROP")
"""How PostgreSQL's command tags of statements begin that write."""


class PostgreSQLFamily(UnitOfWorkDialect):
    """What PostgreSQL's own dialects and those of its relatives have in common."""

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        # psycopg sends BEGIN before the first statement, as these two attributes say
        session = session_of(dbapi_connection.info)
        if session is None:
            return  # without a unit of work, a connection is as its caller has set it
        read_only = session.is_read_only or None
        # REPEATABLE READ: all that a reading block reads is of one moment, as on SQLite
        name = session.unit.isolation_level or ("REPEATABLE READ" if read_only else None)
        level = name and self.loaded_dbapi.IsolationLevel[name.replace(" ", "_")]
        driver: Any = dbapi_connection.driver_connection
        if (driver.isolation_level, driver.read_only) != (level, read_only):
            _set_mode(dbapi_connection.dbapi_connection, level, read_only=read_only)

    def renew(self, connection: Any, info: dict[str, Any]) -> None:
        _set_mode(connection, None, read_only=None)

    def has_ended(self, driver: Any) -> bool:
        return bool(driver.info.transaction_status.name == "IDLE")

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        sent = execute(*arguments) or cursor  # psycopg returns its cursor, which an asynchronous adapter hides
        tag: str = getattr(sent, "statusmessage", "INSERT") or ""  # an asynchronous executemany() returns nothing
        # "AND CHAIN" begins a new transaction, so that the connection has one again; ROLLBACK TO has the same tag
        if tag == "COMMIT" or (tag == "ROLLBACK" and not re.search(r"\bTO\b", arguments[0], re.IGNORECASE)):
            raise UnitOfWorkMisuse(ENDED)
        return tag.startswith(WRITING_TAGS) and cursor.rowcount != 0


class PostgreSQL(PostgreSQLFamily, PGDialect_psycopg):
    supports_statement_cache = True


class AsyncPostgreSQL(PostgreSQLFamily, PGDialectAsync_psycopg):
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Self]:  # noqa: ARG003  # SQLAlchemy passes it
        return cls


def _set_mode(connection: Any, level: Any, *, read_only: bool | None) -> None:
    connection.set_isolation_level(level)  # an asynchronous driver is set through its adapter
    connection.set_read_only(read_only)
