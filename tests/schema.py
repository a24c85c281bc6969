"""What a database's schema is, in plain values to compare. It sees what autogenerate does not."""

import json
from collections.abc import Iterable

from sqlalchemy import Connection, inspect
from sqlalchemy.types import TypeEngine

Schema = dict[str, dict[str, list[str]]]


def schema_of(connection: Connection) -> Schema:
    """Return each table's columns, constraints and indexes, without what Alembic keeps for itself."""
    found = inspect(connection)
    return {
        table: {
            "columns": _texts(found.get_columns(table)),
            "primary key": _texts([found.get_pk_constraint(table)]),
            "foreign keys": _texts(found.get_foreign_keys(table)),
            "unique": _texts(found.get_unique_constraints(table)),
            "checks": _texts(found.get_check_constraints(table)),
            "indexes": _texts(found.get_indexes(table)),
        }
        for table in found.get_table_names()
        if table != "alembic_version"
    }


def _texts(parts: Iterable[object]) -> list[str]:
    return sorted(json.dumps(part, default=_text, sort_keys=True) for part in parts)


def _text(value: object) -> str:
    return repr(value) if isinstance(value, TypeEngine) else str(value)  # str() of a type leaves its time zone out
