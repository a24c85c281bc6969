"""Undo each revision of a history, and do it again, on a database with rows.

One row is generated for each table. Where a CHECK refuses it, the fixture ``revision_rows`` gives values for it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, ForeignKeyConstraint, MetaData, Table, inspect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import sort_tables_and_constraints

from tests.seedwork.revisions import History
from tests.seedwork.schema import Schema, partitions, schema_of

Rows = Mapping[str, Mapping[str, object]]
"""By table and column: values, where the generated ones are not allowed."""

VALUES: dict[type, object] = {
    bool: True,
    bytes: b"abc",
    date: date(2000, 1, 1),
    datetime: datetime(2000, 1, 1, tzinfo=UTC),
    Decimal: Decimal(1),
    float: 1.0,
    int: 1,
    list: [],
    object: {},
    str: "abc",
    time: time(1),
    timedelta: timedelta(1),
    UUID: UUID(int=1),
}
"""By type: the value that is generated. It is always the same, so that a foreign key finds its row."""


Cell = tuple[str, str, str, str]
"""Table, key, column and value."""


@dataclass(frozen=True)
class _State:
    schema: Schema
    cells: frozenset[Cell]


def assert_reversible(history: History, rows: Rows | None = None) -> None:
    """Walk up the history on an empty database, and check that undoing and redoing a revision loses nothing."""
    for revision in reversed([*ScriptDirectory.from_config(history.config()).walk_revisions()]):
        id, before = revision.revision, _state(history)
        history.upgrade(id)
        up = _state(history)
        history.downgrade(revision._all_down_revisions[0] if revision.is_merge_point else f"{id}@-1")
        down = _state(history)
        _assert_same(before.schema, down.schema, f"{id}: its downgrade does not undo it")
        history.upgrade(id)
        again = _state(history)
        _assert_same(up.schema, again.schema, f"{id}: done again, it does something else")
        untouched = before.cells & up.cells
        assert untouched - (down.cells & again.cells) == set(), f"{id}: values are lost or changed"
        _fill(history, rows or {})


def _assert_same(one: Schema, other: Schema, problem: str) -> None:
    lines = [f"lost: {line}" for line in sorted(one - other)] + [f"new: {line}" for line in sorted(other - one)]
    hint = "If SQLite lost it in a table that was rebuilt, see docs/migrations.md"
    assert not lines, "\n  ".join((problem, *lines, hint))


def _state(history: History) -> _State:
    with history.engine.connect() as connection:
        cells = frozenset(cell for table in _tables(connection) for cell in _cells(connection, table))
        return _State(schema_of(connection), cells)


def _tables(connection: Connection) -> list[Table]:
    there = MetaData()
    there.reflect(connection)
    left_out = {"alembic_version", *partitions(connection)}
    tables = sorted((table for table in there.tables.values() if table.name not in left_out), key=str)
    # a circle begins with the table whose reference may be NULL
    ordered: Any = sort_tables_and_constraints(  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        tables, lambda key: None if _may_be_null(key) else False
    )
    return [table for table, _ in ordered if table is not None]


def _may_be_null(key: ForeignKeyConstraint) -> bool:
    return any(column.nullable for column in key.columns)


def _cells(connection: Connection, table: Table) -> Iterator[Cell]:
    for row in connection.execute(select(table)).mappings():
        key = repr([row[column] for column in table.primary_key])
        yield from ((table.name, key, column.name, repr(row[column])) for column in table.columns)


def _fill(history: History, rows: Rows) -> None:
    with history.engine.begin() as connection:
        for table in _tables(connection):
            if connection.execute(select(table)).first() is None:
                try:
                    connection.execute(table.insert(), _row(connection, table) | dict(rows.get(table.name, {})))
                except DBAPIError as error:
                    raise AssertionError(
                        f"No row could be made up for {table}. Write it into revision_rows, in tests/conftest.py."
                    ) from error


def _row(connection: Connection, table: Table) -> dict[str, object]:
    checks = [str(check["sqltext"]) for check in inspect(connection).get_check_constraints(table.name)]
    columns = [column for column in table.columns if column.computed is None and column.identity is None]
    refers_to_nothing = {
        column
        for key in table.foreign_key_constraints
        if key.referred_table is not table and connection.execute(select(key.referred_table)).first() is None
        for column in key.columns
        if column.nullable
    }
    return {column.name: None if column in refers_to_nothing else _value(column, checks) for column in columns}


def _value(column: Column[Any], checks: list[str]) -> object:  # Any: of whatever type
    value = VALUES.get(column.type.python_type)
    if type(value) is int:  # age BETWEEN 18 AND 99 on SQLite, and (age >= 18) on PostgreSQL
        limits = [re.search(rf"\b{column.name}\)? (?:BETWEEN|>=|<=) '?\(?(-?\d+)", check) for check in checks]
        return next((int(found[1]) for found in limits if found), value)
    if isinstance(value, Decimal) and (scale := getattr(column.type, "scale", None)):
        return value.scaleb(-scale)  # whose digits may all stand behind the point
    if not isinstance(value, str):
        return value
    allowed = [*getattr(column.type, "enums", ())]
    for check in checks:  # status IN ('draft', 'placed') is one, too
        if re.search(rf"\b{column.name}\b", check):
            allowed += re.findall("'([^']*)'", check)
    return next(iter(allowed), value)[: getattr(column.type, "length", None)]
