"""What a database's schema is, in lines to compare. It sees what autogenerate does not."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine.interfaces import TableKey
from sqlalchemy.types import TypeEngine

Schema = frozenset[str]
"""A line for each column, constraint, index, trigger, view, policy and partition; without those of Alembic."""

_UNSEEN = re.compile(r"\b(AUTOINCREMENT|COLLATE \S+|DESC|GENERATED|ON CONFLICT \w+|STRICT|WITHOUT ROWID)\b")
"""What SQLAlchemy does not see in an SQLite table, so that Alembic leaves it out when it rebuilds the table."""


def schema_of(connection: Connection) -> Schema:
    """Return what the schema has, as the database reports it."""
    others = _lines_of_sqlite if connection.dialect.name == "sqlite" else _lines_of_postgresql
    return frozenset([*_lines(connection), *others(connection)])


def of_tables(schema: Schema) -> Schema:
    """Return a schema without what revisions alone make: the tables of the code can't have it."""
    return frozenset(
        line for line in schema if not re.match(r"[^:]+: (view|trigger|policy|row security|partition)\b", line)
    )


def not_validated(connection: Connection) -> list[str]:
    """Return the constraints that PostgreSQL has never checked on the rows that were there before."""
    if connection.dialect.name != "postgresql":
        return []
    return list(connection.scalars(text("SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1")))


def partitions(connection: Connection) -> set[str]:
    """Return the partitions: the code has none, and what one has, its table says."""
    if connection.dialect.name == "sqlite":
        return set()
    return set(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition AND relkind <> 'i'")))


def _lines(connection: Connection) -> Iterator[str]:
    found = inspect(connection)  # at all tables at once, for each revision is looked at four times
    left_out = {"alembic_version", *partitions(connection)}
    keys, checks = found.get_multi_pk_constraint(), found.get_multi_check_constraints()
    there: dict[str, Mapping[TableKey, Sequence[object]]] = {
        "column": found.get_multi_columns(),
        "primary key": {table: [key] for table, key in keys.items()},
        "foreign key": found.get_multi_foreign_keys(),
        "unique": found.get_multi_unique_constraints(),
        "check": {table: [{**one, "dialect_options": {}} for one in of_table] for table, of_table in checks.items()},
        "index": found.get_multi_indexes(),
    }
    for kind, by_table in there.items():
        for (_, table), parts in by_table.items():
            if table not in left_out:
                yield from (f"{table}: {kind}: {json.dumps(part, default=_text, sort_keys=True)}" for part in parts)


def _lines_of_sqlite(connection: Connection) -> Iterator[str]:
    """Return what the statements say by which the database made its tables, indexes, triggers and views."""
    made = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql <> '' AND tbl_name <> 'alembic_version'"
    for kind, name, table, sql in connection.execute(text(made)):
        statement = " ".join(re.findall(r"'[^']*'|\w+|[^\s\w\"`\[\]]", sql))  # however it is spaced and quoted
        if kind == "table":
            found = Counter(_UNSEEN.findall(statement.upper()))
            yield from (f"{table}: {words}, {number} times" for words, number in found.items())
        else:
            yield f"{table}: {kind} {name}: {statement.casefold()}"


_OTHERS_OF_POSTGRESQL = """
    SELECT concat_ws(' ', relname || ': trigger', tgname, tgenabled, pg_get_triggerdef(pg_trigger.oid)) FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT tgisinternal AND nspname = current_schema()
    UNION ALL SELECT concat_ws(' ', viewname || ': view', definition) FROM pg_views WHERE schemaname = current_schema()
    UNION ALL SELECT concat_ws(' ', tablename || ': policy', policyname, permissive, roles, cmd, qual, with_check)
    FROM pg_policies WHERE schemaname = current_schema()
    UNION ALL SELECT concat_ws(' ', relname || ': partition', pg_get_expr(relpartbound, pg_class.oid)) FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relispartition AND relkind <> 'i' AND nspname = current_schema()
    UNION ALL SELECT concat(relname, ': partitioned by ', pg_get_partkeydef(pg_class.oid)) FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind = 'p' AND nspname = current_schema()
    UNION ALL SELECT concat(relname, ': row security, forced: ', relforcerowsecurity) FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relrowsecurity AND nspname = current_schema()
"""


def _lines_of_postgresql(connection: Connection) -> Iterator[str]:
    """Return what SQLAlchemy does not know: triggers, views, policies, and where they are in force."""
    yield from connection.scalars(text(_OTHERS_OF_POSTGRESQL))


def _text(value: object) -> str:
    return repr(value) if isinstance(value, TypeEngine) else str(value)  # str() of a type leaves its time zone out
