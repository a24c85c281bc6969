"""The rows of a database in memory."""

from collections.abc import Iterable, Mapping
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from adapters.seedwork.shape import Row

if TYPE_CHECKING:
    from adapters.seedwork.memory.constraints import Constraints

RowId = tuple[Any, ...]
"""A primary key. Any: of whatever types."""
Key = tuple[Table, RowId]
Aggregate = Mapping[Key, Row]
"""The rows of a root and of its parts. A row is never changed: a new one takes its place."""
Rows = Mapping[Key, Aggregate]
"""All aggregates, by the keys of their roots."""


class InMemoryStore:
    """What in-memory units of work share, as connections share a database. One writes at a time, as on SQLite.

    Args:
        lock_timeout_s: how long a writer waits for another one.
    """

    def __init__(self, lock_timeout_s: float = 5.0) -> None:
        self.lock_timeout_s = lock_timeout_s
        self.writer, self.worker = Lock(), Lock()
        self.positions = count(1)
        """Those of events."""
        self.rows: Rows = {}
        """What is committed. Replaced as a whole and never changed, so that whoever holds it has a snapshot."""
        self.constraints: Constraints | None = None
        """Those of ``rows``, for the next writer: to make them anew takes the longer the more rows there are."""


def replaced(rows: Rows, aggregates: Iterable[Aggregate], deleted: Iterable[Key]) -> Rows:
    """Return rows with whole aggregates in the place of those of the same keys, and without the deleted ones."""
    changed = dict(rows)
    for root in deleted:
        del changed[root]
    for aggregate in aggregates:
        root = next(iter(aggregate))
        # rows that were there keep their places: parts without an order are loaded in that of their rows
        changed[root] = {**{key: row for key, row in changed.get(root, {}).items() if key in aggregate}, **aggregate}
    return changed
