"""What is refused in more than one module of the adapters, in the same words."""

NOT_NEW = "add() of an entity that this block has removed or another block got. Get it again in this one."
COPIED = (
    "add() of what copy.copy() made: it shares the state of its mapping with the original. Write copy.deepcopy(), or"
    " make a new entity."
)
SHARED_PART = (
    "A part belongs to two owners, or to one twice. Remove it from one before the other gets it, or make a new part for"
    " each."
)
OLD_PART = (
    "A part of another block, whose values may be old. Get its owner again in this one, and take the part from there,"
    " or make a new one."
)
DELETED_PART = (
    "A part that its owner gave up is deleted already: a flush did it, and each query flushes. To move a part, get both"
    " owners first, and send no query between the two steps; or make a new part."
)
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
