"""One ``with`` block of a unit of work: its state and its owner."""

from asyncio import _get_running_loop, current_task  # asked first: current_task() raises where no loop runs
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import local
from typing import Self


class BlockState(Enum):
    """What has become of a block."""

    OPEN = "open"
    """Work is possible, and nothing is saved yet."""
    COMMITTING = "being committed"
    """COMMIT is being sent: if the connection is lost now, nobody knows whether it arrived."""
    COMMITTED = "committed"
    """The work is saved: that of an inner block if every block around it commits too. No more is possible."""
    ROLLED_BACK = "rolled back"
    """The work is undone. No more is possible."""


@dataclass(slots=True, eq=False)
class Block:
    """A transaction, or a savepoint inside the block ``outer``."""

    outer: Self | None
    read_only: bool
    state: BlockState = BlockState.OPEN
    changed: bool = False
    """Whether a statement wrote something; the implementation that sends the statements sets it."""
    failure: BaseException | None = None
    """What went wrong first; from then on nothing but a rollback is possible."""
    readers: int = 0
    """How many ``reading()`` blocks have joined."""
    before_commit: list[Callable[[], None]] = field(default_factory=list)
    """What the outermost commit writes last, when the rows of all aggregates are locked: events."""
    after_commit: list[Callable[[], object]] = field(default_factory=list)
    """What to call after the outermost commit."""

    @property
    def only_reads(self) -> bool:
        """Whether this is a reading block, or one has joined it and is still open."""
        return self.read_only or self.readers > 0

    @property
    def has_hooks(self) -> bool:
        """Whether hooks wait for a commit that has not come."""
        return self.state is BlockState.OPEN and bool(self.before_commit or self.after_commit)

    @property
    def can_lose_changes(self) -> bool:
        """Whether changes would be lost if the block were left now; a committed inner one passes them on."""
        return self.state is BlockState.OPEN or (self.state is BlockState.COMMITTED and not self.outer)

    def hand_over(self) -> None:
        """Give what the block has done to the block around it, whose commit will save it."""
        if self.outer:
            self.outer.changed |= self.changed
            self.outer.before_commit += self.before_commit
            self.outer.after_commit += self.after_commit
        self.changed = False

    def fail(self, error: BaseException, *, lost: bool = False) -> None:
        """Note a failure. If it lost the connection, the blocks around have failed with this one."""
        if self.state is BlockState.COMMITTING:
            self.state = BlockState.OPEN
        self.failure = self.failure or error
        if lost and self.outer:
            self.outer.fail(error, lost=True)


class _Thread(local):
    def __init__(self) -> None:
        self.itself = object()  # not its ident, which a thread that is started after its end may get


_thread = _Thread()


def running_caller() -> object:
    """Return the owner of a block that is opened now: the running asyncio task, or else the thread."""
    return (_get_running_loop() and current_task()) or _thread.itself
