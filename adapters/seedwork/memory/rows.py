"""How entities become rows in memory, and rows become entities again: what mapping and types say, without a session."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from sqlalchemy import inspect
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.operators import desc_op, nulls_first_op

from adapters.seedwork.memory.store import Aggregate, Key
from adapters.seedwork.memory.values import Value, bound, default_of, made_by, made_by_the_database, result_of
from adapters.seedwork.relations import order_of
from adapters.seedwork.shape import PartRelation, Row, Shape, shape_of
from domain.seedwork.entity import Entity

_STORED = "stored in memory"


@dataclass(frozen=True)
class Written:
    """A row to store, and the object that it belongs to."""

    key: Key
    row: Row
    shape: Shape
    instance: object

    def show(self) -> None:
        """Copy what the database made into the object."""
        table, values, made = self.shape.table, vars(self.instance), list[str]()
        for column, attribute in self.shape.columns.items():
            if attribute not in values or (
                column in made_by_the_database(table)
                and bound(table, {column: values[attribute]})[column] != self.row[column]
            ):
                values[attribute] = result_of(table.c[column])(self.row[column])
                made.append(attribute)
        if made:
            self.shape.mapper.class_manager.dispatch.refresh_flush(inspect(self.instance), None, made)
        if version := self.shape.version:
            values["version"] = self.row[version]
        _mark_stored(self.instance)


def written(shape: Shape, instance: object, stored: Aggregate, given: Row) -> Iterator[Written]:
    """Yield the row of an object, and those of its parts.

    Args:
        shape: what it consists of.
        instance: an instance of the mapped class, or another object with the same attributes.
        stored: the rows that are there already, those of the aggregate among them.
        given: the values of the columns that the object has no attribute for.
    Raises: UnitOfWorkMisuse (a new object lacks an attribute, or has one that nothing would save).
    """
    raw = bound(shape.table, shape.values(instance)) | given
    key = shape.table, tuple(default_of(shape, shape.table.c[column], raw.get(column)) for column in shape.key)
    raw |= zip(shape.key, key[1], strict=True)
    if key not in stored:
        shape.check(instance)
        row = {column.key: default_of(shape, column, raw.get(column.key)) for column in shape.table.columns}
    else:
        changed = _changed(instance)
        row = stored[key] | given | {name: raw[name] for name in raw if shape.columns.get(name) in changed}
        if row != stored[key]:
            row |= {
                column.key: made_by(shape, column, column.onupdate)
                for column in shape.table.columns
                if column.onupdate and shape.columns.get(str(column.key)) not in changed
            }
    yield Written(key, row, shape, instance)
    for part in shape.parts:
        for owned in part.of(instance):
            yield from written(part.shape, owned, stored, part.key_to(row))


def key_of(shape: Shape, id: Value) -> Key:
    """Return the key of a root's row."""
    return shape.table, tuple(bound(shape.table, {shape.key[0]: id}).values())


def build(shape: Shape, key: Key, aggregate: Aggregate, identity_map: dict[Key, Value]) -> Value:
    """Return the object of a row, with its parts: the known one, brought up to date, or a new one."""
    owned: dict[PartRelation, dict[tuple[Value, ...], list[Key]]] = {}

    def built(shape: Shape, key: Key) -> Value:
        if is_new_here := key not in identity_map:
            identity_map[key] = shape.mapper.class_manager.new_instance()
        instance, row = identity_map[key], aggregate[key]
        values = cast("dict[str, Value]", vars(instance))
        for attribute in shape.attributes:
            values.pop(attribute, None)
        for column, attribute in shape.columns.items():
            values[attribute] = result_of(shape.table.c[column])(row[column])
        for part in shape.parts:
            if part not in owned:
                owned[part] = _keys_by_owner(part, aggregate)
            keys = owned[part].get(tuple(row[ours] for ours, _ in part.keys), [])
            parts = [built(part.shape, key) for key in _in_order(shape, part, keys, aggregate)]
            set_committed_value(instance, part.name, parts if part.many else next(iter(parts), None))
        listeners = shape.mapper.class_manager.dispatch  # as those of a fork's own that count, or of MutableDict
        if is_new_here:
            listeners.load(inspect(instance), None)
        else:
            listeners.refresh(inspect(instance), None, None)
        _mark_stored(instance)
        return instance

    return built(shape, key)


def _keys_by_owner(part: PartRelation, aggregate: Aggregate) -> dict[tuple[Value, ...], list[Key]]:
    """Return the keys of all parts of a relationship, by those of their owners."""
    found: dict[tuple[Value, ...], list[Key]] = {}
    for key, row in aggregate.items():
        if key[0] is part.shape.table:
            found.setdefault(tuple(row[theirs] for _, theirs in part.keys), []).append(key)
    return found


def is_new(instance: object) -> bool:
    """Whether an object was never saved in memory, nor loaded, or its saving was undone."""
    return _STORED not in inspect(instance).info


def is_touched(instance: object) -> bool:
    """Whether something was assigned to an object, or to a part of it, or put into its lists, since it was stored."""
    return bool(inspect(instance).committed_state) or any(map(is_touched, _owned_by(instance)))


def is_changed(instance: object) -> bool:
    """Whether an object, or a part of it, has other values or parts than are stored, or a part twice."""
    owned = _owned_by(instance)
    return bool(_changed(instance)) or len({*map(id, owned)}) < len(owned) or any(map(is_changed, owned))


def unsave(instance: object) -> None:
    """Make an object that was inserted and not saved new again."""
    inspect(instance).info.pop(_STORED, None)
    if isinstance(instance, Entity):
        vars(instance)["version"] = 0


def _owned_by(instance: object) -> list[object]:
    return [owned for part in shape_of(inspect(instance).mapper).parts for owned in part.of(instance)]


def _changed(instance: object) -> set[str]:
    state = inspect(instance)  # as in SQLAlchemy, a change inside a value does not count
    return {name for name in state.committed_state if state.attrs[name].history.has_changes()}


def _mark_stored(instance: object) -> None:
    state = inspect(instance)
    state.committed_state.clear()
    state.info[_STORED] = True


def _in_order(shape: Shape, part: PartRelation, keys: list[Key], aggregate: Aggregate) -> list[Key]:
    for column, modifiers in map(order_of, reversed(shape.mapper.relationships[part.name].order_by or ())):
        values = {key: aggregate[key][str(column.key)] for key in keys}
        descending = desc_op in modifiers
        nulls_first = (nulls_first_op in modifiers) is not descending  # before they are reversed
        keys.sort(key=lambda key: ((values[key] is None) is not nulls_first, values[key]), reverse=descending)
    return keys
