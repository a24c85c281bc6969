"""PostgreSQL's own dialect for units of work, on psycopg, which waits less often for the server.

The first statement of a block travels in one request with BEGIN, and a block that only read does not wait for its
ROLLBACK.
Source: PostgreSQL, "Multiple Statements in a Simple Query".
"""

import asyncio
import re
import selectors
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Self  # Any, below: psycopg is an extra
from weakref import WeakSet

from sqlalchemy import URL, Connection, PoolProxiedConnection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg, PGDialectAsync_psycopg
from sqlalchemy.util import await_

from adapters.seedwork.sqlalchemy.dialects import is_plain, session_of
from adapters.seedwork.sqlalchemy.postgresql_family import PostgreSQLFamily, adapter_of, is_in_server
from adapters.seedwork.sqlalchemy.postgresql_request import request_of

if TYPE_CHECKING:
    from adapters.seedwork.sqlalchemy.session import UnitSession


class _PostgreSQL(PostgreSQLFamily):
    """Sends BEGIN with the first statement of a block, and does not wait for ROLLBACK where it only read."""

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        if not context or is_plain(context) or not self._can_travel(context.root_connection, cursor, statement):
            super().do_execute(cursor, statement, parameters, context)
            return
        connection = context.root_connection.connection
        driver, adapter = connection.driver_connection, adapter_of(connection)
        request = request_of(self.loaded_dbapi, driver, statement, parameters)
        try:
            self._send(context, cursor, partial(self._execute_both, adapter, cursor), request)
        except BaseException:
            if self.has_ended(driver):  # neither was executed
                adapter.set_autocommit(False)
            raise

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        try:
            super().do_executemany(cursor, statement, parameters, context)
        except (AssertionError, self.loaded_dbapi.OperationalError) as error:
            # psycopg raises it over what has interrupted it, where it can't enter or leave its pipeline
            driver: Any = context.root_connection.connection.driver_connection
            is_over = not (driver.closed or getattr(error, "sqlstate", None))
            if is_over and driver.pgconn.pipeline_status and error.__context__:
                raise error.__context__ from None
            raise

    def _prepare(self, session: "UnitSession", context: Any, cursor: Any) -> None:
        super()._prepare(session, context, cursor)
        connection = context.root_connection.connection
        driver: Any = connection.driver_connection
        if driver.autocommit and self.has_ended(driver):  # somebody has ended the unit's transaction
            adapter_of(connection).set_autocommit(False)
        session.may_have_locked |= is_plain(context) or _may_lock(context.statement)

    def _can_travel(self, connection: Connection, cursor: Any, statement: str) -> bool:
        if session_of(connection) is None:
            return False
        driver: Any = connection.connection.driver_connection
        if not self.has_ended(driver):
            return False
        is_one = ";" not in statement  # PostgreSQL refuses several with parameters, and so stops what was injected
        return is_one and not is_in_server(cursor) and not driver.pgconn.pipeline_status

    def do_rollback(self, dbapi_connection: PoolProxiedConnection) -> None:
        driver: Any = dbapi_connection.driver_connection
        if self.has_ended(driver) or driver in self._leaving:
            return  # the pool asks for it again
        session = session_of(dbapi_connection)
        # after a failure psycopg's own way forgets what it has prepared, as it must if a table has changed
        is_intact = driver.pgconn.transaction_status == self._status.INTRANS
        block = session and session.unit.block
        if session and block and not (block.changed or session.may_have_locked) and is_intact:
            driver.pgconn.send_query(b"ROLLBACK")
            driver.pgconn.flush()
            self._leaving.add(driver)
        else:
            dbapi_connection.rollback()

    def settle(self, driver: Any) -> bool:
        if driver not in self._leaving:
            return super().settle(driver)
        driver.pgconn.consume_input()
        waits = bool(driver.pgconn.is_busy())
        while self._has_result(driver):
            pass
        self._leaving.discard(driver)
        if not self.has_ended(driver):
            raise driver.OperationalError("ROLLBACK was cancelled")
        super().settle(driver)
        return waits

    def _has_result(self, driver: Any) -> bool:
        while driver.pgconn.is_busy():
            self._wait(driver.pgconn.socket)  # get_result() would wait with the interpreter's lock held
            driver.pgconn.consume_input()
        return driver.pgconn.get_result() is not None

    @cached_property
    def _leaving(self) -> WeakSet[Any]:
        """Connections that were sent ROLLBACK, and whose answer was not read."""
        return WeakSet()

    def _execute_both(self, adapter: Any, cursor: Any, request: str) -> None:
        """Execute BEGIN and a statement, and let the cursor show the result of the latter."""
        adapter.set_autocommit(True)  # psycopg sends no BEGIN by itself
        self._execute_second(cursor, request)

    def _execute_second(self, cursor: Any, request: str) -> None:
        raise NotImplementedError

    def _wait(self, socket: int) -> None:
        """Wait until something can be read."""
        raise NotImplementedError


class PostgreSQL(_PostgreSQL, PGDialect_psycopg):
    supports_statement_cache = True

    def _execute_second(self, cursor: Any, request: str) -> None:
        cursor.execute(request, prepare=False)
        cursor.nextset()

    def _wait(self, socket: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(socket, selectors.EVENT_READ)
            selector.select()


class AsyncPostgreSQL(_PostgreSQL, PGDialectAsync_psycopg):
    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Self]:  # noqa: ARG003  # SQLAlchemy passes it
        return cls

    def connect(self, *arguments: Any, **options: Any) -> Any:
        from adapters.seedwork.sqlalchemy.postgresql_cursor import AsyncCursor  # noqa: PLC0415  # psycopg is an extra

        return super().connect(*arguments, cursor_factory=AsyncCursor, **options)

    def _execute_second(self, cursor: Any, request: str) -> None:
        cursor.execute(request)  # AsyncCursor shows the second result

    def _wait(self, socket: int) -> None:
        await_(_readable(socket))


@lru_cache(1_000)
def _may_lock(statement: str) -> bool:
    """Return whether a statement may lock more than a plain SELECT does: by FOR UPDATE, a function, or a write.

    ``set_config()``, by which each block may say who its tenant is, locks nothing.
    """
    return bool(re.search(r"\bFOR\b|\w(?<!\bset_config)\(|\b(INSERT|UPDATE|DELETE|MERGE)\b", statement, re.IGNORECASE))


async def _readable(socket: int) -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(socket, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(socket)
