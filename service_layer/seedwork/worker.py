"""The worker: gives each delivery to its handler, in the order of each aggregate, until it has succeeded once.

What a handler does in the database is saved in the transaction that removes the delivery: exactly once. What it does
outside happens at least once.
"""

import logging
from asyncio import CancelledError, _get_running_loop  # get_running_loop() raises where no loop runs
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from traceback import extract_tb

from domain.seedwork.errors import DomainError
from service_layer.seedwork.block import BlockState
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict, TransactionError, UnitOfWorkMisuse
from service_layer.seedwork.outbox import Delivery, Published, State
from service_layer.seedwork.transaction import Transaction

TRIES = 10
LONGEST_PAUSE_S = 3_600
MOMENT_S = 1.0
"""How long a delivery is left alone while an earlier one of its aggregate is being made."""
BATCH = 20
"""How many deliveries of a handler are made before the next handler's turn."""

log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Worker:
    """Makes what is due. Any number of workers may run; each has a unit of work of its own.

    Args:
        uow: closed, and this worker's alone.
        is_stopped: asked between two deliveries.
        now: the clock.
    """

    def __init__(
        self, uow: Transaction, is_stopped: Callable[[], bool] = lambda: False, now: Callable[[], datetime] = _now
    ) -> None:
        self._uow, self._is_stopped, self._now = uow, is_stopped, now

    def work(self) -> int:
        """Make deliveries until nothing is due; return how many handlers were called."""
        calls = 0
        with self._uow.reading():
            alone = self._uow.outbox.alone()
        with alone as is_mine:
            # what another worker has locked is due, and can't be begun: then this one is done
            while is_mine and (begun := [called for handler in self._busy() for called in self._batch(handler)]):
                calls += sum(begun)
        return calls

    def _busy(self) -> list[str]:
        with self._uow.reading():
            return self._uow.outbox.due(self._uow.handlers, self._now())

    def _batch(self, handler: str) -> Generator[bool]:
        """Make some deliveries of a handler; yield for each that was begun whether the handler was called."""
        for _ in range(BATCH):
            if self._is_stopped() or (begun := self._begin(handler)) is None:
                return
            delivery, published = begun
            if published:
                self._call(delivery, published)
            yield published is not None

    def _begin(self, handler: str) -> tuple[Delivery, Published | None] | None:
        """Count a try of the next delivery, in a transaction of its own, and return it; None where nothing is due.

        Returns: the delivery, and its event; no event where the delivery must wait, is parked or is dropped.
        """
        now, uow, published = self._now(), self._uow, None
        with uow:
            outbox = uow.outbox
            delivery = outbox.next_due(handler, now)
            if delivery is None:
                uow.rollback()
                return None
            if earlier := outbox.earlier(delivery):
                # under the lock of the earlier one, which lets this one be due at its end: it can't miss it
                if outbox.lock(earlier):
                    outbox.change(delivery, state=State.WAITING)
                else:
                    outbox.change(delivery, not_before=now + timedelta(seconds=MOMENT_S))
            elif delivery.attempts >= TRIES:
                error = delivery.error or "The last try ended with its process."
                outbox.change(delivery, state=State.PARKED, error=error)
            elif (found := outbox.events(1, after=delivery.position - 1)) and found[0].position == delivery.position:
                attempts = delivery.attempts + 1
                outbox.change(delivery, attempts=attempts, not_before=now + _pause(attempts))
                (published,) = found
                delivery = replace(delivery, attempts=attempts)
            else:
                log.warning(
                    "%s can't get event %d, which was deleted: its delivery is dropped", handler, delivery.position
                )
                self._finish(delivery)
            uow.commit()
        return delivery, published

    def _call(self, delivery: Delivery, published: Published) -> None:
        uow = self._uow
        try:
            with uow:
                if not uow.outbox.lock(delivery):
                    uow.rollback()
                    return
                handler, event = uow.handlers[delivery.handler], uow.outbox.decoded(published)
                if not isinstance(event, handler.kinds):  # it did when that was published, or does in a newer release
                    raise UnitOfWorkMisuse(
                        f"{delivery.handler!r} does not take {published.name!r}. Let it take such events until the last"
                        " one is delivered, or let a worker of the newer release deliver it."
                    )
                uow.before_commit(partial(self._finish, delivery))
                handled = handler.function(uow, event)
                # a decorator has hidden it from HANDLERS.add()
                if isinstance(handled, AsyncGenerator | Awaitable | Generator):
                    raise UnitOfWorkMisuse(
                        f"{delivery.handler!r} returned before its work was done. Let it be a plain function."
                    )
                if uow.block and uow.block.state is not BlockState.COMMITTED:
                    uow.commit()
        except (Exception, CancelledError) as error:  # whatever a handler raises: it is tried again
            if isinstance(error, CancelledError) and _get_running_loop():
                raise  # not what asyncio.run() in a handler raises, but this worker's own end
            is_last = delivery.attempts >= TRIES
            reason, state = _reason(error), State.PARKED if is_last else State.DUE
            log.warning(
                "%s of event %s failed, try %d of %d: %s",
                *(delivery.handler, published.id, delivery.attempts, TRIES, reason),
                exc_info=is_last,
            )
            with uow:
                # from now: what has waited for another service for long would come again at once
                uow.outbox.change(
                    delivery, error=reason, state=state, not_before=self._now() + _pause(delivery.attempts)
                )
                uow.commit()

    def _finish(self, delivery: Delivery) -> None:
        if not self._uow.outbox.finish(delivery, self._now()):
            raise ConcurrencyConflict(OVERTAKEN)


def _pause(attempts: int) -> timedelta:
    """Return how long a delivery is left alone after so many tries."""
    return timedelta(seconds=min(2 ** (attempts - 1), LONGEST_PAUSE_S))


def _reason(error: BaseException) -> str:
    """Return what went wrong; of an error that is not ours, whose text may hold a secret, its type and its place."""
    if isinstance(error, DomainError | TransactionError):
        words = " ".join(str(error).split())
        # no database takes a lone surrogate, and PostgreSQL no NUL
        shown = (letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in words)
        return f"{type(error).__name__}: {''.join(shown)}"[:500]
    place = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
