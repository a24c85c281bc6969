"""SQLAlchemy's session as a unit of work needs it: the unit alone ends it, and objects stay readable (``undo``)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import Connection, event
from sqlalchemy.exc import CircularDependencyError
from sqlalchemy.orm import InstanceState, Mapper, SessionTransaction
from sqlalchemy.orm.exc import StaleDataError

from adapters.seedwork.keeping import KeepingSession, removed_with
from adapters.seedwork.refusals import BEGUN_BY_UNIT, ENDED, REFERENCE
from adapters.seedwork.sqlalchemy.flush import prepare_flush, root_of
from adapters.seedwork.sqlalchemy.undo import Undo, unsave
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict, ReferenceViolated, UnitOfWorkMisuse
from service_layer.seedwork.transaction import Transaction


@dataclass(slots=True)
class _Begun:
    """A transaction, or a savepoint in it, that a block has begun."""

    transaction: SessionTransaction
    added_before: int
    """How many objects were added before it."""
    opened_before: int
    """How many cursors were opened before it."""
    kept_before: int
    """How many objects were kept before it."""
    flushed_before: int
    """How many versions were flushed before it."""
    wrote_past: bool = False
    """Whether a statement has written past the session's own record of what changed."""
    loaded: set[int] = field(default_factory=set)
    """The ``id()`` of what was loaded in it, if it is a savepoint, and not before it."""


