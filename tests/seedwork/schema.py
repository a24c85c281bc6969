"""What a database's schema is, in lines to compare. It sees what autogenerate does not."""

import json
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, inspect, text
from sqlalchemy.types import TypeEngine

Schema = frozenset[str]
"""A line for each column, constraint and index, without those that Alembic has for itself."""


def schema_of(connection: Connection) -> Schema:
    """Return what is there, as the database tells it."""
    tables = [table for table in inspect(connection).get_table_names() if table != "alembic_version"]
    return frozenset(line for table in tables for line in _lines(connection, table))


def not_validated(connection: Connection) -> list[str]:
    """Return the constraints that PostgreSQL has never checked on the rows that were there before."""
    if connection.dialect.name != "postgresql":
        return []
    return list(connection.scalars(text("SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1")))


def _lines(connection: Connection, table: str) -> Iterator[str]:
    found = inspect(connection)
    there: dict[str, Sequence[object]] = {
        "column": found.get_columns(table),
        "primary key": [found.get_pk_constraint(table)],
        "foreign key": found.get_foreign_keys(table),
        "unique": found.get_unique_constraints(table),
        "check": [{**check, "dialect_options": {}} for check in found.get_check_constraints(table)],
        "index": found.get_indexes(table),
    }
    for kind, parts in there.items():
        for part in parts:
            yield f"{table}: {kind}: {json.dumps(part, default=_text, sort_keys=True)}"
    if (
        connection.dialect.name == "sqlite"
    ):  # SQLAlchemy overlooks indexes on expressions, and a rebuilt table loses them
        for name in connection.scalars(text("SELECT name FROM pragma_index_list(:table)"), {"table": table}):
            yield f"{table}: index of the name {name}"


def _text(value: object) -> str:
    return repr(value) if isinstance(value, TypeEngine) else str(value)  # str() of a type leaves its time zone out
