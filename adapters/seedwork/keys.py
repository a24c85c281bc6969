"""The unique keys of a table, and the one among them by which its rows are known."""

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from sqlalchemy import Column, Constraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.orm import Mapper

RowKey = PrimaryKeyConstraint | UniqueConstraint | Index


def table_of(mapper: Mapper[Any]) -> Table:  # Any: of whatever class
    """Return the table of a class: none is mapped to anything else."""
    return cast("Table", mapper.local_table)


@cache
def unique_keys(table: Table) -> tuple[RowKey, ...]:
    """Return the primary key of a table, and its unique keys that cover all rows and have columns alone.

    Others only a database can check.
    """
    constraints = (unique for unique in table.constraints if isinstance(unique, UniqueConstraint))
    indexes = (index for index in table.indexes if columns_of(index) and not conditions_of(index))
    return (table.primary_key, *constraints, *indexes)


def row_keys(mapper: Mapper[Any]) -> Iterator[RowKey]:  # Any: of whatever class
    """Yield the keys of the columns that a mapping has for its primary key: the table's own, or a unique one."""
    yield from (key for key in unique_keys(table_of(mapper)) if {*key.columns} == {*mapper.primary_key})


def conditions_of(index: Index) -> dict[str, Any]:
    """Return the conditions of an index that is for some rows, by ``postgresql_where`` and ``sqlite_where``."""
    # not by dialect_options, which imports a database that is not in use
    given = index.dialect_kwargs
    return {name: given[name] for name in given if name.endswith("_where") and given[name] is not None}


def columns_of(key: Constraint | Index) -> tuple[str, ...]:
    """Return the columns by which SQLite names a unique key; none for another constraint, or one with expressions."""
    if isinstance(key, Index):
        is_named_so = key.unique and all(isinstance(expression, Column) for expression in key.expressions)
    else:
        is_named_so = isinstance(key, PrimaryKeyConstraint | UniqueConstraint)
    return tuple(map(str, cast("RowKey", key).columns)) if is_named_so else ()
