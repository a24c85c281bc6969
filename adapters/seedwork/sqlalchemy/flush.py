"""What is prepared before SQLAlchemy flushes: the version of a whole aggregate, and the one owner of each part."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm.attributes import History, flag_modified, set_committed_value

from adapters.seedwork import mapping
from adapters.seedwork.keeping import KeepingSession, removed_with
from adapters.seedwork.keys import table_of
from adapters.seedwork.refusals import CHANGED_KEY, SHARED_PART, error_of, refused
from adapters.seedwork.relations import Relation
from domain.seedwork.entity import Entity
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict


def prepare_flush(session: KeepingSession, *_: object) -> None:
    """Prepare what a flush will send.

    Raises: UnitOfWorkMisuse (a part belongs to two owners, or to one twice), ConcurrencyConflict (another transaction
        has moved it meanwhile), and the error of a primary key that the block has already.
    """
    new, dirty = list(session.new), list(session.dirty)
    session.keep(*dirty)
    if all(_stands_alone(inspect(instance).mapper) for instance in chain(new, dirty, session.deleted)):
        for instance in new:
            _refuse_known_identity(session, instance)
    else:
        _prepare_aggregates(session)
        new, dirty = list(session.new), list(session.dirty)
    session.keep_versions(*new, *dirty)


def _prepare_aggregates(session: KeepingSession) -> None:
    _keep_parts(session)
    _leave_out_new_parts(session)
    while gone := _taken_away(session):
        for part in gone:
            session.delete(part)  # with its parts; SQLAlchemy would leave it where its new owner is not saved
        _leave_out_new_parts(session)
    deleted, dirty, new = session.deleted, list(session.dirty), list(session.new)
    _order_by_references(new, dirty, list(deleted))
    owners: dict[int, object] = {}
    _refuse_repeated_parts(session, [*new, *dirty])
    for instance in new:
        _refuse_known_identity(session, instance)
        _refuse_shared_parts(session, instance, owners)
    for instance in (*dirty, *deleted):
        if not _counts_by_itself(inspect(instance).mapper) and (instance in deleted or session.is_modified(instance)):
            _refuse_shared_parts(session, instance, owners)
            if not (instance in deleted or isinstance(instance, Entity)):
                _refuse_changed_key(instance)
            root = root_of(session, instance)
            if root is not None and root not in deleted:
                session.keep(root)
                flag_modified(root, "id")  # which makes the version count, and sends nothing else


def _keep_parts(session: Session) -> None:
    """Keep the parts that another new owner gave up after theirs got them, or that stood in its list twice.

    SQLAlchemy takes them for orphans: it can't tell two owners that are not stored, nor that one has a part still.
    """
    waiting = [*session.new, *session.dirty]
    while waiting:
        owner = inspect(waiting.pop())
        for relation in mapping.parts_of(owner.mapper):
            if owner.has_identity and relation.key not in owner.committed_state:
                continue  # a stored owner, which has got none
            place, found = owner.get_impl(relation.key), owner.dict.get(relation.key)
            for part in found or () if relation.uselist else (found,):
                if part is not None and not place.hasparent(inspect(part), optimistic=True):
                    place.sethasparent(inspect(part), owner, value=True)
                    session.add(part)
                    waiting += [part, *removed_with(part)]


def _leave_out_new_parts(session: Session) -> None:
    """Leave the new parts out of what is removed, or was: SQLAlchemy would insert them, without their root."""
    for instance in session.deleted:
        for part in removed_with(instance):
            if inspect(part).pending:
                session.expunge(part)
    left = [part for part in session.new if any(owner and owner.deleted for owner in inspect(part).parents.values())]
    given = _given_to_saved(session) if left else set()
    for part in left:
        if id(part) not in given:
            session.expunge(part)


def _taken_away(session: Session) -> list[object]:
    """Return the stored parts that an owner had, and no saved object has now."""
    deleted = session.deleted
    owners = [*session.dirty, *deleted]
    lost = [part for change in _changes(owners) for part in change.deleted or () if part is not None]
    gone = [part for part in lost if _is_stored(part) and part not in deleted]
    if not gone:
        return gone
    moved = _given_to_saved(session)
    return [part for part in gone if id(part) not in moved]


def _given_to_saved(session: Session) -> set[int]:
    """Return which parts the objects that are saved have got."""
    return {id(part) for change in _changes([*session.dirty, *session.new]) for part in change.added or ()}


def _changes(owners: list[object]) -> Iterator[History]:
    """Yield what has changed in each place where objects may have parts."""
    for owner in owners:
        for relation in mapping.parts_of(inspect(owner).mapper):
            yield inspect(owner).attrs[relation.key].history


def _has_changed(instance: object, names: list[str]) -> bool:
    """Whether an attribute has another value than its row: one that is given its own again has not changed."""
    state = inspect(instance)
    return any(name in state.committed_state and state.attrs[name].history.has_changes() for name in names)


def _is_stored(part: object) -> bool:
    state: InstanceState[Any] = inspect(part)
    return state.persistent or state.detached


@cache
def _counts_by_itself(mapper: Mapper[Any]) -> bool:  # Any: of whatever class
    """Whether the version of an object counts without our help: it is an entity, and has no parts."""
    return issubclass(mapper.class_, Entity) and not mapping.parts_of(mapper)


@cache
def _stands_alone(mapper: Mapper[Any]) -> bool:
    """Whether an object has neither parts nor references that its flush must look at."""
    return _counts_by_itself(mapper) and not _references_in_circles(mapper)


@cache
def _relation_to_owner(mapper: Mapper[Any]) -> Relation | None:
    owners = (part for other in mapping.mapper_registry.mappers for part in mapping.parts_of(other))
    return next((part for part in owners if part.mapper is mapper), None)


@cache
def _references_in_circles(mapper: Mapper[Any]) -> list[Relation]:
    """Return the references of a class in a circle of references to one in a circle, be it the same or another.

    The rows of a circle SQLAlchemy orders one by one, and not by their classes.
    """
    return [one for one in mapping.references_of(mapper) if _is_in_a_circle(mapper) and _is_in_a_circle(one.mapper)]


def _is_in_a_circle(mapper: Mapper[Any]) -> bool:
    table = table_of(mapper)
    return any(table in mapping.needed_by(key.referred_table) for key in table.foreign_key_constraints)


def _owner_id(instance: object) -> tuple[Relation, tuple[Any, ...]] | None:
    """Return by which relation a part that is stored belongs to its owner, and the owner's primary key."""
    mapper = inspect(instance).mapper
    if (relation := _relation_to_owner(mapper)) is None:
        return None
    found = _values(instance, _names(mapper, (theirs for _, theirs in relation.local_remote_pairs)))
    return None if None in found else (relation, found)


