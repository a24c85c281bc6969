"""A transaction on a store in memory: how a block begins, flushes, commits and closes. The port has the rules."""

from adapters.seedwork.memory.outbox import InMemoryOutbox
from adapters.seedwork.memory.receipts import InMemoryReceipts
from adapters.seedwork.memory.session import InMemorySession
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.registration import RepositoryOf
from service_layer.seedwork.transaction import Transaction


class InMemoryTransaction(Transaction):
    """A unit of work on a store in memory, for tests.

    Args:
        store: what units share, as connections share a database; None for one of its own.
        isolation_level: nothing but "SERIALIZABLE".
    Raises: UnitOfWorkMisuse (another level).
    """

    outbox = RepositoryOf(InMemoryOutbox)
    receipts = RepositoryOf(InMemoryReceipts)

    def __init__(self, store: InMemoryStore | None = None, isolation_level: str | None = None) -> None:
        super().__init__(isolation_level, "SERIALIZABLE")
        self.store = store or InMemoryStore()
        """What it shares with others."""
        self._session = InMemorySession(self.store, self)

    @property
    def working_session(self) -> InMemorySession:
        """The session, for repositories: refused where no work is possible."""
        self.working_block("Using a repository")
        return self._session

    def _begin(self) -> None:
        self._session = InMemorySession(self.store, self)

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
