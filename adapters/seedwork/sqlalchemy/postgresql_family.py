"""What dialects of PostgreSQL's family share: how a transaction begins, and what plain SQL has done."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any  # Any, below: psycopg is an extra

from sqlalchemy import PoolProxiedConnection

from adapters.seedwork.refusals import ENDED
from adapters.seedwork.sqlalchemy.dialects import UnitOfWorkDialect, session_of
from service_layer.seedwork.errors import FailedTransaction, UnitOfWorkMisuse

if TYPE_CHECKING:
    from adapters.seedwork.sqlalchemy.session import UnitSession

WRITING_TAGS = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "TRUNCATE", "CREATE", "ALTER", "DROP")
"""How PostgreSQL's command tags of statements begin that write."""


class PostgreSQLFamily(UnitOfWorkDialect):
    """A dialect of PostgreSQL or of a relative, on psycopg."""

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        # psycopg sends BEGIN before the first statement, as its attributes say
        session = session_of(dbapi_connection)
        if session is None:
            return  # without a unit of work, a connection is as its caller has set it
        read_only = session.is_read_only or None
        # REPEATABLE READ: all that a reading block reads is of one moment, as on SQLite
        name = session.unit.isolation_level or ("REPEATABLE READ" if read_only else None)
        level = name and self.loaded_dbapi.IsolationLevel[name.replace(" ", "_")]
        driver: Any = dbapi_connection.driver_connection
        if driver.autocommit:
            adapter_of(dbapi_connection).set_autocommit(False)
        if (driver.isolation_level, driver.read_only) != (level, read_only):
            _set_mode(adapter_of(dbapi_connection), level, read_only=read_only)

    def do_commit(self, dbapi_connection: PoolProxiedConnection) -> None:
        driver: Any = dbapi_connection.driver_connection
        if session_of(dbapi_connection) and driver.pgconn.transaction_status == self._status.INERROR:
            # to COMMIT the server would answer ROLLBACK, which is no error to psycopg
            failure = self.loaded_dbapi.errors.InFailedSqlTransaction(
                "the server refused what the driver sent by itself"
            )
            raise FailedTransaction("uow.commit()", failure) from failure
        super().do_commit(dbapi_connection)

    def renew(self, connection: Any, info: dict[str, Any]) -> None:
        connection.set_autocommit(False)
        _set_mode(connection, None, read_only=None)

    def settle(self, driver: Any) -> bool:
        """Read what the server has said since the last block, and return whether that took a wait.

        Raises: psycopg.OperationalError (its goodbye).
        """
        for _ in range(2):  # two reads: the server's error message, then end of file
            driver.pgconn.consume_input()
            driver.pgconn.is_busy()  # parses what was read
        return False

    def _prepare(self, session: "UnitSession", context: Any, cursor: Any) -> None:
        if is_in_server(cursor):
            session.keep_open(cursor)

    def has_ended(self, driver: Any) -> bool:
        return bool(driver.pgconn.transaction_status == self._status.IDLE)

    @property
    def _status(self) -> Any:
        return self.loaded_dbapi.pq.TransactionStatus

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        sent = execute(*arguments) or cursor  # psycopg returns its cursor, which an asynchronous adapter hides
        tag: str = getattr(sent, "statusmessage", "INSERT") or ""  # an asynchronous executemany() returns nothing
        # "AND CHAIN" begins a new transaction, so that the connection has one again; ROLLBACK TO has the same tag
        if tag == "COMMIT" or (tag == "ROLLBACK" and not re.search(r"\bTO\b", arguments[0], re.IGNORECASE)):
            raise UnitOfWorkMisuse(ENDED)
        return tag.startswith(WRITING_TAGS) and cursor.rowcount != 0


def is_in_server(cursor: Any) -> bool:
    """Return whether a cursor reads in batches."""
    return hasattr(cursor, "name")


def adapter_of(connection: PoolProxiedConnection) -> Any:
    """Return by what a connection is set: the driver's own, or the adapter of an asynchronous one."""
    return connection.dbapi_connection


def _set_mode(adapter: Any, level: Any, *, read_only: bool | None) -> None:
    adapter.set_isolation_level(level)
    adapter.set_read_only(read_only)
