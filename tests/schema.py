"""What a database's schema is, in plain values to compare. It sees what autogenerate does not."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Inspector, NullPool, create_engine, inspect

Schema = dict[str, dict[str, list[str]]]


def schema_of(url: str) -> Schema:
    """Return each table's columns, constraints and indexes, without what Alembic keeps for itself."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        found = inspect(connection)
        return {table: _table(found, table) for table in found.get_table_names() if table != "alembic_version"}


def _table(found: Inspector, table: str) -> dict[str, list[str]]:
    return {
        "columns": _sorted({**column, "type": repr(column["type"])} for column in found.get_columns(table)),
        "primary key": _sorted([found.get_pk_constraint(table)]),
        "foreign keys": _sorted(found.get_foreign_keys(table)),
        "unique": _sorted(found.get_unique_constraints(table)),
        "checks": _sorted(found.get_check_constraints(table)),
        "indexes": _sorted(found.get_indexes(table)),
    }


def _sorted(parts: Any) -> list[str]:  # Any: each kind of part is a TypedDict of its own
    return sorted(_text(part) for part in parts)


def _text(part: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={part[key]}" for key in sorted(part))
