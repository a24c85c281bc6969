"""A database in memory, for tests: with the transactions, the constraints and the refusals of a real one."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from functools import cache
from threading import Lock
from typing import Any, TypeVar, cast
from uuid import UUID

from domain.seedwork.entity import Entity
from domain.seedwork.errors import AlreadyExists
from service_layer.seedwork.errors import LOCKED, NOT_NEW, WRITE_IN_READING_BLOCK, ConcurrencyConflict, UnitOfWorkMisuse
from service_layer.seedwork.transaction import Transaction

E = TypeVar("E", bound=Entity)
Key = tuple[type[Entity], UUID]
Rows = Mapping[Key, Entity]


class InMemoryStore:
    """What in-memory units of work share, as connections share a database. One writes at a time, as on SQLite.

    Args:
        lock_timeout_s: how long a writer waits for another one.
    """

    def __init__(self, lock_timeout_s: float = 5.0) -> None:
        self.lock_timeout_s = lock_timeout_s
        self.writer = Lock()
        self.rows: Rows = {}
        """What is committed. Replaced as a whole and never changed, so that whoever holds it has a snapshot."""


class InMemorySession:
    """One transaction: a snapshot of the store, and the one copy of each entity that it has handed out or taken in."""

    def __init__(self, store: InMemoryStore, unit: Transaction) -> None:
        self.unique: dict[type[Entity], Mapping[str, type[AlreadyExists]]] = {}
        """For each type the attributes whose value no two entities share, and the error that says so."""
        self._store = store
        self._unit = unit
        self.is_read_only = bool(unit.block and unit.block.read_only)
        self._is_writing = False
        self._before: Rows = {}
        self._rows: Rows | None = None
        self._new: dict[int, Entity] = {}
        self._held: dict[Key, Entity] = {}
        self._removed: dict[Key, Entity] = {}
        self._inserted: list[Entity] = []
        self._deleted: list[Entity] = []
        self._savepoints: list[tuple[Rows, int, int]] = []

    def add(self, entity: Entity) -> None:
        """Take a new entity in, to be inserted at the next flush; or take a removal back."""
        key = _key(entity)
        if self._removed.get(key) is entity:
            self._held[key] = self._removed.pop(key)
        elif not self.holds(entity):
            if entity.version:
                raise UnitOfWorkMisuse(NOT_NEW)
            if key in self._removed:
                self.flush()
            if key in self._held:
                raise self.unique[key[0]]["id"]
            self._new[id(entity)] = entity

    def remove(self, entity: Entity) -> None:
        """Give up an entity that it holds, to be deleted at the next flush."""
        if not self._new.pop(id(entity), None):
            self._removed[_key(entity)] = self._held.pop(_key(entity))

    def holds(self, entity: Entity) -> bool:
        """Tell whether this very object belongs to the transaction."""
        return self._held.get(_key(entity)) is entity or id(entity) in self._new

    def has_removed(self, entity: Entity) -> bool:
        """Tell whether this very object was removed in the transaction."""
        return any(entity is removed for removed in (*self._removed.values(), *self._deleted))

    def get(self, kind: type[E], id: UUID) -> E | None:
        """Return the entity with this id: always the same object."""
        key = kind, id
        if key not in self._held and key not in self._removed:
            self.flush()
            if row := self._begin().get(key):
                self.hold(row)
        return cast("E | None", self._held.get(key))

    def hold(self, row: E) -> E:
        """Return the transaction's own copy of a stored entity."""
        key = _key(row)
        if key not in self._held:
            self._held[key] = deepcopy(row)
        return cast("E", self._held[key])

    def rows(self, kind: type[E]) -> list[E]:
        """Flush, and return all entities of one type in order of id, as they are stored: to be handed out by hold()."""
        self.flush()
        rows = [row for (found, _), row in self._begin().items() if found is kind]
        return cast("list[E]", sorted(rows, key=lambda row: row.id))

    def is_dirty(self) -> bool:
        """Tell whether there is something to flush."""
        return bool(self._new or self._removed) or any(map(self._is_changed, self._held.values()))

    def flush(self) -> None:
        """Update in order of id, insert as added, then delete: SQLAlchemy's order, for unique values depend on it."""
        if not self.is_dirty():
            return
        block = self._unit.working_block("flush()")
        self._inserted += self._new.values()
        try:
            if self.is_read_only:
                raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
            rows, keys = dict(self._begin()), _UniqueKeys(self._begin(), self.unique)
            for entity in sorted(filter(self._is_changed, self._held.values()), key=lambda entity: entity.id):
                keys.take(entity, instead_of=rows[_key(entity)])
                entity.version += 1
                rows[_key(entity)] = deepcopy(entity)
            for entity in self._new.values():
                keys.take(entity)
                entity.version = 1
                rows[_key(entity)] = deepcopy(entity)
            for key in self._removed:
                del rows[key]
        except BaseException as error:
            block.fail(error)
            raise
        self._rows = rows
        self._held |= {_key(entity): entity for entity in self._new.values()}
        self._deleted += self._removed.values()
        self._new, self._removed = {}, {}
        block.changed = True

    def insert_many(self, kind: type[E], entities: Iterable[object]) -> None:
        """Insert copies of new entities of one type, or of what has their values, and hold none of them."""
        self.flush()
        block = self._unit.working_block("insert_many()")
        try:
            new = [deepcopy(entity) if isinstance(entity, kind) else kind(**vars(entity)) for entity in entities]
            if new and self.is_read_only:
                raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
            rows, keys = dict(self._begin()), _UniqueKeys(self._begin(), self.unique)
            for entity in new:
                keys.take(entity)
                entity.version = 1
                rows[_key(entity)] = entity
            self._rows = rows
        except BaseException as failure:
            block.fail(failure)
            raise
        block.changed |= bool(new)

    def savepoint(self) -> None:
        """Flush, and remember the state of everything."""
        self.flush()
        self._savepoints.append((self._begin(), len(self._inserted), len(self._deleted)))

    def commit(self) -> None:
        """Forget the innermost savepoint, or else save everything in the store and let the next writer in."""
        if self._savepoints:
            self._savepoints.pop()
            return
        if self._rows is not None:
            self._store.rows = self._before = self._rows
        self._inserted.clear()
        self._deleted.clear()
        self.close()

    def rollback(self) -> None:
        """Go back to the innermost savepoint, entities included."""
        self._rows, inserted, deleted = self._savepoints.pop()
        touched = (*self._held.values(), *self._removed.values(), *self._deleted[deleted:])
        self._new, self._held, self._removed = {}, {}, {}
        self._unsave(inserted)
        del self._deleted[deleted:]
        for entity in touched:
            if entity.version and (row := self._rows.get(_key(entity))):
                vars(entity).update(_state(deepcopy(row)))
                self._held[_key(entity)] = entity

    def close(self) -> None:
        """Forget what was not committed, and let the next writer in."""
        self._unsave(0)
        for entity in (*self._held.values(), *self._removed.values(), *self._deleted):
            if entity.version and (row := self._before.get(_key(entity))):
                entity.version = row.version
        if self._is_writing:
            self._store.writer.release()
        self._is_writing = False

    def _begin(self) -> Rows:
        if self._rows is None:
            if not self.is_read_only and not self._store.writer.acquire(timeout=self._store.lock_timeout_s):
                raise ConcurrencyConflict(LOCKED)
            self._is_writing = not self.is_read_only
            self._before = self._rows = self._store.rows
        return self._rows

    def _is_changed(self, entity: Entity) -> bool:
        return not _is_same(self._begin()[_key(entity)], entity)

    def _unsave(self, start: int) -> None:
        for entity in self._inserted[start:]:
            entity.version = 0
        del self._inserted[start:]


