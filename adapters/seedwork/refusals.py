"""What more than one module of the adapters refuses, in the same words and by the same error."""

from sqlalchemy import Constraint, Index

from domain.seedwork.errors import AlreadyExists
from service_layer.seedwork.errors import ConstraintViolated, UnitOfWorkMisuse

# of an entity or a part: see refused()
NOT_NEW = "add() of {}, which this block has removed or another block got. Get it again in this one."
UNMAPPED = (
    "{} was made before its class was mapped, so it can't be saved. Make it after the unit of work or the container; or"
    " call start_mappers() before."
)
COPIED = (
    "add() of {}, which copy.copy() made: it shares the state of its mapping with the original. Write copy.deepcopy(),"
    " or make a new entity."
)
SHARED_PART = (
    "{} belongs to two owners, or to one twice. Remove it from one before the other gets it, or make a new part for"
    " each."
)
OLD_PART = (
    "{} comes from another block, and its values may be old. Get its owner again in this one, and take the part from"
    " there, or make a new one."
)
DELETED_PART = (
    "{} is deleted already: its owner gave it up, or was removed, and a flush followed, as before each query. To move a"
    " part, get both owners first, and send no query between the two steps; or make a new part."
)
CHANGED_KEY = (
    "{} would get another key. The primary key of a part stays what it is, its owner's in it too. Make a new part, and"
    " put it in this one's place."
)

NOT_ALLOWED = "The database refused the data: {} does not allow it."
REFERENCE = "A row would point to one that does not exist, or be removed while others point to it."
LOCKED = (
    "Another transaction has kept the data locked for too long. Run the whole block anew; or, if that transaction is"
    " the waiting code's own, pass its unit of work on instead of opening a second one."
)
BEGUN_BY_UNIT = (
    "The unit of work alone begins and ends a transaction. Write uow.commit() or uow.rollback(); or, for a savepoint,"
    " an inner block: with uow:"
)
ENDED = (
    "A statement has ended the transaction of the block, which the unit of work alone does. What the block wrote before"
    " is saved or lost, as the statement says. Write uow.commit() or uow.rollback() instead."
)


def refused(message: str, instance: object) -> UnitOfWorkMisuse:
    """Return the error that says a message of an object, named by its class and, if it has one, its id."""
    id = getattr(instance, "__dict__", {}).get("id", "")
    return UnitOfWorkMisuse(message.format(f"{type(instance).__name__} {id}".rstrip()))


def error_of(constraint: Constraint | Index) -> Exception:
    """Return what a broken constraint is reported as: the domain's error declared beside it, or ConstraintViolated."""
    if error := constraint.info.get("error"):
        kind: type[Exception] = error
        columns = getattr(constraint, "columns", ()) if issubclass(kind, AlreadyExists) else ()
        return kind(*(column.key for column in columns))
    return ConstraintViolated(NOT_ALLOWED.format(constraint.name))
