"""What every repository in memory shares."""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar
from uuid import UUID

from adapters.seedwork.memory.session import InMemorySession
from adapters.seedwork.memory.transaction import InMemoryTransaction
from domain.seedwork.entity import Id
from domain.seedwork.errors import AlreadyExists
from domain.seedwork.repository import E, Repository
from service_layer.seedwork.errors import OVERTAKEN, WRITE_IN_READING_BLOCK, ConcurrencyConflict, UnitOfWorkMisuse


class InMemoryRepository(Repository[E, Id]):
    """The entities of a class, in an in-memory session.

    A subclass names the entity, and in ``unique`` each attribute whose value no two of them share, with its error.
    """

    entity: type[E]
    unique: ClassVar[Mapping[str, type[AlreadyExists]]] = {}

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction
        self._session.unique[self.entity] = {"id": AlreadyExists, **self.unique}

    @property
    def _session(self) -> InMemorySession:
        return self._transaction.working_session

    def add(self, entity: E) -> None:
        self._session.add(entity)

    def remove(self, entity: E) -> None:
        session = self._session
        if session.holds(entity):
            session.remove(entity)
        elif not entity.version or session.has_removed(entity):
            raise self.not_found(entity.id)
        else:
            session.remove(_unchanged(session.get(self.entity, entity.id), entity))

    def count(self) -> int:
        return len(self._session.rows(self.entity))

    def _load(self, id: Id, *, for_update: bool = False) -> E | None:
        session = self._session
        if for_update and session.is_read_only:
            raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
        if for_update:
            session.flush()
        return session.get(self.entity, id)

    def stream(self) -> Iterator[E]:
        for row in self._session.rows(self.entity):
            yield self._session.hold(row)

    def insert_many(self, entities: Iterable[object]) -> None:
        self._session.insert_many(self.entity, entities)

    def _load_after(self, id: UUID | None, limit: int) -> list[E]:
        session = self._session
        rows = [row for row in session.rows(self.entity) if id is None or row.id > id]
        return [session.hold(row) for row in rows[:limit]]

    def _where(self, attribute: str, value: object) -> list[E]:
        """Return the entities whose attribute has this value, in order of id."""
        session = self._session
        return [session.hold(row) for row in session.rows(self.entity) if getattr(row, attribute) == value]


def _unchanged(found: E | None, entity: E) -> E:
    """Return what this block found of an entity that another block got, if nobody has saved it since."""
    if found is None or found.version != entity.version:
        raise ConcurrencyConflict(OVERTAKEN)
    return found
