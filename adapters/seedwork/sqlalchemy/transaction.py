"""A transaction on SQLAlchemy's session: how a block begins, flushes, commits and closes. The port has the rules."""

import asyncio
from weakref import ref

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.util import await_
from sqlalchemy.util.concurrency import in_greenlet

from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.sqlalchemy.dialects import CONNECTING, SESSION
from adapters.seedwork.sqlalchemy.outbox import SqlAlchemyOutbox
from adapters.seedwork.sqlalchemy.receipts import SqlAlchemyReceipts
from adapters.seedwork.sqlalchemy.session import UnitSession
from service_layer.seedwork.errors import DatabaseUnavailable, UnitOfWorkMisuse
from service_layer.seedwork.transaction import Transaction


class SqlAlchemyTransaction(Transaction):
    """A unit of work on SQLAlchemy's session.

    Args:
        session_factory: what ``adapters.seedwork.sqlalchemy.engine.session_factory`` returns.
        isolation_level: on PostgreSQL one of its levels; on SQLite nothing but "SERIALIZABLE".
    Raises: UnitOfWorkMisuse (the database has no such level).
    """

    outbox = RepositoryOf(SqlAlchemyOutbox)
    receipts = RepositoryOf(SqlAlchemyReceipts)

    def __init__(self, session_factory: sessionmaker[UnitSession], isolation_level: str | None = None) -> None:
        dialect = session_factory.kw["bind"].dialect
        weaker = () if dialect.name == "sqlite" else ("REPEATABLE READ", "READ COMMITTED")
        super().__init__(isolation_level, "SERIALIZABLE", *weaker)
        self.retry_tries, self.retry_seconds = dialect.retry_tries, dialect.retry_seconds
        self._session_factory = session_factory
        self._session: UnitSession | None = None

    @property
    def session(self) -> Session:
        """The session of the open block, for a query that no repository has.

        Read its result to the end, or close it, inside the block: on SQLite one that is half-read and kept shows later
        blocks on its connection nothing newer.
        """
        self.working_block("uow.session")
        return self._open_session

    @property
    def is_awaited(self) -> bool:
        """Whether it works on an asynchronous driver, by ``run``."""
        return bool(self._session_factory.kw["bind"].dialect.is_async)

    def pause(self, seconds: float) -> None:
        if self.is_awaited:
            await_(asyncio.sleep(seconds))  # while the thread sleeps no other task would run
        else:
            super().pause(seconds)

    @property
    def working_session(self) -> UnitSession:
        """The session, for repositories: refused where no work is possible."""
        self.working_block("Using a repository")
        return self._open_session

    @property
    def _open_session(self) -> UnitSession:
        assert self._session, "the port calls this inside a block"
        return self._session

    def _begin(self) -> None:
        session = self._session_factory()
        if session.only_reads and self.block and not self.block.read_only:
            raise UnitOfWorkMisuse("with uow: by one that reads a stand-by. Write: with uow.reading():")
        engine = session.bind
        assert isinstance(engine, Engine)
        if engine.dialect.is_async and not in_greenlet():
            raise UnitOfWorkMisuse(
                "This unit of work must be awaited. Write: await run(function, uow), from"
                " adapters.seedwork.sqlalchemy.asynchronous."
            )
        ours = CONNECTING.set(True)
        try:
            connection = engine.connect()
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                "All connections of the pool are in use. Close blocks sooner, hand the unit of work of an open block on"
                " instead of opening a second one inside it, or raise DATABASE_POOL_SIZE."
            ) from error
        finally:
            CONNECTING.reset(ours)
        session.bind, session.unit, self._session = connection, self, session
        # weak: the pool keeps this record, and must not keep a block alive that its caller has forgotten
        connection.info[SESSION] = ref(session)
        session.begin_block()

    def _nest(self) -> None:
        self._open_session.begin_block()

    def _flush(self) -> None:
        self._open_session.flush()

    def _is_dirty(self) -> bool:
        return self._open_session.is_dirty

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
            session.end()
        finally:
            if not connection.invalidated:
                connection.info.pop(SESSION, None)
            connection.close()
