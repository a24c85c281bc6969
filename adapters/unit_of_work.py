"""The two units of work: on SQLAlchemy's session, and in memory. They say only how; the port has the rules."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.util import await_
from sqlalchemy.util.concurrency import in_greenlet

from adapters.database import SESSION
from adapters.memory import InMemorySession, InMemoryStore
from adapters.session import UnitSession
from adapters.users import InMemoryUserRepository, SqlAlchemyUserRepository
from service_layer.errors import DatabaseUnavailable, UnitOfWorkMisuse
from service_layer.unit_of_work import UnitOfWork

R = TypeVar("R")


class SqlAlchemyUnitOfWork(UnitOfWork):
    """A unit of work on SQLAlchemy's session.

    Args:
        session_factory: what ``adapters.database.session_factory`` returns.
        isolation_level: on PostgreSQL one of its levels; on SQLite nothing but "SERIALIZABLE".
    Raises: UnitOfWorkMisuse (the database has no such level).
    """

    def __init__(self, session_factory: sessionmaker[UnitSession], isolation_level: str | None = None) -> None:
        serial = session_factory.kw["bind"].dialect.name == "sqlite"
        super().__init__(
            _checked(isolation_level, "SERIALIZABLE", *(() if serial else ("REPEATABLE READ", "READ COMMITTED")))
        )
        self._session_factory = session_factory
        self._session: UnitSession | None = None

    @property
    def users(self) -> SqlAlchemyUserRepository:
        return self._repository(SqlAlchemyUserRepository)

    @property
    def session(self) -> Session:
        """The session of the open block, for a query that no repository has."""
        return self._working_session("uow.session")

    def pause(self, seconds: float) -> None:
        if self._session_factory.kw["bind"].dialect.is_async:
            await_(asyncio.sleep(seconds))  # while the thread sleeps no other task would run
        else:
            super().pause(seconds)

    def _repository(self, kind: Callable[[Callable[[], UnitSession]], R]) -> R:
        self._working_session()
        return kind(self._working_session)

    def _working_session(self, action: str = "Using a repository") -> UnitSession:
        self.working_block(action)
        return self._open_session

    @property
    def _open_session(self) -> UnitSession:
        assert self._session, "the port calls this inside a block"
        return self._session

    def _begin(self) -> None:
        session = self._session_factory()
        engine = session.get_bind()
        if engine.dialect.is_async and not in_greenlet():
            raise UnitOfWorkMisuse(
                "This unit of work must be awaited. Write: await run(function, uow), from adapters.asynchronous."
            )
        try:
            session.bind = connection = engine.engine.connect()
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                "All connections of the pool are in use. Close blocks sooner, or raise DATABASE_POOL_SIZE."
            ) from error
        connection.info[SESSION] = session
        session.unit = self
        session.begin_block()
        self._session = session

    def _nest(self) -> None:
        self._open_session.begin_block()

    def _flush(self) -> None:
        self._open_session.flush()

    def _is_dirty(self) -> bool:
        return self._open_session.is_changed

    def _commit(self) -> None:
        self._open_session.commit_block()

    def _rollback(self) -> None:
        self._open_session.rollback_block()

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        connection = session.bind
        assert isinstance(connection, Connection)
        try:
            session.close()
        finally:
            if not connection.invalidated:
                connection.info.pop(SESSION, None)
            connection.close()


class InMemoryUnitOfWork(UnitOfWork):
    """A unit of work on a store in memory, for tests.

    Args:
        store: what units share, as connections share a database; None for one of its own.
        isolation_level: nothing but "SERIALIZABLE".
    Raises: UnitOfWorkMisuse (another level).
    """

    def __init__(self, store: InMemoryStore | None = None, isolation_level: str | None = None) -> None:
        super().__init__(_checked(isolation_level, "SERIALIZABLE"))
        self._store = store or InMemoryStore()
        self._session = InMemorySession(self._store, self)

    @property
    def users(self) -> InMemoryUserRepository:
        return self._repository(InMemoryUserRepository)

    def _repository(self, kind: Callable[[Callable[[], InMemorySession]], R]) -> R:
        self._working_session()
        return kind(self._working_session)

    def _working_session(self) -> InMemorySession:
        self.working_block("Using a repository")
        return self._session

    def _begin(self) -> None:
        self._session = InMemorySession(self._store, self)

    def _nest(self) -> None:
        self._session.savepoint()

    def _flush(self) -> None:
        self._session.flush()

    def _is_dirty(self) -> bool:
        return self._session.is_dirty()

    def _commit(self) -> None:
        self._session.commit()

    def _rollback(self) -> None:
        self._session.rollback()

    def _close(self) -> None:
        self._session.close()


def _checked(level: str | None, *levels: str) -> str | None:
    if level not in {None, *levels}:
        raise UnitOfWorkMisuse(f"Isolation level {level!r} is not one of this database's. Use {' or '.join(levels)}.")
    return level
