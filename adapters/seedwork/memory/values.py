"""What a database makes of values: how it keeps, compares and gives them back, and what a default makes."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import sqlalchemy
from sqlalchemy import Column, Engine, String, Table, literal, select
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import DBAPIError

from adapters.seedwork.mapping import is_filled
from adapters.seedwork.shape import Row, Shape
from adapters.seedwork.types import rounded
from service_layer.seedwork.errors import UnitOfWorkMisuse

Value = Any  # of whatever type


class _Dialect(DefaultDialect):
    """A database with types of its own for booleans, decimals and UUIDs."""

    supports_native_boolean = supports_native_decimal = supports_native_uuid = True


_dialect = _Dialect()


def bound(table: Table, values: Mapping[str, Value]) -> Row:
    """Return values as the database keeps them."""
    return {name: rounded(value, table.c[name].type) for name, value in compared(table, values).items()}


def compared(table: Table, values: Mapping[str, Value]) -> Row:
    """Return values as the database compares them with what it keeps: it rounds none."""
    return {name: _bind(table.c[name])(value) for name, value in values.items()}


@cache
def _bind(column: Column[Any]) -> Callable[[Value], Value]:
    return column.type.dialect_impl(_dialect).bind_processor(_dialect) or _kept


@cache
def result_of(column: Column[Any]) -> Callable[[Value], Value]:
    """Return what makes the value of an attribute of what is stored in a column."""
    return column.type.dialect_impl(_dialect).result_processor(_dialect, None) or _kept


def _kept(value: Value) -> Value:
    """Return a value that no change inside the given one reaches: a copy of a list, and anything hashable as it is."""
    return deepcopy(value) if type(value).__hash__ is None else value


def default_of(shape: Shape, column: Column[Any], value: Value) -> Value:
    """Return a value as an INSERT stores it: in the place of None what the column's default makes."""
    if value is not None:
        return value
    if column is shape.table.autoincrement_column:
        return _unknown(shape, column, "a number that it counts")
    return made_by(shape, column, column.default or column.server_default)


@cache
def made_by_the_database(table: Table) -> frozenset[str]:
    """Return the columns of a table that another than the entity may fill."""
    return frozenset(column.key for column in table.columns if is_filled(column))


def made_by(shape: Shape, column: Column[Any], default: Value) -> Value:
    """Return what a default makes: its value, what its function returns, or what SQLite makes of its SQL."""
    if default is None:
        return None
    if not hasattr(default, "arg"):  # of a sequence, an identity, a computed column, or of a trigger
        return _unknown(shape, column, type(default).__name__)
    made = default.arg
    if callable(made):
        made = made(None)
    elif isinstance(made, str) and default is column.server_default:
        text = literal(made, String)
        converted = sqlalchemy.cast(text, column.type)
        # SQLite converts a date to its year; text that is no number is more than any number, and stays as it is
        made = sqlalchemy.case((converted >= text, converted), else_=text)
    if isinstance(made, sqlalchemy.ClauseElement):
        try:
            with _calculator().connect() as connection:
                made = connection.scalar(select(sqlalchemy.type_coerce(made, column.type)))
        except (DBAPIError, NotImplementedError) as error:
            return _unknown(shape, column, getattr(error, "orig", error))
    return rounded(_bind(column)(made), column.type)


def _unknown(shape: Shape, column: Column[Any], cause: object) -> object:
    """Return a value that equals no other, for a column that no attribute has; refuse to make one for an attribute."""
    if column.key not in shape.columns:
        return object()
    raise UnitOfWorkMisuse(
        f"The database makes {column} by what the fake does not know: {cause}. Let Python make it. Write:"
        f' Column("{column.key}", ..., default=...) or onupdate=...'
    )


@cache
def _calculator() -> Engine:
    return sqlalchemy.create_engine("sqlite://")
