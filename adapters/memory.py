"""A database in memory, for tests: with the transactions, the constraints and the refusals of a real one."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import TypeVar, cast
from uuid import UUID

from domain.entity import Entity
from domain.errors import AlreadyExists
from service_layer.errors import LOCKED, NOT_NEW, WRITE_IN_READING_BLOCK, ConcurrencyConflict, UnitOfWorkMisuse
from service_layer.unit_of_work import UnitOfWork

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

    def __init__(self, store: InMemoryStore, unit: UnitOfWork) -> None:
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
                raise self._errors(key[0])["id"]
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
            if (row := self._begin().get(key)) and key not in self._held:
                self._held[key] = deepcopy(row)
        return cast("E | None", self._held.get(key))

    def rows(self, kind: type[E]) -> list[E]:
        """Flush, and return all entities of one type in order of id, as they are stored: not to be handed out."""
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
            rows = dict(self._begin())
            changed = sorted(filter(self._is_changed, self._held.values()), key=lambda entity: entity.id)
            for entity in (*changed, *self._new.values()):
                self._save(entity, rows)
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

    def insert_many(self, kind: type[E], entities: Iterable[E]) -> None:
        """Insert copies of new entities of one type, and hold none of them."""
        self.flush()
        block = self._unit.working_block("insert_many()")
        try:
            new = [deepcopy(entity) for entity in entities]
            if new and self.is_read_only:
                raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
            rows = dict(self._begin())
            errors = self._errors(kind)
            taken = {attribute: {getattr(row, attribute) for row in self.rows(kind)} for attribute in errors}
            for entity in new:
                for attribute, error in errors.items():
                    value = getattr(entity, attribute)
                    if value is not None and value in taken[attribute]:
                        raise error
                    taken[attribute].add(value)
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
        return _values(self._begin()[_key(entity)]) != _values(entity)

    def _save(self, entity: Entity, rows: dict[Key, Entity]) -> None:
        row = None if id(entity) in self._new else rows[_key(entity)]
        for attribute, error in self._errors(type(entity)).items():
            value = getattr(entity, attribute)
            twins = (other for (kind, _), other in rows.items() if kind is type(entity) and other is not row)
            if value is not None and value in (getattr(twin, attribute) for twin in twins):
                raise error
        entity.version += 1
        rows[_key(entity)] = deepcopy(entity)

    def _unsave(self, start: int) -> None:
        for entity in self._inserted[start:]:
            entity.version = 0
        del self._inserted[start:]

    def _errors(self, kind: type[Entity]) -> Mapping[str, type[AlreadyExists]]:
        return {"id": AlreadyExists, **self.unique[kind]}


def _key(entity: Entity) -> Key:
    return type(entity), entity.id


def _state(entity: Entity) -> dict[str, object]:
    # what SQLAlchemy keeps in a mapped object belongs to that object alone
    return {name: value for name, value in vars(entity).items() if name != "_sa_instance_state"}


def _values(thing: object) -> object:
    """Return what makes two copies the same: their fields, all the way down, since entities compare by id alone."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return {field.name: _values(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, list | tuple):
        return [_values(item) for item in thing]
    return thing
