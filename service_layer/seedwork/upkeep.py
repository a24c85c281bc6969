"""What operators do with events and receipts, in transactions of a bounded size each."""

from datetime import UTC, datetime, timedelta

from domain.seedwork.errors import InvalidValue
from domain.seedwork.events import Event, kind_of
from service_layer.seedwork.outbox import Delivery, State
from service_layer.seedwork.transaction import Transaction

BATCH = 1_000


def list_deliveries(uow: Transaction, *, after: int = 0, limit: int = 50, state: State | None = None) -> list[Delivery]:
    """Return the deliveries that are not done, in order, of the events after the position ``after``.

    Those of one event stay together, beyond the limit too: the next page begins after its position.
    """
    with uow.reading():
        found = uow.outbox.deliveries(limit, after=after, state=state)
        if found and len(found) == limit:
            last = found[-1].position
            rest = uow.outbox.deliveries(BATCH, after=last - 1, state=state)
            found += [one for one in rest if one.position == last and one not in found]
    return found


def retry_deliveries(uow: Transaction, handler: str | None = None) -> int:
    """Let what is parked be tried again, of one handler or of all; return how many deliveries that were."""
    found = 0
    while True:
        with uow:
            batch = uow.outbox.deliveries(BATCH, state=State.PARKED, handler=handler)
            for delivery in batch:
                uow.outbox.change(delivery, state=State.DUE, attempts=0, not_before=datetime.now(UTC))
            uow.commit()
        found += len(batch)
        if len(batch) < BATCH:
            return found


def drop_deliveries(uow: Transaction, handler: str, position: int | None = None) -> int:
    """Give up deliveries of a handler; return how many. What has waited for them is due then.

    Args:
        position: that of the event, whose delivery is given up whatever its state; None for all that are parked, or for
            all that are left where there is no such handler any more.
    """
    state = State.PARKED if position is None and handler in uow.handlers else None
    after, limit = (0, BATCH) if position is None else (position - 1, 1)
    dropped = 0
    while True:
        with uow:
            batch = uow.outbox.deliveries(limit, after=after, state=state, handler=handler)
            wanted = [one for one in batch if position in {None, one.position}]
            dropped += sum(uow.outbox.finish(one, datetime.now(UTC)) for one in wanted)
            uow.commit()
        if len(batch) < limit or position is not None:
            return dropped
        after = batch[-1].position


def replay(uow: Transaction, handler: str) -> int:
    """Deliver all stored events of its kinds to a handler again; return how many there are.

    Those that it has yet to get are not doubled. What is published meanwhile comes after them.

    Raises: InvalidValue (there is no such handler).
    """
    if handler not in uow.handlers:
        raise InvalidValue("handler", handler, f"it must be one of {', '.join(map(repr, uow.handlers))}")
    kinds, made, after = uow.handlers[handler].kinds, 0, 0
    while True:
        with uow:
            batch = uow.outbox.events(BATCH, after=after, lock=True)
            wanted = [event for event in batch if _is_of(event.name, kinds)]
            uow.outbox.deliver_again(wanted, handler, datetime.now(UTC))
            uow.commit()
        made += len(wanted)
        if len(batch) < BATCH:
            return made
        after = batch[-1].position


def _is_of(name: str, kinds: tuple[type[Event], ...]) -> bool:
    try:
        return issubclass(kind_of(name), kinds)
    except LookupError:  # its class is gone, and with it every handler of its kind
        return False


def prune(uow: Transaction, older_than: timedelta) -> int:
    """Delete old events that all their handlers have got, and old receipts; return how many of both."""
    before, after, gone = datetime.now(UTC) - older_than, 0, 0
    while True:
        with uow:
            stored = uow.outbox.events(BATCH, after=after, lock=True)
            batch = [event for event in stored if event.published_at < before]
            gone += uow.outbox.forget([event.position for event in batch])
            receipts = uow.receipts.forget(before, BATCH)
            uow.commit()
        gone += receipts
        # not at the first young one: a clock may have been ahead
        if (not batch or len(stored) < BATCH) and receipts < BATCH:
            return gone
        after = stored[-1].position if stored else after
