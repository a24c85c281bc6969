"""Many entities in few statements, past the unit of work's tracking of each."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Mapper, Session


class BulkInsert:
    """One INSERT for many things of a class, and one after it for the parts that they own."""

    def __init__(self, mapper: Mapper[Any]) -> None:  # Any: of an entity, or of its parts
        self._insert = insert(cast("Table", mapper.local_table))
        self._columns = [(str(attribute.columns[0].key), attribute.key) for attribute in mapper.column_attrs]
        self._parts = [
            (part.key, str(ours.key), str(theirs.key), BulkInsert(part.mapper))
            for part in mapper.relationships
            for ours, theirs in part.local_remote_pairs
        ]

    def __call__(self, session: Session, things: Sequence[object], given: Iterable[dict[str, Any]]) -> None:
        """Insert things.

        Args:
            session: flushed.
            things: of one class, or of one with the same attributes.
            given: for each thing the values of those columns that it does not know itself.
        """
        if not things:
            return
        known = [(column, attribute) for column, attribute in self._columns if attribute in vars(things[0])]
        rows = [
            {column: values[attribute] for column, attribute in known} | more
            for values, more in zip(map(vars, things), given, strict=False)
        ]
        session.execute(self._insert, rows)
        for name, ours, theirs, insert_parts in self._parts:
            owned = [
                (part, {theirs: row[ours]})
                for thing, row in zip(things, rows, strict=True)
                for part in vars(thing)[name]
            ]
            insert_parts(session, [part for part, _ in owned], [owner for _, owner in owned])
