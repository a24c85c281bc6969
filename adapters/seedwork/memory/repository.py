"""What every repository in memory shares."""

from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from adapters.seedwork.mapping import mapper_of
from adapters.seedwork.memory.rows import key_of
from adapters.seedwork.memory.session import InMemorySession
from adapters.seedwork.memory.store import Key
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.memory.values import compared
from adapters.seedwork.shape import Row, shape_of
from domain.seedwork.entity import Id
from domain.seedwork.repository import E, Repository
from service_layer.seedwork.errors import (
    OVERTAKEN,
    WRITE_IN_READING_BLOCK,
    ConcurrencyConflict,
    UnitOfWorkMisuse,
)


class InMemoryRepository(Repository[E, Id]):
    """The entities of a mapped class, which a subclass names."""

    entity: type[E]

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction
        self._shape = shape_of(mapper_of(self.entity))

    @property
    def _session(self) -> InMemorySession:
        return self._transaction.working_session

    def add(self, entity: E) -> None:
        self._shape.check_kind(entity, "add")
        self._session.add(entity)

    def remove(self, entity: E) -> None:
        self._shape.check_kind(entity, "remove")
        session = self._session
        if session.holds(entity):
            session.remove(entity)
        elif not entity.version or session.has_removed(entity):
            raise self.not_found(entity.id)
        else:
            found = session.get(self._shape, self._key(entity.id))
            if found is None or found.version != entity.version:
                raise ConcurrencyConflict(OVERTAKEN)
            session.remove(found)

    def count(self) -> int:
        return len(self._rows())

    def insert_many(self, entities: Iterable[Any]) -> None:
        self._session.insert_many(self._shape, entities)

    def _load(self, id: Id, *, for_update: bool = False) -> E | None:
        session = self._session
        if for_update and session.is_read_only:
            raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
        return cast("E | None", session.get(self._shape, self._key(id), anew=for_update))

    def _load_after(self, id: UUID | None, limit: int, *, keep: bool = True) -> list[E]:
        after = None if id is None else self._key(id)[1]
        keys = [key for key in self._rows() if after is None or key[1] > after]
        return [self._hold(key) for key in keys[:limit]]

    def _all(self, **values: object) -> list[E]:
        wanted = compared(self._shape.table, self._shape.criteria(values)).items()
        return [self._hold(key) for key, row in self._rows().items() if wanted <= row.items()]

    def _rows(self) -> dict[Key, Row]:
        return self._session.roots(self._shape.table)

    def _key(self, id: UUID) -> Key:
        return key_of(self._shape, id)

    def _hold(self, key: Key) -> E:
        return cast("E", self._session.hold(self._shape, key))