def root_of(session: Session, instance: object) -> Entity | None:
    """Return the root of an aggregate from one of its parts, up the foreign keys; None where one is new, or gone."""
    while instance is not None and not isinstance(instance, Entity):
        if (owner := _owner_id(instance)) is None:
            return None
        relation, id = owner
        instance = session.get(relation.parent.class_, id)  # it is loaded already, unless it came in a stream
    return instance


def _refuse_shared_parts(session: Session, instance: object, owners: dict[int, object]) -> None:
    for change in _changes([instance]):
        for part in change.added or ():
            if part is None:
                continue
            if owners.setdefault(id(part), instance) is not instance or _is_kept_by_another(session, part, instance):
                raise _shared(session, part)
            is_moved = inspect(part).persistent and instance not in session.deleted
            if is_moved and mapping.has_key_of_owner(inspect(part).mapper):
                raise refused(CHANGED_KEY, part)


def _shared(session: Session, part: object) -> Exception:
    """Return the error of a part that has two owners.

    That is no misuse where two were loaded with it: another transaction has moved it between the two queries.
    """
    loaded = [owner for owner in session.identity_map.values() if _was_loaded_with(owner, part)]
    return ConcurrencyConflict(OVERTAKEN) if len(loaded) > 1 else refused(SHARED_PART, part)


def _was_loaded_with(owner: object, part: object) -> bool:
    return any(part is known for change in _changes([owner]) for known in (*change.unchanged, *change.deleted))


