"""The outbox in memory: the same rows, in the store of the repositories."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from adapters.seedwork.mapping import mapper_of
from adapters.seedwork.memory.rows import key_of
from adapters.seedwork.outbox import EncodingOutbox, new_delivery, values_of
from adapters.seedwork.shape import Row, shape_of
from adapters.seedwork.tables import deliveries, events
from domain.seedwork.entity import Entity
from service_layer.seedwork.outbox import Delivery, Published, State

if TYPE_CHECKING:
    from adapters.seedwork.memory.transaction import InMemoryTransaction


class InMemoryOutbox(EncodingOutbox):
    """Rows of one writer at a time, which need no locks."""

    def __init__(self, transaction: "InMemoryTransaction") -> None:
        self._session, self._store = transaction.working_session, transaction.store

    def known(self, kind: type[Entity], id: UUID) -> Entity | None:
        return self._session.known(key_of(shape_of(mapper_of(kind)), id))

    def store(self, row: Row, aggregate_version: int | None, handlers: Sequence[str]) -> None:
        position = next(self._store.positions)
        self._session.put(events, (position,), row | {"position": position, "aggregate_version": aggregate_version})
        for name in handlers:
            self._put(new_delivery(position, name, row["aggregate_id"], row["published_at"]))

    def deliver_again(self, published: Sequence[Published], handler: str, now: datetime) -> None:
        there = {one.position for one in self._deliveries(handler)}
        for one in published:
            if one.position not in there:
                self._put(new_delivery(one.position, handler, one.aggregate_id, now))

    def due(self, handlers: Iterable[str], now: datetime) -> list[str]:
        return [name for name in handlers if self.next_due(name, now)]

    def next_due(self, handler: str, now: datetime) -> Delivery | None:
        due = [one for one in self._deliveries(handler) if one.state is State.DUE and one.not_before <= now]
        return min(due, key=lambda one: (one.not_before, one.position), default=None)

    def earlier(self, delivery: Delivery) -> Delivery | None:
        before = [one for one in self._of_aggregate(delivery) if one.position < delivery.position]
        return before[-1] if before else None

    def later(self, delivery: Delivery) -> Delivery | None:
        return next((one for one in self._of_aggregate(delivery) if one.position > delivery.position), None)

    def lock(self, delivery: Delivery) -> bool:
        return True

    def change(self, delivery: Delivery, **values: object) -> bool:
        if stored := self._stored(delivery):
            self._session.put(deliveries, (delivery.position, delivery.handler), values_of(stored) | values)
        return stored is not None

    def remove(self, delivery: Delivery) -> bool:
        if stored := self._stored(delivery):
            self._session.drop(deliveries, (delivery.position, delivery.handler))
        return stored is not None

    @contextmanager
    def alone(self) -> Generator[bool]:
        is_mine = self._store.worker.acquire(blocking=False)
        try:
            yield is_mine
        finally:
            if is_mine:
                self._store.worker.release()

    def deliveries(
        self, limit: int, *, after: int = 0, state: State | None = None, handler: str | None = None
    ) -> list[Delivery]:
        wanted = [one for one in self._deliveries(handler) if one.position > after and state in {None, one.state}]
        return wanted[:limit]

    def events(self, limit: int, *, after: int = 0, lock: bool = False) -> list[Published]:
        # nothing to lock: one block writes at a time
        rows = [row for row in self._session.roots(events).values() if row["position"] > after]
        return [Published(**row) for row in rows[:limit]]

    def forget(self, positions: Sequence[int]) -> int:
        kept = {one.position for one in self._deliveries(None)}
        there = {row["position"] for row in self._session.roots(events).values()}
        gone = there & {*positions} - kept
        for position in gone:
            self._session.drop(events, (position,))
        return len(gone)

    def _put(self, delivery: Delivery) -> None:
        self._session.put(deliveries, (delivery.position, delivery.handler), values_of(delivery))

    def _deliveries(self, handler: str | None) -> list[Delivery]:
        rows = [Delivery(**row) for row in self._session.roots(deliveries).values()]
        return [one for one in rows if handler in {None, one.handler}]

    def _of_aggregate(self, delivery: Delivery) -> list[Delivery]:
        return [one for one in self._deliveries(delivery.handler) if one.aggregate_id == delivery.aggregate_id]

    def _stored(self, delivery: Delivery) -> Delivery | None:
        same = (delivery.position, delivery.attempts)
        return next((one for one in self._deliveries(delivery.handler) if (one.position, one.attempts) == same), None)
