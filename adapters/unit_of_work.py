"""The two units of work: on SQLAlchemy's session, and in memory. They say only how; the port has the rules."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, make_transient, sessionmaker

from adapters.database import SESSION, UnitSession
from adapters.memory import InMemorySession, InMemoryStore
from adapters.users import InMemoryUserRepository, SqlAlchemyUserRepository
from domain.entity import Entity
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
        try:
            session.bind = connection = engine.engine.connect()
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                "All connections of the pool are in use. Close blocks sooner, or raise DATABASE_POOL_SIZE."
            ) from error
        connection.info[SESSION] = session
        session.unit = self
        session.transactions.append(session.begin())
        self._session = session

    def _nest(self) -> None:
        self._open_session.transactions.append(self._open_session.begin_nested())

    def _flush(self) -> None:
        self._open_session.flush()

    def _is_dirty(self) -> bool:
        session = self._open_session
        return bool(session.new or session.deleted) or any(map(session.is_modified, session.dirty))

    def _commit(self) -> None:
        session = self._open_session
        try:
            session.transactions[-1].commit()
        except BaseException:
            if len(session.transactions) == 1:
                _end_transaction(session.get_bind())
            raise
        session.transactions.pop()

    def _rollback(self) -> None:
        session = self._open_session
        session.transactions.pop().rollback()
        _unsave(entity for entity in session.inserted if inspect(entity).transient)

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        connection = session.bind
        assert isinstance(connection, Connection)
        try:
            session.close()  # rolls back; its rollback() would make every entity unreadable
        finally:
            if session.transactions:
                for entity in session.inserted:
                    make_transient(entity)  # else SQLAlchemy takes it for a saved one, and never inserts it again
                _unsave(session.inserted)
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


def _end_transaction(connection: Connection | Engine) -> None:
    """End what SQLAlchemy takes for ended after a failed COMMIT: on its connection the next block would commit it."""
    assert isinstance(connection, Connection)
    if not connection.invalidated:
        try:
            connection.connection.rollback()
        except Exception:  # whatever the driver raises
            connection.invalidate()


def _checked(level: str | None, *levels: str) -> str | None:
    if level not in {None, *levels}:
        raise UnitOfWorkMisuse(f"Isolation level {level!r} is not one of this database's. Use {' or '.join(levels)}.")
    return level


def _unsave(entities: Iterable[object]) -> None:
    for entity in entities:
        if isinstance(entity, Entity):
            entity.version = 0