def _refuse_changed_key(instance: object) -> None:
    mapper = inspect(instance).mapper
    if _has_changed(instance, _names(mapper, mapper.primary_key)):
        raise refused(CHANGED_KEY, instance)


def _refuse_repeated_parts(session: Session, owners: list[object]) -> None:
    for owner in owners:
        for relation in mapping.parts_of(inspect(owner).mapper):
            found = vars(owner).get(relation.key, ()) if relation.uselist else ()
            ids = [*map(id, found)]
            if len({*ids}) < len(ids):
                raise _shared(session, next(part for part in found if ids.count(id(part)) > 1))
            if mapping.has_key_of_owner(relation.mapper):
                # where a stored part goes that has the key of two new ones, both would take its row
                names = _own_key(relation)
                keys = [key for part in found if None not in (key := _values(part, names))]  # None: a default makes it
                if len({*keys}) < len(keys):
                    raise error_of(mapping.row_key_of(table_of(relation.mapper)))


@cache
def _own_key(relation: Relation) -> list[str]:
    """Return the attributes in the key of a part by which its owner's parts differ."""
    mapper = relation.mapper
    return _names(mapper, (column for column in mapper.primary_key if column not in relation.remote_side))


def _is_kept_by_another(session: Session, part: object, owner: object) -> bool:
    if not inspect(part).persistent or (stored := _owner_id(part)) is None:
        return False
    relation, id = stored
    other = session.identity_map.get(relation.parent.identity_key_from_primary_key(id))
    kept = vars(other).get(relation.key) if other is not None and other is not owner else None
    return kept is part or (relation.uselist is True and any(one is part for one in kept or ()))


def _refuse_known_identity(session: Session, instance: object) -> None:
    # SQLAlchemy would warn, and only if the other object is still in memory; or, if that one is removed in the same
    # flush, make an UPDATE of the two
    mapper = inspect(instance).mapper
    if session.identity_map.get(mapper.identity_key_from_instance(instance)) is not None:
        raise error_of(mapping.row_key_of(table_of(mapper)))


def _order_by_references(new: list[object], dirty: list[object], deleted: list[object]) -> None:
    """Let SQLAlchemy know which row is inserted or deleted before another one, where their classes do not say it."""
    for mapper in {inspect(instance).mapper for instance in (*new, *dirty, *deleted)}:
        for reference in _references_in_circles(mapper):
            theirs = _names(reference.mapper, (column for _, column in reference.local_remote_pairs))
            changed = [one for one in dirty if _has_changed(one, theirs)]
            _show_targets(reference, [*new, *dirty], [*new, *changed], _values)
            _show_targets(reference, deleted, deleted, _stored_values)


def _show_targets(
    reference: Relation,
    instances: list[object],
    targets: list[object],
    values: Callable[[object, list[str]], tuple[object, ...]],
) -> None:
    """Let each instance refer to that of the targets whose row it refers to, as SQLAlchemy's order needs it."""
    mapper, target = reference.parent, reference.mapper
    ours = _names(mapper, (column for column, _ in reference.local_remote_pairs))
    theirs = _names(target, (column for _, column in reference.local_remote_pairs))
    known = {values(one, theirs): one for one in targets if inspect(one).mapper is target}
    for instance in instances:
        if inspect(instance).mapper is mapper:
            key = values(instance, ours)
            found = None if None in key else known.get(key)  # NULL refers to nothing
            # one that refers to itself waits for nothing
            set_committed_value(instance, reference.key, None if found is instance else found)


def _names(mapper: Mapper[Any], columns: Iterable[Any]) -> list[str]:  # Any: columns, whose type Mapper leaves open
    """Return the attributes of columns."""
    return [mapper.get_property_by_column(column).key for column in columns]


def _values(instance: object, keys: list[str]) -> tuple[object, ...]:
    return tuple(getattr(instance, key) for key in keys)


def _stored_values(instance: object, keys: list[str]) -> tuple[object, ...]:
    """Return what the row has: what was changed in an object that is removed is not sent."""
    before = inspect(instance).committed_state
    return tuple(before.get(key, getattr(instance, key)) for key in keys)
