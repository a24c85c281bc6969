"""What a session keeps for its block, and which parts an owner can't get in it: what mappings listen for."""

from sqlalchemy import inspect
from sqlalchemy.orm import QueryContext, Session

from adapters.seedwork.refusals import DELETED_PART, OLD_PART, refused


class KeepingSession(Session):
    """A session that keeps objects for as long as its block lasts; the identity map alone is weak."""

    kept: list[object]

    def keep(self, *instances: object) -> None:
        """Keep objects, whoever else lets go of them."""
        raise NotImplementedError

    def keep_versions(self, *instances: object) -> None:
        """Remember the versions of what a flush will change."""
        raise NotImplementedError


def hold(entity: object, context: QueryContext | None) -> None:
    """Keep a root that was loaded: without it, a change of its parts could not count its version when it is flushed.

    What a stream yields is not kept: it would fill the memory. In memory there is no query.
    """
    if context is None:
        return
    options, session = context.execution_options, context.session
    if isinstance(session, KeepingSession) and options.get("keep", True) and not options.get("yield_per"):
        session.keep(entity)


def refuse_stored_part(owner: object, part: object, *_: object) -> None:
    """Refuse a part, and its parts, that its owner can't get. Raises: as ``refuse_stored``."""
    if part is not None and (session := inspect(owner).session):
        refuse_stored(session, part, *removed_with(part))


def refuse_stored(session: Session, *parts: object) -> None:
    """Refuse parts that an owner can't get in a block: SQLAlchemy would take them for stored ones of its session.

    Raises: UnitOfWorkMisuse (the block has deleted one, or another block has loaded or saved it).
    """
    kept = session.kept if isinstance(session, KeepingSession) else ()
    for part in parts:
        if inspect(part).was_deleted:
            raise refused(DELETED_PART, part)
        if inspect(part).detached and not any(part is known for known in kept):
            raise refused(OLD_PART, part)


def removed_with(instance: object) -> list[object]:
    """Return the parts of an object, and theirs."""
    return [part for part, *_ in inspect(instance).mapper.cascade_iterator("delete", inspect(instance))]
