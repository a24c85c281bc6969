"""The repository port: a collection of entities, with the same methods for every aggregate."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from domain.seedwork.entity import Entity, Id, checked_id
from domain.seedwork.errors import InvalidValue, NotFound

E = TypeVar("E", bound=Entity)
T = TypeVar("T")

BATCH = 200
"""How many entities are sent or fetched at once, where there may be too many for the memory.

Small batches are freed before Python's garbage collector promotes them to an older generation.
"""

MAX_PAGE = 1_000
"""The most entities that one page may hold."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a longer list, in order of id."""

    items: tuple[T, ...]
    next: UUID | None
    """Pass it as ``after`` to get the page that follows; None on the last one."""


class Repository(ABC, Generic[E, Id]):
    """The entities of one aggregate, as if all of them were in memory.

    It belongs to one block of a unit of work and never commits. The database checks its constraints when the unit of
    work flushes: before each query, at ``uow.flush()`` and at ``uow.commit()``.
    """

    not_found: ClassVar[type[NotFound]]
    """What ``get`` raises."""

    @abstractmethod
    def add(self, entity: E) -> None:
        """Add a new entity to the collection."""

    @abstractmethod
    def remove(self, entity: E) -> None:
        """Remove an entity from the collection.

        Raises: the aggregate's NotFound (it was never added, or was removed already).
        """

    @abstractmethod
    def count(self) -> int:
        """Return how many entities there are."""

    def get(self, id: Id, *, for_update: bool = False) -> E:
        """Return the entity with this id.

        Args:
            id: the entity's id.
            for_update: read its current row, and lock it against other writers until the block ends.
        Raises: the aggregate's NotFound; InvalidValue (``id`` is not a UUID).
        """
        if (entity := self._load(checked_id(id), for_update=for_update)) is None:
            raise self.not_found(id)
        return entity

    def find(self, id: Id) -> E | None:
        """Return the entity with this id, or None.

        Raises: InvalidValue (``id`` is not a UUID).
        """
        return self._load(checked_id(id))

    def page(self, *, after: UUID | None = None, limit: int = 50) -> Page[E]:
        """Return the entities that follow ``after`` in order of id; a late page takes no longer than the first.

        Args:
            after: the ``next`` of the page before; None for the first page.
            limit: how many entities at the most, 1 to 1000.
        Raises: InvalidValue (``after`` is not a UUID, or ``limit`` is out of range).
        Source: keyset pagination, also known as the seek method (Winand, SQL Performance Explained, chapter 7).
        """
        if type(limit) is not int or not 1 <= limit <= MAX_PAGE:
            raise InvalidValue("limit", limit, f"ask for 1 to {MAX_PAGE} at a time")
        found = self._load_after(None if after is None else checked_id(after), limit + 1)
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    def stream(self) -> Iterator[E]:
        """Yield all entities in order of id, in constant memory: in a reading block as they are at one moment.

        Only read them: to change one, get it by its id.
        """
        last: UUID | None = None
        while batch := self._load_after(last, BATCH, keep=False):
            last = batch[-1].id
            yield from batch
            if len(batch) < BATCH:
                return

    @abstractmethod
    def insert_many(self, entities: Iterable[E]) -> None:
        """Insert new entities at once, in constant memory: much cheaper than to ``add`` them one by one.

        The objects are only read. They are not tracked afterwards, so that no later change of one is saved, and keep
        version 0, though the stored entities have version 1; to work with one of them, get it. Where one breaks a
        constraint, or ``entities`` raises, nothing of the block can be saved.

        Args:
            entities: new entities, or other objects with the same attributes (those of the class, without version).
        Raises: UnitOfWorkMisuse (an attribute is missing, or is none of the entity's), and the constraint's error.
        """

    def _one(self, **values: object) -> E | None:
        """Return the entity whose attributes have these values, or None: the lookup by a unique key.

        Args:
            values: attributes by name; None finds those without a value.
        Raises: LookupError (several entities have them).
        """
        found = self._all(**values)
        if len(found) > 1:
            raise LookupError(f"{len(found)} entities have this {' and '.join(values)}. Look them up by _all().")
        return found[0] if found else None

    @abstractmethod
    def _all(self, **values: object) -> list[E]:
        """Return the entities whose attributes have these values, in order of id; without values, all of them."""

    @abstractmethod
    def _load(self, id: Id, *, for_update: bool = False) -> E | None: ...

    @abstractmethod
    def _load_after(self, id: UUID | None, limit: int, *, keep: bool = True) -> list[E]:
        """Return the entities that follow an id; without ``keep`` the block need not keep them."""
