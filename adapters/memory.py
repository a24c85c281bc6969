"""A database in memory, for tests: with the transactions, the constraints and the refusals of a real one."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import TypeVar, cast
from uuid import UUID

from domain.entity import Entity
from domain.errors import AlreadyExists
from service_layer.errors import LOCKED, OVERTAKEN, WRITE_IN_READING_BLOCK, ConcurrencyConflict, UnitOfWorkMisuse
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
        self._before: Rows | None = None
        self._rows: Rows = {}
        self._held: dict[Key, Entity] = {}
        self._removed: dict[Key, Entity] = {}
        self._savepoints: list[tuple[Rows, dict[Key, Entity]]] = []

    def add(self, entity: Entity) -> None:
        """Take an entity in, to be inserted at the next flush."""
        key = _key(entity)
        if self._removed.get(key) is entity:
            self._held[key] = self._removed.pop(key)
        elif key in self._removed:
            self.flush()
        if (held := self._held.get(key)) is entity:
            return
        if entity.version:
            raise UnitOfWorkMisuse(f"add() of a {key[0].__name__} that another block got. Get it again in this one.")
        if held:
            raise self.unique[key[0]].get("id", AlreadyExists)
        self._held[key] = entity

    def remove(self, entity: Entity) -> None:
        """Give an entity up, to be deleted at the next flush."""
        key = _key(entity)
        held = self._held.pop(key, entity)
        if held.version != entity.version:
            raise ConcurrencyConflict(OVERTAKEN)
        if held.version:
            self._removed[key] = held

    def holds(self, entity: Entity) -> bool:
        """Tell whether this very object belongs to the transaction."""
        return self._held.get(_key(entity)) is entity

    def get(self, kind: type[E], id: UUID) -> E | None:
        """Return the entity with this id: always the same object."""
        key = kind, id
        self._begin()
        if key not in self._held and key not in self._removed and key in self._rows:
            self._held[key] = deepcopy(self._rows[key])
        return cast("E | None", self._held.get(key))

    def ids(self, kind: type[Entity]) -> list[UUID]:
        """Flush, and return the ids of all entities of one type in order."""
        self._begin()
        self.flush()
        return sorted(id for found, id in self._rows if found is kind)

    def is_dirty(self) -> bool:
        """Tell whether there is something to flush."""
        return bool(self._removed) or any(map(self._is_changed, self._held.values()))

    def flush(self) -> None:
        """Insert, update and delete, in this order: that of SQLAlchemy."""
        if not self.is_dirty():
            return
        block = self._unit.working_block("flush()")
        try:
            if self.is_read_only:
                raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
            self._begin()
            changed = filter(self._is_changed, self._held.values())
            # the new ones first, as they were added
            for entity in sorted(changed, key=lambda entity: entity.version and entity.id.int):
                self._save(entity)
            for entity in self._removed.values():
                self._delete(entity)
        except BaseException as error:
            block.fail(error)
            raise
        self._removed.clear()
        block.changed = True

    def savepoint(self) -> None:
        """Flush, and remember the state of everything."""
        self.flush()
        self._savepoints.append((self._rows, dict(self._held)))

    def commit(self) -> None:
        """Forget the innermost savepoint, or else save everything in the store."""
        if self._savepoints:
            self._savepoints.pop()
        elif self._before is not None:
            self._store.rows = self._before = self._rows

    def rollback(self) -> None:
        """Go back to the innermost savepoint, entities included."""
        self._rows, held = self._savepoints.pop()
        touched, self._held, self._removed = self._held | self._removed | held, {}, {}
        for key, entity in touched.items():
            if row := self._rows.get(key):
                vars(entity).update(_state(deepcopy(row)))
                self._held[key] = entity
            else:
                entity.version = 0

    def close(self) -> None:
        """Forget what was not committed, and let the next writer in."""
        if self._before is None:
            return
        for key in self._held.keys() - self._before.keys():
            self._held[key].version = 0
        self._before = None
        if not self.is_read_only:
            self._store.writer.release()

    def _begin(self) -> None:
        if self._before is not None:
            return
        if not self.is_read_only and not self._store.writer.acquire(timeout=self._store.lock_timeout_s):
            raise ConcurrencyConflict(LOCKED)
        self._before = self._rows = self._store.rows

    def _is_changed(self, entity: Entity) -> bool:
        row = self._rows.get(_key(entity))
        return row is None or _values(row) != _values(entity)

    def _save(self, entity: Entity) -> None:
        key = _key(entity)
        row = self._rows.get(key)
        if row and not entity.version:
            raise self.unique[key[0]].get("id", AlreadyExists)
        if entity.version and (row is None or row.version != entity.version):
            raise ConcurrencyConflict(OVERTAKEN)
        for attribute, error in self.unique[key[0]].items():
            value = getattr(entity, attribute)
            twins = (other for (kind, _), other in self._rows.items() if kind is key[0] and other is not row)
            if value is not None and value in (getattr(twin, attribute) for twin in twins):
                raise error
        entity.version += 1
        self._rows = {**self._rows, key: deepcopy(entity)}

    def _delete(self, entity: Entity) -> None:
        key = _key(entity)
        row = self._rows.get(key)
        if row is None or row.version != entity.version:
            raise ConcurrencyConflict(OVERTAKEN)
        self._rows = {other: row for other, row in self._rows.items() if other != key}


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
