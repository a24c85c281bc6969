"""What gives objects back the values that SQLAlchemy forgets when it rolls back, and when it fails.

The session remembers values before SQLAlchemy may forget them, and notes the objects that may not be as their rows are.
A rollback loads those again; after a failure, where nothing can be loaded, the remembered values are shown.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import Session, make_transient
from sqlalchemy.orm.attributes import set_committed_value

from adapters.seedwork.mapping import parts_of
from domain.seedwork.entity import Entity
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict


class Undo:
    """What the objects of one session had before a failure, and which of them may not be as their rows are."""

    def __init__(self) -> None:
        self._values: list[tuple[object, dict[str, Any]]] = []
        self.flushed: list[tuple[Entity, int]] = []
        """What each flush has changed, and the version before."""
        self._ended = 0
        """How many of these belong to flushes that have ended."""
        self._stale: list[object] = []
        self._gone: list[object] = []
        """What a rollback has let go of, since it found no row."""

    def remember(self, instances: Iterable[object]) -> None:
        """Remember the values that objects have now."""
        self._values += [(instance, dict(vars(instance))) for instance in instances]

    def show(self) -> None:
        """Give the remembered values to those objects that SQLAlchemy has expired, so that they can be read."""
        for instance, values in self._values:
            state = inspect(instance)
            was_expired = state.expired  # until the first part is set
            if was_expired:
                vars(instance).update(values)
            for part in parts_of(state.mapper):
                # the connection may be lost after its row is loaded, and before these
                if part.key in values and (was_expired or part.key not in vars(instance)):
                    found = values[part.key]
                    # a new list: with the one that has expired SQLAlchemy warns of each copy and each change
                    set_committed_value(instance, part.key, [*found] if part.uselist else found)
        self._values.clear()
        for entity, version in self.flushed[self._ended :]:
            vars(entity)["version"] = version
        del self.flushed[self._ended :]

    def remember_versions(self, entities: Iterable[object]) -> None:
        """Remember the versions that a flush counts: where it fails, they are those that are stored."""
        self.flushed += [(entity, entity.version) for entity in entities if isinstance(entity, Entity)]

    def end_flush(self) -> None:
        """Let the versions stand that a flush has counted: no later failure takes them back."""
        self._ended = len(self.flushed)

    def note(self, instance: object) -> None:
        """Note that an object may not be as its row is."""
        self._stale.append(instance)

    def note_changed(self, session: Session) -> None:
        """Note what is changed, and its parts: one that was taken out is an orphan until it expires."""
        for instance in session.dirty:
            self._stale += [instance, *_parts_and_orphans(instance)]

    def forget_changes(self, session: Session) -> None:
        """Forget what is not flushed: SQLAlchemy would warn of what was changed after a failure."""
        self.note_changed(session)
        self.remember(self._stale)
        for instance in session.new:
            make_transient(instance)
        for instance in session.dirty:
            session.expire(instance)

    def reload(self, session: Session, flushed_before: int) -> list[Entity]:
        """Load again what may not be as its row is, roots first: they load their parts.

        Args:
            session: the session.
            flushed_before: how many versions were flushed before what was rolled back.
        Returns: the entities that another transaction has saved meanwhile, as READ COMMITTED lets it.
        """
        versions = {id(instance): values.get("version", 0) for instance, values in self._values}
        versions |= {id(entity): version for entity, version in reversed(self.flushed[flushed_before:])}
        del self.flushed[flushed_before:]
        self.end_flush()
        self._take_back(session)
        for instance in (*self._stale,):
            if instance in session:
                self.remember(_parts_and_orphans(instance))
                session.expire(instance)  # with its parts, which are noted then
        stale, self._stale = sorted(self._stale, key=lambda instance: not isinstance(instance, Entity)), []
        connection = session.bind
        assert isinstance(connection, Connection)
        for instance in stale:
            if instance in session and inspect(instance).expired and not connection.invalidated:
                self._load_again(session, instance)
        self._stale.clear()
        return [
            instance
            for instance in stale
            if isinstance(instance, Entity) and 0 < versions.get(id(instance), 0) < vars(instance).get("version", 0)
        ]

    def refuse_changes_of_gone(self) -> None:
        """Refuse a change of what has no row. Raises: ConcurrencyConflict (SQLAlchemy would not save it)."""
        if any(inspect(instance).modified for instance in self._gone):
            raise ConcurrencyConflict(OVERTAKEN)

    def _take_back(self, session: Session) -> None:
        """Note again what had no row: the block that is rolled back may have deleted it past the session."""
        gone, self._gone = self._gone, []
        for instance in gone:
            state = inspect(instance)
            if state.detached and state.key not in session.identity_map:
                self.remember([instance])
                session.add(instance)
                self.note(instance)

    def _load_again(self, session: Session, instance: object) -> None:
        # populate_existing: refresh() leaves parts of parts unloaded, and other parts with the values that were refused
        if session.get(type(instance), inspect(instance).identity, populate_existing=True) is None:
            self._gone.append(instance)
            session.expunge(instance)


def _parts_and_orphans(instance: object) -> list[object]:
    """Return the parts of an object, and theirs, with those that were taken out."""
    state = inspect(instance)
    return [part for part, *_ in state.mapper.cascade_iterator("save-update", state)]


def unsave(instance: object) -> None:
    """Make an entity or a part that was added and not saved new again: to SQLAlchemy it is inserted."""
    make_transient(instance)
    state = inspect(instance)
    state.committed_state.clear()
    for relation in parts_of(state.mapper):
        if relation.key in vars(instance):
            # past the rules: they hold for what a caller assigns
            object.__setattr__(instance, relation.key, vars(instance).pop(relation.key))
    if isinstance(instance, Entity):
        vars(instance)["version"] = 0
