"""A transaction in memory: the entities that were loaded, added and removed in it, and how they are saved."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Table, inspect

from adapters.seedwork.mapping import has_key_of_owner, row_key_of
from adapters.seedwork.memory.constraints import Constraints
from adapters.seedwork.memory.rows import Written, build, is_changed, is_new, is_touched, key_of, unsave, written
from adapters.seedwork.memory.store import Aggregate, InMemoryStore, Key, RowId, Rows, replaced
from adapters.seedwork.refusals import (
    CHANGED_KEY,
    COPIED,
    DELETED_PART,
    LOCKED,
    NOT_NEW,
    OLD_PART,
    SHARED_PART,
    error_of,
    refused,
)
from adapters.seedwork.shape import Row, Shape, shape_of
from domain.seedwork.entity import Entity
from service_layer.seedwork.errors import WRITE_IN_READING_BLOCK, ConcurrencyConflict, UnitOfWorkMisuse
from service_layer.seedwork.transaction import Transaction


class InMemorySession:
    """One transaction: a snapshot of the store, and the one object of each entity that it knows."""

    def __init__(self, store: InMemoryStore, unit: Transaction) -> None:
        self._store = store
        self._unit = unit
        self.is_read_only = bool(unit.block and unit.block.read_only)
        self._is_writing = False
        self._snapshot: Rows | None = None
        self._constraints: Constraints | None = None
        self._new: dict[int, Entity] = {}  # by id(): two may have one key, which the flush refuses
        self._held: dict[Key, Entity] = {}  # what is stored, and loaded or saved here
        self._removed: dict[Key, Entity] = {}  # what was held, until the next flush deletes it
        self._identity_map: dict[Key, Any] = {}  # the one object of each row. Any: an entity, or a part
        self._inserted: list[object] = []  # by all flushes, as the next
        self._deleted: list[Entity] = []
        self._savepoints: list[tuple[Rows, int, int, dict[Key, Any]]] = []  # Any: as above

    def __del__(self) -> None:
        self.close()  # a block that was entered and forgotten would keep the store for ever

    def add(self, entity: Entity) -> None:
        """Add a new entity, which the next flush inserts; or undo a removal."""
        if inspect(entity).obj() is not entity:
            raise refused(COPIED, entity)
        key = _key(entity)
        if self._removed.get(key) is entity:
            self._held[key] = self._removed.pop(key)
        elif not self.holds(entity):
            if entity.version:
                raise refused(NOT_NEW, entity)
            if key in self._removed:
                self.flush()
            self._new[id(entity)] = entity

    def remove(self, entity: Entity) -> None:
        if not self._new.pop(id(entity), None):
            self._removed[_key(entity)] = self._held.pop(_key(entity))

    def holds(self, entity: Entity) -> bool:
        return self._held.get(_key(entity)) is entity or id(entity) in self._new

    def has_removed(self, entity: Entity) -> bool:
        return any(entity is removed for removed in (*self._removed.values(), *self._deleted))

    def get(self, shape: Shape, key: Key, *, anew: bool = False) -> Entity | None:
        """Return the entity with this key: always the same object, with ``anew`` brought up to date with its rows."""
        if anew:
            self.flush()
            self._held.pop(key, None)
        if key not in self._held and key not in self._removed:
            self.flush()
            if key in self._rows:
                self.hold(shape, key)
        return self._held.get(key)

    def hold(self, shape: Shape, key: Key) -> Entity:
        if key not in self._held:
            self._held[key] = build(shape, key, self._rows[key], self._identity_map)
        return self._held[key]

    def roots(self, table: Table) -> dict[Key, Row]:
        """Return the rows of a table of roots, by their keys and in their order."""
        self.flush()
        found = sorted((key for key in self._rows if key[0] is table), key=itemgetter(1))
        return {key: self._rows[key][key] for key in found}

    def known(self, key: Key) -> Entity | None:
        """Return the entity with this key if it was loaded, even if it will be removed."""
        return self._held.get(key) or self._removed.get(key)

    def put(self, table: Table, id: RowId, row: Row) -> None:
        """Write a row that is no entity's."""
        self._replace([{(table, id): row}], ())

    def drop(self, table: Table, id: RowId) -> None:
        """Delete a row that is no entity's."""
        self._replace((), [(table, id)])

    def is_dirty(self) -> bool:
        return bool(self._new or self._removed or self._changed())

    def flush(self) -> None:
        changed = self._changed()
        if not (changed or self._new or self._removed):
            return
        with self._noting_failures():
            stored = {key: row for key in (*changed, *self._removed) for key, row in self._rows[key].items()}
            groups = [_rows_of(self._held[key], self._rows[key]) for key in changed]
            groups += [_rows_of(entity, {}) for entity in self._new.values()]
            constraints = self._constraints_to_write()
            self._refuse_parts(groups, stored, constraints)
            rows = _by_key(chain(*groups))
            constraints.write(rows, stored)
            self._replace(map(_by_key, groups), self._removed)
            for row in chain(*groups):
                if is_new(row.instance):
                    self._inserted.append(row.instance)
                row.show()
                self._identity_map[row.key] = row.instance
            self._held |= {_key(entity): entity for entity in self._new.values()}
            for key in stored.keys() - rows.keys():
                self._identity_map.pop(key, None)  # a new row of this key is another object
            self._deleted += self._removed.values()
            self._new, self._removed = {}, {}

    def insert_many(self, shape: Shape, instances: Iterable[object]) -> None:
        self.flush()
        with self._noting_failures():
            version = {str(shape.version): 1}
            if groups := [list(written(shape, instance, {}, version)) for instance in instances]:
                self._constraints_to_write().insert(_by_key(chain(*groups)))
                self._replace(map(_by_key, groups), ())

    def savepoint(self) -> None:
        self.flush()
        self._savepoints.append((self._rows, len(self._inserted), len(self._deleted), self._identity_map.copy()))

    def commit(self) -> None:
        """Release the innermost savepoint, or else save everything in the store and let the next writer begin."""
        if self._savepoints:
            self._savepoints.pop()
            return
        if self._is_writing:
            self._store.rows = self._rows
        if self._constraints:
            self._store.constraints = self._constraints
        self._inserted.clear()
        self.close()

    def rollback(self) -> None:
        """Go back to the innermost savepoint, entities included."""
        flushed = self._rows
        self._snapshot, inserted_before, deleted_before, identity_map = self._savepoints.pop()
        self._identity_map |= identity_map  # a part whose place a new one has taken is back
        self._constraints = None
        entities = (*self._held.values(), *self._removed.values(), *self._deleted[deleted_before:])
        self._new, self._held, self._removed = {}, {}, {}
        self._unsave(inserted_before)
        del self._deleted[deleted_before:]
        for entity in entities:
            if entity.version and (stored := self._rows.get(key := _key(entity))):
                self._identity_map[key] = entity
                is_as_before = stored is flushed.get(key) and not is_touched(entity)
                self._held[key] = entity if is_as_before else build(_shape(entity), key, stored, self._identity_map)

    def close(self) -> None:
        """Drop what was not committed, and let the next writer begin."""
        self._unsave(0)
        if self._is_writing:
            self._is_writing = False
            self._store.writer.release()

    @property
    def _rows(self) -> Rows:
        """What is stored, as this transaction sees it: it begins with the first look at them."""
        if self._snapshot is None:
            if not self.is_read_only and not self._store.writer.acquire(timeout=self._store.lock_timeout_s):
                raise ConcurrencyConflict(LOCKED)
            self._is_writing = not self.is_read_only
            self._snapshot = self._store.rows
        return self._snapshot

    def _changed(self) -> list[Key]:
        # is_touched() first: each look-up asks it of all that were loaded
        found = (key for key, entity in self._held.items() if is_touched(entity) and is_changed(entity))
        return sorted(found, key=itemgetter(1))

    @contextmanager
    def _noting_failures(self) -> Generator[None]:
        block = self._unit.working_block("flush()")
        try:
            yield
        except BaseException as error:
            self._constraints = None  # it has taken some of the rows
            block.fail(error)
            raise

    def _refuse_parts(self, groups: list[list[Written]], stored: Aggregate, constraints: Constraints) -> None:
        """Refuse parts of two owners, old ones, and new ones in the place of those that are still stored."""
        found = set[int]()
        for row in chain(*groups):
            is_stored, is_known = row.key in constraints, self._identity_map.get(row.key) is row.instance
            if id(row.instance) in found or (is_stored and is_known and row.key not in stored):
                raise refused(SHARED_PART, row.instance)
            found.add(id(row.instance))
            if is_new(row.instance):
                # write() would take it for a change of the one that goes: the databases insert before they delete,
                # unless its owner's key is in it
                if row.key in stored and not has_key_of_owner(row.shape.mapper):
                    raise error_of(row_key_of(row.key[0]))
            elif not (is_stored and is_known):
                others = [key for key, known in self._identity_map.items() if known is row.instance]
                is_other = any(key in constraints for key in others)
                raise refused(CHANGED_KEY if is_other else OLD_PART if is_stored else DELETED_PART, row.instance)

    def _replace(self, aggregates: Iterable[Aggregate], deleted: Iterable[Key]) -> None:
        self._note_write()
        self._snapshot = replaced(self._rows, aggregates, deleted)

    def _constraints_to_write(self) -> Constraints:
        self._note_write()
        if not self._constraints:
            self._constraints = self._store.constraints or Constraints(self._rows)
            self._store.constraints = None  # they take rows that may never be committed
        return self._constraints

    def _note_write(self) -> None:
        if self.is_read_only:
            raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
        self._unit.working_block("flush()").changed = True

    def _unsave(self, start: int) -> None:
        for instance in self._inserted[start:]:
            unsave(instance)
        del self._inserted[start:]


def _shape(entity: Entity) -> Shape:
    return shape_of(inspect(type(entity)))


def _key(entity: Entity) -> Key:
    return key_of(_shape(entity), entity.id)


def _rows_of(entity: Entity, stored: Aggregate) -> list[Written]:
    shape = _shape(entity)
    return list(written(shape, entity, stored, {str(shape.version): entity.version + 1}))


def _by_key(found: Iterable[Written]) -> Aggregate:
    rows: dict[Key, Row] = {}
    for row in found:
        if row.key in rows:
            raise error_of(row_key_of(row.key[0]))
        rows[row.key] = row.row
    return rows
