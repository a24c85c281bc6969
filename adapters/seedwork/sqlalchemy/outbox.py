"""The outbox in the database."""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    Connection,
    Insert,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    union_all,
    update,
)

from adapters.seedwork.mapping import mapper_of
from adapters.seedwork.outbox import EncodingOutbox, new_delivery, values_of
from adapters.seedwork.shape import Row
from adapters.seedwork.sqlalchemy.bulk import insert_if_absent
from adapters.seedwork.tables import deliveries, events
from domain.seedwork.entity import Entity
from service_layer.seedwork.outbox import Delivery, Published, State

if TYPE_CHECKING:
    from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction

_d, _e = deliveries.c, events.c
_store, _deliver = insert(events).inline(), insert(deliveries).inline()
_next_due = (
    select(deliveries)
    .where(_d.handler == bindparam("handler"), _d.state == State.DUE, _d.not_before <= bindparam("now"))
    .order_by(_d.not_before, _d.position)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_of_aggregate = select(deliveries).where(
    _d.handler == bindparam("handler"), _d.aggregate_id == bindparam("aggregate_id")
)
_earlier = _of_aggregate.where(_d.position < bindparam("position")).order_by(_d.position.desc()).limit(1)
_later = _of_aggregate.where(_d.position > bindparam("position")).order_by(_d.position).limit(1)
# as it was: whoever has begun it since has counted
_SAME = ("position", "handler", "attempts")
_same = and_(*(_d[name] == bindparam(f"the_{name}") for name in _SAME))
_lock = select(_d.position).where(_same).with_for_update(skip_locked=True)
_remove, _change = delete(deliveries).where(_same), update(deliveries).where(_same)


class SqlAlchemyOutbox(EncodingOutbox):
    """Rows, locked where the database can lock them."""

    def __init__(self, transaction: "SqlAlchemyTransaction") -> None:
        self._session = transaction.working_session

    @property
    def _connection(self) -> Connection:
        return self._session.connection()

    @property
    def _locks_rows(self) -> bool:
        return self._session.get_bind().dialect.name != "sqlite"

    def known(self, kind: type[Entity], id: UUID) -> Entity | None:
        return self._session.identity_map.get(mapper_of(kind).identity_key_from_primary_key((id,)))

    def store(self, row: Row, aggregate_version: int | None, handlers: Sequence[str]) -> None:
        connection, row = self._connection, row | {"aggregate_version": aggregate_version}
        if handlers and self._locks_rows:
            connection.execute(_store_and_deliver(tuple(handlers)), row)
            return
        stored = connection.execute(_store, row)
        for name in handlers:
            new = new_delivery(stored.lastrowid, name, row["aggregate_id"], row["published_at"])
            connection.execute(_deliver, values_of(new))

    def deliver_again(self, published: Sequence[Published], handler: str, now: datetime) -> None:
        new = [new_delivery(one.position, handler, one.aggregate_id, now) for one in published]
        if new:
            insert_if_absent(self._connection, deliveries, *map(values_of, new))

    def due(self, handlers: Iterable[str], now: datetime) -> list[str]:
        # not by EXISTS: where most rows were due lately, PostgreSQL looks for one by reading the table
        first = select(func.min(_d.not_before)).where(_d.state == State.DUE)
        there = [
            select(literal(name)).where(first.where(_d.handler == name).scalar_subquery() <= now) for name in handlers
        ]
        return list(self._connection.scalars(union_all(*there))) if there else []

    def next_due(self, handler: str, now: datetime) -> Delivery | None:
        return self._one(_next_due, {"handler": handler, "now": now})

    def earlier(self, delivery: Delivery) -> Delivery | None:
        return self._one(_earlier, values_of(delivery))

    def later(self, delivery: Delivery) -> Delivery | None:
        return self._one(_later, values_of(delivery))

    def lock(self, delivery: Delivery) -> bool:
        return not self._locks_rows or self._connection.execute(_lock, _key(delivery)).first() is not None

    def change(self, delivery: Delivery, **values: object) -> bool:
        return self._connection.execute(_change.values(values), _key(delivery)).rowcount == 1

    def remove(self, delivery: Delivery) -> bool:
        return self._connection.execute(_remove, _key(delivery)).rowcount == 1

    def alone(self) -> AbstractContextManager[bool]:
        file = self._session.get_bind().engine.url.database
        return nullcontext(enter_result=True) if self._locks_rows else _lock_file(Path(f"{file}-worker"))

    def deliveries(
        self, limit: int, *, after: int = 0, state: State | None = None, handler: str | None = None
    ) -> list[Delivery]:
        wanted = select(deliveries).where(_d.position > after).order_by(_d.position, _d.handler).limit(limit)
        if state:
            wanted = wanted.where(_d.state == state)
        if handler is not None:
            wanted = wanted.where(_d.handler == handler)
        return [Delivery(**row) for row in self._connection.execute(wanted).mappings()]

    def events(self, limit: int, *, after: int = 0, lock: bool = False) -> list[Published]:
        wanted = select(events).where(_e.position > after).order_by(_e.position).limit(limit)
        if lock:
            wanted = wanted.with_for_update()
        return [Published(**row) for row in self._connection.execute(wanted).mappings()]

    def forget(self, positions: Sequence[int]) -> int:
        left = exists().where(_d.position == _e.position)
        return self._connection.execute(delete(events).where(_e.position.in_(positions), ~left)).rowcount

    def _one(self, statement: Select[Any], values: Row) -> Delivery | None:
        row = self._connection.execute(statement, values).mappings().first()
        return Delivery(**row) if row else None


@cache
def _store_and_deliver(handlers: tuple[str, ...]) -> Insert:
    """Return the statement that does both in one turn, where the database has it."""
    stored = insert(events).values({column: bindparam(column.key) for column in events.c if column is not _e.position})
    new = stored.returning(_e.position, _e.aggregate_id, _e.published_at).cte("stored").c
    rows = [
        select(
            new.position,
            literal(name),
            new.aggregate_id,
            literal_column("'due'"),
            literal_column("0"),
            new.published_at,
        )
        for name in handlers
    ]
    names = ["position", "handler", "aggregate_id", "state", "attempts", "not_before"]
    return insert(deliveries).from_select(names, union_all(*rows) if rows[1:] else rows[0])


def _key(delivery: Delivery) -> Row:
    return {f"the_{name}": getattr(delivery, name) for name in _SAME}


@contextmanager
def _lock_file(file: Path) -> Generator[bool]:
    """Lock a file beside an SQLite database, if nobody else has. SQLite itself does it, on every operating system."""
    file.touch(0o600)
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:  # another worker works
            yield False
            return
        yield True
