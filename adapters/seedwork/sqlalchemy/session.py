"""SQLAlchemy's session as a unit of work needs it: a version for a whole aggregate, and a rollback of objects too."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, event, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper, Session, SessionTransaction, make_transient
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.util import IdentitySet

from domain.seedwork.entity import Entity
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict
from service_layer.seedwork.transaction import Transaction


class UnitSession(Session):
    """The session of one block of a unit of work, and of the blocks inside it, on a connection of its own."""

    unit: Transaction
    """Whom it serves, and tells of every failure."""

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: as Session has them
        super().__init__(*args, **options)
        self._blocks: list[tuple[SessionTransaction, int]] = []
        """The transaction and its savepoints, innermost last, each with the number of steps to be undone before it."""
        self._steps: list[Callable[[], None]] = []
        """How to undo in the objects what flushes have done to them."""
        self._saved: list[object] = []
        self._deleted_things: list[object] = []

    @property
    def is_read_only(self) -> bool:
        return bool(self.unit.block and self.unit.block.read_only)

    @property
    def is_changed(self) -> bool:
        """Whether changes are pending, or something was changed after it was committed."""
        return bool(self.new or self.deleted) or any(map(self.is_modified, (*self.dirty, *self._saved)))

    @property
    def is_in_foreign_savepoint(self) -> bool:
        """Whether a caller has set a savepoint of its own, inside which a failure is its own affair."""
        innermost = self.get_nested_transaction() or self.get_transaction()
        return bool(self._blocks) and self._blocks[-1][0] is not innermost

    def begin_block(self) -> None:
        """Begin a transaction; inside it, flush and set a savepoint."""
        transaction = self.begin_nested() if self._blocks else self.begin()
        self._blocks.append((transaction, len(self._steps)))

    def commit_block(self) -> None:
        """Release the innermost savepoint, or commit the transaction."""
        try:
            self._blocks[-1][0].commit()
        except BaseException:
            if len(self._blocks) == 1:
                _end_transaction(self.get_bind())
            raise
        self._blocks.pop()
        if not self._blocks:
            self._saved += self.identity_map.values()
            self._let_go()

    def rollback_block(self) -> None:
        """Roll back to the innermost savepoint, objects included."""
        transaction, mark = self._blocks.pop()
        transaction.rollback()
        self._undo_steps(mark)
        for thing in list(self.identity_map.values()):
            if inspect(thing).expired:  # it may be used on, and must be readable after the block
                self._reload(thing)

    def close(self) -> None:
        """Roll back what is not committed. Other than by ``rollback()``, objects stay readable."""
        try:
            super().close()
        finally:
            if self._blocks:
                self._let_go()
                self._undo_steps(0)
                self._blocks.clear()  # they refer to the session: only the garbage collector would free that circle

    def flush(self, objects: Sequence[Any] | None = None) -> None:  # Any: as Session has it
        try:
            super().flush(objects)
        except StaleDataError as error:
            conflict = ConcurrencyConflict(OVERTAKEN)
            self.fail(conflict, harmless=self.is_in_foreign_savepoint)
            raise conflict from error
        except BaseException as error:
            self.fail(error, harmless=self.is_in_foreign_savepoint)
            raise

    def fail(self, error: BaseException, *, harmless: bool, lost: bool = False) -> None:
        """Tell the unit that a statement failed, unless the caller's own savepoint makes that harmless."""
        if self.unit.block and (lost or not harmless):
            self.unit.block.fail(error, lost=lost)

    def prepare_flush(self, *_: object) -> None:
        """Be told that a flush will send something."""
        new, dirty, deleted = self.new, self.dirty, self.deleted
        self._steps += [partial(_unsave, thing) for thing in new]
        for part in [part for root in deleted for part in parts_of(root) if part in new]:
            self.expunge(part)  # SQLAlchemy would insert it, without its root
        self._keep_versions(dirty)
        self._touch_roots(dirty, [part for part in (*new, *dirty, *deleted) if not isinstance(part, Entity)])

    def note_bulk(self, kind: type) -> None:
        """Be told that entities of a class were inserted past the session: a rollback undoes those that it loaded."""
        self._steps.append(partial(self._expire_kind, kind))

    def note_deletion(self, thing: object) -> None:
        """Be told that a flush has deleted something."""
        self._deleted_things.append(thing)

    def _touch_roots(self, dirty: IdentitySet, parts: list[object]) -> None:
        """Make a change of a part one of its root too, since one version guards the whole aggregate."""
        changed = {id(part) for part in parts if part not in dirty or self.is_modified(part)}
        for entity in list(self.identity_map.values()) if changed else dirty:
            mapper = inspect(entity).mapper
            if not isinstance(entity, Entity) or not mapper.relationships:
                continue
            owned = mapper.cascade_iterator("save-update", inspect(entity))
            if self.is_modified(entity) or any(id(part) in changed for part, *_ in owned):
                self._keep_versions([entity])
                flag_modified(entity, _any_column(mapper))

    def _keep_versions(self, things: Iterable[object]) -> None:
        self._steps += [
            partial(vars(thing).__setitem__, "version", thing.version) for thing in things if isinstance(thing, Entity)
        ]

    def _expire_kind(self, kind: type) -> None:
        for thing in list(self.identity_map.values()):
            if isinstance(thing, kind):
                self.expire(thing)

    def _undo_steps(self, mark: int) -> None:
        while len(self._steps) > mark:
            self._steps.pop()()

    def _reload(self, thing: object) -> None:
        try:
            self.refresh(thing)
        except InvalidRequestError:  # another transaction has deleted its row
            self.expunge(thing)

    def _let_go(self) -> None:
        # a change of what still belongs to the session would try to begin
        self.expunge_all()
        for thing in self._deleted_things:
            if inspect(thing).deleted:
                self.expunge(thing)


# before_flush, and not in flush(): before each query SQLAlchemy flushes, mostly nothing, and asks that first
event.listen(UnitSession, "before_flush", UnitSession.prepare_flush)
event.listen(UnitSession, "persistent_to_deleted", UnitSession.note_deletion)


def _end_transaction(connection: Connection | Engine) -> None:
    """End what SQLAlchemy takes for ended after a failed COMMIT: on its connection the next block would commit it."""
    assert isinstance(connection, Connection)
    if not connection.invalidated:
        try:
            connection.connection.rollback()
        except Exception:  # whatever the driver raises
            connection.invalidate()


def parts_of(entity: object) -> list[object]:
    """Return what is removed with an entity."""
    return [part for part, *_ in inspect(entity).mapper.cascade_iterator("delete", inspect(entity))]


def _unsave(thing: object) -> None:
    """Make something new again: SQLAlchemy remembers to have inserted it, with the values of that time."""
    make_transient(thing)
    inspect(thing).committed_state.clear()
    for relationship in inspect(thing).mapper.relationships:
        if relationship.key in vars(thing):
            setattr(thing, relationship.key, vars(thing).pop(relationship.key))
    if isinstance(thing, Entity):
        thing.version = 0


def _any_column(mapper: Mapper[Any]) -> str:  # Any: of whatever entity
    special = {*mapper.primary_key, mapper.version_id_col}
    return next(attribute.key for attribute in mapper.column_attrs if attribute.columns[0] not in special)