class UnitSession(KeepingSession):
    """The session of one block of a unit of work, and of the blocks inside it, on a connection of its own."""

    unit: Transaction
    """The unit of work that it belongs to, and informs of every failure."""
    may_have_locked = False
    """Whether a statement may have locked something: any but a plain SELECT."""

    def __init__(self, *args: Any, only_reads: bool = False, **options: Any) -> None:  # Any: as Session has them
        super().__init__(*args, **options)
        self.only_reads = only_reads
        """Whether its unit of work opens reading blocks alone."""
        self._is_flushing = False
        self._blocks: list[_Begun] = []
        """The transaction and its savepoints, innermost last."""
        self.kept = []
        self._added: list[object] = []
        self._open: list[Any] = []  # Any: a driver's cursor, or its adapter
        """The cursors that the server keeps open, to be read in batches."""
        self._undo = Undo()

    @property
    def is_read_only(self) -> bool:
        return bool(self.unit.block and self.unit.block.read_only)

    @property
    def is_dirty(self) -> bool:
        """Whether changes are pending, or were made after the commit."""
        if self._blocks and (self.new or self.deleted):
            return True
        return self.identity_map.check_modified() and any(map(self.is_modified, self.dirty))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise UnitOfWorkMisuse(BEGUN_BY_UNIT)

    begin = begin_nested = commit = rollback = close = reset = invalidate = prepare = _refuse

    def begin_block(self) -> None:
        """Begin a transaction; inside it, flush and set a savepoint."""
        marks = len(self._added), len(self._open), len(self.kept)
        if len(self._blocks) == 1:  # this session alone, since whatever is loaded takes longer from now on
            event.listen(self, "loaded_as_persistent", UnitSession.note_loaded)
        transaction = super().begin(nested=bool(self._blocks))
        self._blocks.append(_Begun(transaction, *marks, len(self._undo.flushed)))

    def commit_block(self) -> None:
        """Release the innermost savepoint, or commit the transaction."""
        block, connection = self.unit.block, self.bind
        assert isinstance(connection, Connection)
        dialect: Any = connection.dialect  # Any: a UnitOfWorkDialect
        if block and block.changed and not block.outer and dialect.has_ended(connection.connection.driver_connection):
            raise UnitOfWorkMisuse(ENDED)
        try:
            self._blocks[-1].transaction.commit()
        except BaseException:
            if len(self._blocks) == 1:
                _end_transaction(connection)
            self._undo.show()
            raise
        ended = self._blocks.pop()
        if self._blocks:
            self._blocks[-1].wrote_past |= ended.wrote_past
            self._blocks[-1].loaded |= ended.loaded
        else:
            self._added.clear()

    def rollback_block(self) -> None:
        """Roll back to the innermost savepoint, and give the objects the values that their rows have then."""
        ended = self._blocks.pop()
        self._close_open(ended.opened_before)
        assert isinstance(self.bind, Connection)
        is_whole = ended.wrote_past or self.bind.invalidated  # whose parts expire with it, and can't be loaded again
        self._undo.remember(self.identity_map.values() if is_whole else self.kept[ended.kept_before :])
        try:
            if self.unit.block and not self.unit.block.failure:
                for instance in self.dirty:
                    if (root := root_of(self, instance)) is not None:
                        self._undo.note(root)  # whose version says whether its parts are as they were
            self._undo.forget_changes(self)
            ended.transaction.rollback()
            if ended.wrote_past:  # what was written past the session, and then loaded, is undone
                self.expire_all()
            overtaken = self._undo.reload(self, ended.flushed_before)
            if self.unit.block and any(id(entity) not in ended.loaded for entity in overtaken):
                # the blocks around would overwrite what they have not read
                self.unit.block.fail(ConcurrencyConflict(OVERTAKEN), lost=True)
            self._blocks[-1].loaded |= ended.loaded
        finally:  # a row may be gone, and the connection lost
            self._undo.show()
        self._unsave(ended.added_before)

    def end(self) -> None:
        """Roll back what is not committed, and detach the objects. Unlike after a rollback, they stay readable."""
        try:
            # SQLAlchemy's identity map may outlive this block, and must not hold an object that is new again after it
            for instance in self._added:
                if instance in self:
                    super().expunge(instance)
            super().close()
        finally:
            self._close_open(0)
            self._unsave(0)
            self._blocks.clear()  # they refer to the session: only the garbage collector would free that cycle

    def expunge(self, instance: object) -> None:
        """Let go of an object. Parts of a new one may be stored ones, and it may come back: the block knows them."""
        if instance in self.new:
            self.keep(*removed_with(instance))
        super().expunge(instance)

    def flush(self, objects: Sequence[Any] | None = None) -> None:  # Any: as Session has it
        self._is_flushing = True
        try:
            self._undo.refuse_changes_of_gone()
            super().flush(objects)
        except (StaleDataError, CircularDependencyError) as error:
            is_circle = isinstance(error, CircularDependencyError)
            refusal = ReferenceViolated(REFERENCE) if is_circle else ConcurrencyConflict(OVERTAKEN)
            self.fail(refusal)
            raise refusal from error
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self._is_flushing = False
            self._undo.end_flush()

    def fail(self, error: BaseException, *, lost: bool = False) -> None:
        """Inform the unit that something failed."""
        self._undo.show()
        if lost:  # the next rollback can't load them again
            self._undo.remember(self.identity_map.values())
        if self.unit.block:
            self.unit.block.fail(error, lost=lost)

    def note_write(self) -> None:
        """Note in the innermost block that a statement has written."""
        if self.unit.block:
            self.unit.block.changed = True
        if self._blocks and not self._is_flushing:
            self._blocks[-1].wrote_past = True

    def keep_open(self, cursor: Any) -> None:  # Any: a driver's cursor, or its adapter
        """Remember a cursor of the server, which is closed with the block."""
        self._open.append(cursor)

    def keep(self, *instances: object) -> None:
        if not self.is_read_only:
            self.kept += instances

    def keep_versions(self, *instances: object) -> None:
        self._undo.remember_versions(instances)

    def keep_added(self, instance: object) -> None:
        """Remember that an entity or a part was new."""
        self._added.append(instance)

    def note_loaded(self, instance: object) -> None:
        """Note that the innermost block has loaded an object."""
        for block in self._blocks[-1:]:
            block.loaded.add(id(instance))

    def keep_values(self, *_: object) -> None:
        """Remember the values of objects: a flush or a commit has failed, and SQLAlchemy expires them next."""
        innermost = self.get_nested_transaction() or self.get_transaction()
        if self._blocks and self._blocks[-1].transaction is innermost:
            changed = [*self.dirty, *self.kept[self._blocks[-1].kept_before :]]
            self._undo.remember(changed if len(self._blocks) > 1 else self.identity_map.values())
        self._undo.note_changed(self)

    def keep_values_of(self, instance: object) -> None:
        """Remember the values of an object whose deletion SQLAlchemy rolls back, and which it expires next."""
        self._undo.remember([instance])
        self._undo.note(instance)

    def keep_expired(self, instance: object) -> None:
        """Remember that SQLAlchemy has forgotten the values of an object."""
        self._undo.note(instance)

    def _close_open(self, mark: int) -> None:
        """Close cursors that may be half-read: the driver would close them in a later block, which knows none."""
        for cursor in self._open[mark:]:
            with suppress(Exception):  # a lost connection, which the next statement reports
                cursor.close()
        del self._open[mark:]

    def _unsave(self, mark: int) -> None:
        for instance in self._added[mark:]:
            unsave(instance)
            if any(part in self for part in removed_with(instance)):
                self.keep(instance)  # SQLAlchemy takes no part from an owner that is gone
        del self._added[mark:]


event.listen(UnitSession, "before_flush", prepare_flush)
event.listen(UnitSession, "transient_to_pending", UnitSession.keep_added)
event.listen(UnitSession, "after_rollback", UnitSession.keep_values)
event.listen(UnitSession, "deleted_to_persistent", UnitSession.keep_values_of)


@event.listens_for(Mapper, "expire", raw=True)
def _keep_expired(state: InstanceState[Any], names: object) -> None:
    if names is None and isinstance(state.session, UnitSession) and (instance := state.obj()) is not None:
        state.session.keep_expired(instance)


def _end_transaction(connection: Connection) -> None:
    """End the transaction after a failed COMMIT. SQLAlchemy thinks it has ended, and the next block would commit it."""
    if not connection.invalidated:
        try:
            connection.dialect.do_rollback(connection.connection)
        except Exception:  # whatever the driver raises
            connection.invalidate()