class _UniqueKeys:
    """The values that no two entities may share, in the course of a flush."""

    def __init__(self, rows: Rows, unique: Mapping[type[Entity], Mapping[str, type[AlreadyExists]]]) -> None:
        self._rows, self._unique = rows, unique
        self._taken: dict[tuple[type, str], set[object]] = {}

    def take(self, entity: Entity, instead_of: Entity | None = None) -> None:
        """Give the values of a row back, and take those of an entity; raise the error of one that is taken already."""
        kind = type(entity)
        for attribute, error in self._unique[kind].items():
            if (kind, attribute) not in self._taken:
                values = {getattr(row, attribute) for row in self._rows.values() if type(row) is kind}
                self._taken[kind, attribute] = values
            taken, value = self._taken[kind, attribute], getattr(entity, attribute)
            if instead_of:
                taken.discard(getattr(instead_of, attribute))
            if value is not None and value in taken:
                raise error
            taken.add(value)


def _key(entity: Entity) -> Key:
    return type(entity), entity.id


def _state(entity: Entity) -> dict[str, object]:
    # what SQLAlchemy keeps in a mapped object belongs to that object alone
    return {name: value for name, value in vars(entity).items() if name != "_sa_instance_state"}


def _is_same(one: object, other: object) -> bool:
    """Compare field by field, all the way down, since entities compare by id alone and their parts by identity."""
    if one is other:
        return True
    kind: Any = type(one)  # Any: to mypy a type is not hashable
    if names := _field_names(kind):
        return type(other) is kind and all(_is_same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return one == other


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
