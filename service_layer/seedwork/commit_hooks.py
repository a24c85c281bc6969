"""What a block does at its commit: events that are stored last, and calls that follow."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from domain.seedwork.entity import Entity
from domain.seedwork.events import Event
from service_layer.seedwork.block import Block
from service_layer.seedwork.errors import UnitOfWorkMisuse
from service_layer.seedwork.functions import returns_early
from service_layer.seedwork.outbox import Handlers, Outbox
from service_layer.seedwork.receipts import Receipts

log = logging.getLogger(__name__)


class CommitHooks(ABC):
    """The part of a transaction that takes such steps, and runs them. ``Transaction`` says when."""

    outbox: Outbox
    """The stored events, for workers."""
    receipts: Receipts
    """The receipts of requests, for ``once``."""
    handlers: ClassVar[Handlers] = Handlers()
    """Who gets the events that are published; a unit of work names its own."""

    def publish(self, event: Event) -> None:
        """Store an event with what the block saves, or not at all, and a delivery for each of its ``handlers``.

        The outermost commit stores it, after all changes: the events of an aggregate that their blocks change have the
        order of the commits. Of a block that is rolled back nothing is stored.

        Raises: UnitOfWorkMisuse (no block is open, or it only reads; JSON can't keep the event).
        Source: ``docs/events.md``.
        """
        block = self._writing_block("uow.publish()")
        if not isinstance(event, Event):
            raise UnitOfWorkMisuse(
                f"uow.publish() of a {type(event).__name__}. Publish an Event, as docs/events.md shows."
            )
        outbox = self.outbox
        row, aggregate = outbox.row_of(event), outbox.known(event.of, event.aggregate_id)
        block.before_commit.append(partial(self._store, outbox, event, row, aggregate))

    def before_commit(self, write: Callable[[], None]) -> None:
        """Let the outermost commit write something last; a block that is rolled back drops it."""

        def write_all() -> None:
            write()
            self._flush()

        self._writing_block("uow.before_commit()").before_commit.append(write_all)

    def after_commit(self, call: Callable[[], object]) -> None:
        """Call a function when the block is saved, for what may be lost: to clear a cache, to count in a metric.

        It is called once the outermost block has been left, so that the transaction is over, its connection is free,
        and ``with uow:`` in it opens a block of its own. Calls run in order; one that fails is logged, and nobody else
        learns of it. A block that is rolled back drops its calls, and so does the end of the process: what must not be
        lost is published as an event.

        Raises: UnitOfWorkMisuse (no block is open, or it only reads; ``call`` is no plain function).
        """
        block = self._writing_block("uow.after_commit()")
        if not callable(call) or returns_early(call):
            raise UnitOfWorkMisuse(
                "uow.after_commit() takes a plain function without arguments, and calls it later. Write:"
                " uow.after_commit(lambda: send(order_id))"
            )
        block.after_commit.append(call)

    @abstractmethod
    def _writing_block(self, action: str) -> Block: ...

    @abstractmethod
    def _flush(self) -> None: ...

    def _store(self, outbox: Outbox, event: Event, row: dict[str, Any], aggregate: Entity | None) -> None:
        aggregate = aggregate or outbox.known(event.of, event.aggregate_id)
        outbox.store(row, aggregate.version if aggregate else None, self.handlers.of(event))

    def _run_before_commit(self, block: Block) -> None:
        try:
            while block.before_commit:
                block.before_commit.pop(0)()
        except BaseException as error:
            block.fail(error)
            raise

    def _run_after_commit(self, block: Block) -> None:
        for call in block.after_commit:
            try:
                call()
            except Exception:  # whatever it raises: the work is saved, and no caller may take it for a failed commit
                log.exception("A function that was to run after the commit failed; what was committed is saved.")
