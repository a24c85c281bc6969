"""The unique keys and the foreign keys of the tables, kept for rows in memory."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sqlalchemy import Column, Table

from adapters.seedwork.keys import RowKey, unique_keys
from adapters.seedwork.mapping import mapper_to, needed_by, row_key_of
from adapters.seedwork.memory.store import Aggregate, Key, RowId, Rows
from adapters.seedwork.refusals import NOT_ALLOWED, REFERENCE, error_of
from adapters.seedwork.relations import has_attributes
from adapters.seedwork.shape import Row
from service_layer.seedwork.errors import ConstraintViolated, ReferenceViolated

Referred = Table | RowKey
"""What a foreign key refers to: a table, by the key by which its rows are known, or another key."""
Target = tuple[Referred, RowId]
"""The same, with the values of a row."""


class Constraints:
    """The unique values and the references of all rows, kept while a transaction changes one row after another."""

    def __init__(self, rows: Rows) -> None:
        self._rows: dict[Key, Row] = {}
        self._owners: dict[Target, Key] = {}
        """By unique key and values: the row that has them."""
        self._references: Counter[Target] = Counter()
        """By what they refer to: how many rows do."""
        for aggregate in rows.values():
            for key, row in aggregate.items():
                self._take(key, row)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def insert(self, rows: Aggregate) -> None:
        """Insert the rows of each table in their order, by a statement for each: what one refers to is there before it.

        Raises: the error of a primary or a unique key, ConstraintViolated, ReferenceViolated.
        """
        for key in sorted(rows, key=lambda key: _rank(key[0])):
            self._check(key, rows[key])
            self._take(key, rows[key])
            self._refuse_missing(key)

    def write(self, rows: Aggregate, stored: Aggregate) -> None:
        """Update, insert, then delete, in SQLAlchemy's order, which decides when a unique value is free.

        Args:
            rows: the new rows.
            stored: the rows that they replace.
        Raises: the error of a primary or a unique key, ConstraintViolated, ReferenceViolated.
        """
        steps = _steps(rows, stored)
        for key in sorted(
            rows, key=lambda key: (_rank(key[0]), steps[key], key not in stored, key[1] if key in stored else ())
        ):
            if key in stored:
                self._give_up(key)
            self._check(key, rows[key])
            self._take(key, rows[key])
            self._refuse_given_up(key, stored.get(key))
        deleted = stored.keys() - rows.keys()
        for key in deleted:
            self._give_up(key)
        for key in rows:
            self._refuse_missing(key)
        for key in deleted:
            self._refuse_given_up(key, stored[key])
        _steps({key: stored[key] for key in deleted}, {})  # raises where none of them can be the first to go

    def _check(self, key: Key, row: Row) -> None:
        if key in self._rows:
            raise error_of(row_key_of(key[0]))
        for column in key[0].columns:
            if row[column.key] is None and not column.nullable:
                raise ConstraintViolated(NOT_ALLOWED.format(column.key))
        for unique in _unique_values(key[0], row):
            if unique in self._owners:
                raise error_of(unique[0])

    def _refuse_missing(self, key: Key) -> None:
        for referred, values in _references(key[0], self._rows[key]):
            if not self._is_there((referred, values)):
                table = referred if isinstance(referred, Table) else referred.table
                raise _violated(f"A row of {key[0]} refers to one of {table} that does not exist.")

    def _refuse_given_up(self, key: Key, before: Row | None) -> None:
        """Refuse that a row no longer has, or is, what others refer to."""
        targets = _targets(key, before)
        if any(self._references[target] > 0 and not self._is_there(target) for target in targets):
            raise _violated(f"Others refer to a row of {key[0]} that is removed or changed.")

    def _is_there(self, target: Target) -> bool:
        return target in self._rows or target in self._owners

    def _give_up(self, key: Key) -> None:
        row = self._rows.pop(key)
        for unique in _unique_values(key[0], row):
            del self._owners[unique]
        self._references.subtract(_references(key[0], row))

    def _take(self, key: Key, row: Row) -> None:
        self._rows[key] = row
        self._owners |= dict.fromkeys(_unique_values(key[0], row), key)
        self._references.update(_references(key[0], row))


def _violated(where: str) -> ReferenceViolated:
    """Return the error in the databases' words, with the tables in a note, as PostgreSQL's own error names them."""
    error = ReferenceViolated(REFERENCE)
    error.add_note(where)
    return error


def _targets(key: Key, row: Row | None) -> Iterator[Target]:
    if row is not None:
        yield key
        yield from _unique_values(key[0], row)


def _unique_values(table: Table, row: Row) -> Iterator[tuple[RowKey, RowId]]:
    for unique in _other_keys(table):
        values = tuple(_hashable(row[column.key]) for column in unique.columns)
        if None not in values:
            yield unique, values


def _hashable(value: Any) -> Any:  # Any: of whatever type; an ARRAY is a list
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _references(table: Table, row: Row) -> Iterator[Target]:
    for referred, columns in _foreign_keys(table):
        values = tuple(row[column] for column in columns)
        if None not in values:
            yield referred, values


def _steps(rows: Aggregate, before: Aggregate) -> dict[Key, int]:
    """Return the step in which each row is written, or deleted: one that refers to another of its circle waits for it.

    Args:
        rows: the rows.
        before: those that they replace: nothing waits for what a row was already.
    Raises: ReferenceViolated (of some rows none can be the first).
    """
    there = {target: key for key in rows for target in {*_targets(key, rows[key])} - {*_targets(key, before.get(key))}}
    others = {
        key: {
            there[target]
            for target in _references(key[0], row)
            if target in there and key[0] in needed_by(there[target][0])
        }
        for key, row in rows.items()
    }
    waiting = TopologicalSorter({key: found - {key} for key, found in others.items()})
    try:
        waiting.prepare()
    except CycleError as error:
        raise ReferenceViolated(REFERENCE) from error
    steps: dict[Key, int] = {}
    while ready := waiting.get_ready():
        steps |= dict.fromkeys(ready, len(steps))
        waiting.done(*ready)
    return steps


@cache
def _foreign_keys(table: Table) -> tuple[tuple[Referred, tuple[str, ...]], ...]:
    """Return what each foreign key refers to, with its own columns in the order of that key's."""
    return tuple(
        (referred, tuple(ours[column] for column in columns))
        for reference in table.foreign_key_constraints
        if mapper_to(reference.referred_table)  # another one has no rows here
        if (mapper := mapper_to(table)) is None or has_attributes(mapper, reference)
        for ours in [{element.column: element.parent.key for element in reference.elements}]
        for referred, columns in _keys(reference.referred_table)
        if ours.keys() == {*columns}
    )


def _keys(table: Table) -> Iterator[tuple[Referred, Iterable[Column[Any]]]]:
    yield table, row_key_of(table).columns
    yield from ((unique, unique.columns) for unique in _other_keys(table))


@cache
def _other_keys(table: Table) -> tuple[RowKey, ...]:
    """Return the keys besides that by which rows are known, without those of columns that no attribute has."""
    known, mapper = row_key_of(table), mapper_to(table)
    columns = {*(mapper or table).columns}
    keys = ((key, {*key.columns}) for key in unique_keys(table) if key is not known)
    return tuple(key for key, found in keys if found and found <= columns)


@cache
def _rank(table: Table) -> int:
    return table.metadata.sorted_tables.index(table)
