"""What Alembic must not do to a table that it compares or rebuilds on SQLite."""

from typing import Any

from alembic.ddl.sqlite import SQLiteImpl
from alembic.util import CommandError
from sqlalchemy import Column, Date, DateTime, Interval, String, Time
from sqlalchemy.types import TypeEngine

TIMES = (Date, DateTime, Interval, Time)


class CarefulSQLite(SQLiteImpl):
    """Replaces Alembic's own implementation for SQLite, as every imported class does that names the same dialect."""

    __dialect__ = "sqlite"

    def cast_for_batch_migrate(
        self,
        existing: Column[Any],  # Any: of whatever type
        existing_transfer: dict[str, Any],  # Any: as Alembic has it
        new_type: TypeEngine[Any],
    ) -> None:
        """Cast a column to its new type. Refuse a time: SQLite stores it as text, and the cast keeps its year."""
        as_it_is = existing_transfer["expr"]
        super().cast_for_batch_migrate(existing, existing_transfer, new_type)
        loses_time = isinstance(new_type, TIMES) or (
            isinstance(existing.type, TIMES) and not isinstance(new_type, String)
        )
        if loses_time and existing_transfer["expr"] is not as_it_is:
            raise CommandError(
                f"The column {existing.name} would become {new_type!r}: SQLite's CAST keeps only the year of a time."
                " Add a column of the new type, fill it by UPDATE, and drop the old one: docs/migrations.md"
            )

    def _compare_identity_default(
        self,
        metadata_identity: object,  # noqa: ARG002  # as Alembic calls it
        inspector_identity: object,  # noqa: ARG002
    ) -> Any:  # Any: as Alembic has it
        """Find no difference: SQLite has no identity, and counts the integer of a primary key by itself."""
        return set(), set(), False
