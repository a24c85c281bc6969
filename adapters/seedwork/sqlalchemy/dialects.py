"""What the dialects of units of work share: whom a connection serves, and what its statements have done.

``Dialect.do_begin`` and ``do_execute`` are SQLAlchemy's hooks for that. Events of the engine can do the same, but
reading an entity by id on SQLite takes a fifth longer with them.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import ref

from sqlalchemy import PoolProxiedConnection, TextualSelect
from sqlalchemy.engine.default import DefaultDialect

from adapters.seedwork.refusals import BEGUN_BY_UNIT, ENDED
from service_layer.seedwork.block import BlockState
from service_layer.seedwork.errors import UnitOfWorkMisuse
from service_layer.seedwork.transaction import Transaction

if TYPE_CHECKING:
    from adapters.seedwork.sqlalchemy.session import UnitSession

SESSION = "session"
"""The key in a connection's ``info`` of a weak reference to the session that it serves."""

CONNECTING = ContextVar("CONNECTING", default=False)
"""Whether a unit of work takes a connection from the pool now."""


def session_of(connection: Any) -> "UnitSession | None":  # Any: SQLAlchemy has three kinds, each with its ``info``
    """Return the session that a connection serves; None outside of units of work."""
    try:
        session: ref[UnitSession] | None = connection.info.get(SESSION)
    except NotImplementedError:  # the connection on which SQLAlchemy asks the server for its version has none
        return None
    return session() if session else None


def is_plain(context: Any) -> bool:
    """Return whether a statement is plain SQL, with or without the columns that it returns."""
    invoked = context.invoked_statement
    return (
        context.is_text
        or isinstance(invoked, TextualSelect)
        or isinstance(getattr(invoked, "element", None), TextualSelect)  # of select(...).from_statement(...)
    )


class UnitOfWorkDialect(DefaultDialect):
    """Notes in the block whether a statement has written, and refuses one that ends the unit's transaction."""

    retry_tries, retry_seconds = Transaction.retry_tries, Transaction.retry_seconds
    """How patient units of work are on this engine, by its settings."""

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._send(context, cursor, cursor.execute, statement, parameters)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        self._send(context, cursor, cursor.executemany, statement, parameters)

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        self._send(context, cursor, cursor.execute, statement)

    def _send(self, context: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> None:
        session = session_of(context.root_connection) if context else None
        if session is None:
            execute(*arguments)
            return
        self._prepare(session, context, cursor)
        if is_plain(context):  # only the driver knows what it did
            driver = context.root_connection.connection.driver_connection
            wrote = self._send_text(driver, cursor, execute, *arguments)
            if self.has_ended(driver):
                raise UnitOfWorkMisuse(ENDED)
        else:
            execute(*arguments)
            wrote = context.isinsert or context.isupdate or context.isdelete or context.isddl
            if not wrote and (ctes := getattr(context.compiled, "ctes", None)):
                wrote = any(one.element.is_dml for one in ctes)
        if wrote:
            session.note_write()

    def do_commit(self, dbapi_connection: PoolProxiedConnection) -> None:
        session = session_of(dbapi_connection)
        if session and session.unit.block and session.unit.block.state is not BlockState.COMMITTING:
            dbapi_connection.rollback()  # SQLAlchemy thinks that it has ended, and the next block would commit it
            raise UnitOfWorkMisuse(BEGUN_BY_UNIT)
        dbapi_connection.commit()

    def _prepare(self, session: "UnitSession", context: Any, cursor: Any) -> None:
        """Do what must precede a statement of a unit of work."""

    def _send_text(self, driver: Any, cursor: Any, execute: Callable[..., object], *arguments: Any) -> bool:
        """Execute plain SQL, and return whether it has written."""
        raise NotImplementedError

    def has_ended(self, driver: Any) -> bool:
        """Return whether a driver's connection has no transaction."""
        raise NotImplementedError

    def renew(self, connection: Any, info: dict[str, Any]) -> None:
        """Undo what a reading block has set, before a connection is used without a unit of work."""
        raise NotImplementedError
