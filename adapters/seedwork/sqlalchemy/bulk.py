"""Many entities in few statements, past the unit of work's tracking of each."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import insert
from sqlalchemy.orm import Session

from adapters.seedwork.shape import Row, Shape


def insert_rows(session: Session, shape: Shape, things: Sequence[object], given: Iterable[Row]) -> None:
    """Insert new things by one INSERT, and their parts by one after it for each relationship.

    Args:
        session: flushed.
        shape: what the things consist of.
        things: instances of the mapped class, or other objects with the same attributes.
        given: for each thing the values of those columns that it does not know itself.
    Raises: UnitOfWorkMisuse (an attribute is missing, or nothing would save it).
    """
    rows = list(map(shape.new_values, things))
    for row, more in zip(rows, given, strict=False):
        row.update(more)
    # a statement has one set of columns, and what is None may leave its column to a default
    for _, group in groupby(rows, key=Row.keys) if shape.defaulted else ((None, rows),):
        session.execute(insert(shape.table), list(group))
    for part in shape.parts:
        owned = [(thing, part.key_to(row)) for owner, row in zip(things, rows, strict=True) for thing in part.of(owner)]
        if owned:
            insert_rows(session, part.shape, [thing for thing, _ in owned], [key for _, key in owned])
