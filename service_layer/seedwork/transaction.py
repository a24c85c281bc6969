"""The rules of a transaction. They stand here, once, for every implementation of a unit of work.

Source: Unit of Work, in Fowler, Patterns of Enterprise Application Architecture (2002).
"""

import time
import warnings
from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import Self

from service_layer.seedwork.block import Block, BlockState, running_caller
from service_layer.seedwork.commit_hooks import CommitHooks
from service_layer.seedwork.errors import (
    WRITE_IN_READING_BLOCK,
    FailedTransaction,
    UncommittedChanges,
    UnitOfWorkMisuse,
)


class Transaction(CommitHooks):
    """Begins, commits, rolls back and closes; nothing else does. A unit of work adds its repositories.

    ::

        with uow:                        # a fresh session, and a transaction of its own
            order = uow.orders.get(order_id)
            order.place(now)
            uow.commit()                 # without this line nothing happened

    A block that is left by an exception is rolled back; so is one that is left with changes that were neither committed
    nor rolled back, and it raises UncommittedChanges. ``with uow:`` inside an open block is a savepoint: what it
    commits lives if every block around it commits, and its failure undoes its own changes alone.
    ``with uow.reading():`` is a transaction that can't write. Once left, the same object can be entered again; while it
    is open it belongs to the thread or asyncio task that entered it. Leaving ends the innermost block, so a generator
    must not yield inside an inner one.

    Entities end with their block: they stay readable, and whoever wants to change one gets it again. Only a new entity
    whose block was not saved may be added again. Inside a block errors are the domain's and those of ``errors.py``.

    Args:
        isolation_level: where the database has several, such as "SERIALIZABLE"; None for its usual one.
        levels: those that it has.
    Raises: UnitOfWorkMisuse (it has no such level).
    """

    retry_tries = 10
    """How often ``retry_transient`` runs a function on this unit of work, the first time included."""
    retry_seconds = 10.0
    """For how long it begins new tries."""

    def __init__(self, isolation_level: str | None = None, *levels: str) -> None:
        if isolation_level not in {None, *levels}:
            raise UnitOfWorkMisuse(f"There is no isolation level {isolation_level!r}. Use {' or '.join(levels)}.")
        self.isolation_level = isolation_level
        self.block: Block | None = None
        """The innermost open block, for implementations."""
        self._entered = Lock()
        self._owner: object = None

    @property
    def is_open(self) -> bool:
        """Whether a block is open."""
        return self.block is not None

    def require_closed(self, what: str) -> None:
        """Raise UnitOfWorkMisuse if a block is open; ``what`` is the reason: "archive() commits batches"."""
        if self.block:
            raise UnitOfWorkMisuse(f"{what}, so it can't be a step of an open block. Call it outside of: with uow:")

    def __enter__(self) -> Self:
        self._enter(read_only=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._leave(error)

    @contextmanager
    def reading(self) -> Generator[Self]:
        """Open a read-only transaction: writes fail, an entity changed in it fails at its end, no commit is needed.

        It never waits for a writer. Inside a writing block it is a part of that block, and refuses only ``commit()``
        and ``with uow:``.
        """
        joins = self.is_open
        block = self._enter(read_only=True)
        error = None
        try:
            yield self
        except BaseException as raised:
            error = raised
            raise
        finally:
            if joins:
                block.readers -= 1
            elif self.block is block:  # a generator may be closed after its block has ended
                self._leave(error)

    def flush(self) -> None:
        """Send the changes to the database now: it reports a broken constraint here, not at the commit."""
        self.working_block("uow.flush()")
        self._flush()

    def commit(self) -> None:
        """Save the block's changes, if the blocks around it commit too, and end its work.

        Raises: FailedTransaction (a failure was swallowed before), and whatever the changes break.
        """
        block = self._writing_block("uow.commit()")
        self._flush()
        if not block.outer:
            self._run_before_commit(block)
        block.state = BlockState.COMMITTING
        try:
            self._commit()
        except BaseException as error:
            block.fail(error, lost=True)  # nobody knows what it has saved, so the blocks around can't be saved either
            raise
        block.state = BlockState.COMMITTED
        block.hand_over()

    def rollback(self) -> None:
        """Undo the block's changes, and end its work."""
        block = self.working_block("uow.rollback()", failed=True)
        block.state = BlockState.ROLLED_BACK
        self._undo(block)

    def pause(self, seconds: float) -> None:
        """Wait before a new try."""
        time.sleep(seconds)

    def working_block(self, action: str, *, failed: bool = False) -> Block:
        """Return the innermost block if the caller may work in it.

        Args:
            action: what the caller wrote, for the message.
            failed: whether a block in which something has failed is accepted too.
        Raises: UnitOfWorkMisuse (no block is open, its work has ended, or another thread or task opened it),
            FailedTransaction (something failed in it before).
        """
        block = self.block
        if block is None:
            raise UnitOfWorkMisuse(f"{action} outside a block. Write it inside: with uow:")
        if self._owner != running_caller():
            raise UnitOfWorkMisuse(f"{action} in a block that is open in another thread or task. Make a unit for each.")
        if block.state is not BlockState.OPEN:
            raise UnitOfWorkMisuse(
                f"{action} in a block that was {block.state.value}. Write it in a new one: with uow:"
            )
        if block.failure and not failed:
            raise FailedTransaction(action, block.failure) from block.failure
        return block

    def _writing_block(self, action: str) -> Block:
        block = self.working_block(action)
        if block.only_reads:
            raise UnitOfWorkMisuse(f"{action} in a reading block. To write, open it by: with uow:")
        return block

    def _enter(self, *, read_only: bool) -> Block:
        if self._entered.acquire(blocking=False):
            self._owner, self.block = running_caller(), Block(None, read_only)
            try:
                self._begin()
            except BaseException:
                try:
                    self._close()
                finally:
                    self._release()
                raise
            return self.block
        outer = self.working_block("with uow:")
        if read_only:
            outer.readers += 1
            return outer
        if outer.only_reads:
            raise UnitOfWorkMisuse("with uow: inside a reading block. To write, open that one by: with uow:")
        self._nest()
        self.block = Block(outer, read_only)
        return self.block

    def _leave(self, error: BaseException | None) -> None:
        block = self.block
        if block is None:
            raise UnitOfWorkMisuse("Left a block that is closed already. Write: with uow:")
        unfinished = block.state is BlockState.OPEN
        lost_changes = False
        try:
            try:
                if error is None and block.failure is None and block.can_lose_changes:
                    lost_changes = block.changed or self._is_dirty() or block.has_hooks
            finally:
                if unfinished or not block.outer:
                    self._undo(block)
        except Exception as closing:
            if error is not None:
                error.add_note(f"Closing the unit of work failed as well: {closing!r}")
            elif block.state is BlockState.COMMITTED:
                warnings.warn(f"The block is saved, but closing it failed: {closing!r}", ResourceWarning, stacklevel=3)
            else:
                raise
        finally:
            self.block = block.outer
            if not block.outer:
                self._release()
        if block.state is BlockState.COMMITTED and not block.outer:
            self._run_after_commit(block)
        if lost_changes:
            raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK) if block.read_only else UncommittedChanges(block.state.value)

    def _undo(self, block: Block) -> None:
        if not block.outer:
            self._close()
            return
        try:
            self._rollback()
        except BaseException as error:
            block.outer.fail(error, lost=True)  # what should be undone may still be there
            raise

    def _release(self) -> None:
        self._owner = self.block = None
        self._entered.release()

    # ---- what each implementation does ------------------------------------------------------------------------------

    @abstractmethod
    def _begin(self) -> None: ...  # a transaction for the block
    @abstractmethod
    def _nest(self) -> None: ...  # flush, and set a savepoint
    @abstractmethod
    def _flush(self) -> None: ...  # send pending changes; note a failure in the block
    @abstractmethod
    def _is_dirty(self) -> bool: ...  # are changes pending?
    @abstractmethod
    def _commit(self) -> None: ...  # release the innermost savepoint, or else commit the transaction
    @abstractmethod
    def _rollback(self) -> None: ...  # roll back to the innermost savepoint, and release it
    @abstractmethod
    def _close(self) -> None: ...  # roll back what is not committed, and free everything; a second call does nothing
