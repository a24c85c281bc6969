"""Insert past the session: many entities by few statements, or rows whose key may be there already."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from itertools import groupby

from sqlalchemy import Connection, Table, insert
from sqlalchemy.orm import Session

from adapters.seedwork.shape import Row, Shape


def insert_rows(session: Session, shape: Shape, instances: Sequence[object], given: Iterable[Row]) -> None:
    """Insert new objects by one INSERT, and their parts by one after it for each relationship.

    Args:
        session: flushed.
        shape: what the objects consist of.
        instances: instances of the mapped class, or other objects with the same attributes.
        given: for each object the values of the columns that it has no attribute for.
    Raises: UnitOfWorkMisuse (an attribute is missing, or nothing would save it).
    """
    rows = list(map(shape.new_values, instances))
    for row, more in zip(rows, given, strict=False):
        row.update(more)
    # a statement has one set of columns, and what is None may leave its column to a default
    for _, group in groupby(rows, key=Row.keys) if shape.defaulted else ((None, rows),):
        session.execute(insert(shape.table), list(group))
    for part in shape.parts:
        owned = [
            (instance, part.key_to(row))
            for owner, row in zip(instances, rows, strict=True)
            for instance in part.of(owner)
        ]
        if owned:
            insert_rows(session, part.shape, [instance for instance, _ in owned], [key for _, key in owned])


def insert_if_absent(connection: Connection, table: Table, *rows: Row) -> bool:
    """Insert rows, and return whether any was new.

    Where the key of one is there already, or becomes so in a transaction that it waits for, nothing happens.
    """
    family = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
    dialect = import_module(f"sqlalchemy.dialects.{family}")  # to import both takes 40 ms of every start
    statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return connection.execute(statement, rows).rowcount > 0
