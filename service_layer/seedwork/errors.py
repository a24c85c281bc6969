"""What a transaction can raise besides the domain's own errors.

TransactionError
├── UnitOfWorkMisuse       the code is wrong: it asked for what this block can't do
├── UncommittedChanges     a block ended with changes that were neither committed nor rolled back
├── FailedTransaction      an earlier failure was swallowed, so nothing of the block can be saved
├── ConcurrencyConflict    a race was lost, or a lock was held for too long; a new try may win
├── DatabaseUnavailable    the database can't be reached, or was lost before COMMIT; nothing was saved
│   └── DatabaseRefused    it refuses the login or a statement: a setting or a permission is wrong
├── CommitOutcomeUnknown   the database was lost during COMMIT; the changes are saved, or they are not
├── StatementTimeout       a statement took too long
├── StorageFailure         the disk is full, or the database file can't be used
├── SchemaOutdated         the database's schema is not the one that this code needs
├── StoredValueUnreadable  a stored event, or a kept answer, does not fit its class as it is now
└── ConstraintViolated     a constraint or a column refused the data, and no error of the domain is declared for it
    └── ReferenceViolated  that constraint is a foreign key
"""

# Messages that more than one module raises.
OVERTAKEN = "Another transaction changed the same data first. Run the whole block anew."
WRITE_IN_READING_BLOCK = "A write in a reading block, which saves nothing. To write, open it by: with uow:"


class TransactionError(Exception):
    """The transaction failed, and not by a rule of the domain."""


class UnitOfWorkMisuse(TransactionError):
    """The code asked a unit of work for what it can't do here; the message says what to write instead."""


class UncommittedChanges(TransactionError):
    """A block was left with changes that were neither committed nor rolled back; they are lost.

    One in which something failed does not raise it: that failure was reported when it happened.
    """

    def __str__(self) -> str:
        if "committed" in self.args:
            return (
                "What was changed after uow.commit() is lost; what was committed is saved. Change it before the commit."
            )
        return "Changes are lost: neither uow.commit() nor uow.rollback() came after them in their block."


class FailedTransaction(TransactionError):
    """Something failed earlier in this block and was swallowed; its error is the cause of this one."""

    def __init__(self, action: str, failure: BaseException) -> None:
        super().__init__(action, failure)
        self.failure = failure
        """What went wrong first."""

    def __str__(self) -> str:
        failure = self.failure
        return (
            f"{self.args[0]} after a failure in the same block ({type(failure).__name__}: {failure}). Nothing of it"
            " can be saved. Let the error leave the block; or, if it is expected, put that step into an inner block:"
            " with uow:"
        )


class ConcurrencyConflict(TransactionError):
    """Another transaction was first, or held a lock for too long. Nothing was saved; run the whole block anew."""


class DatabaseUnavailable(TransactionError):
    """The database can't be reached, or the connection was lost before COMMIT was sent. Nothing was saved."""


class DatabaseRefused(DatabaseUnavailable):
    """The server refuses the login, or a statement to this user: no new try helps. A setting or a grant is wrong."""


class CommitOutcomeUnknown(TransactionError):
    """The connection was lost during COMMIT: the changes are saved, or they are not.

    Find out before doing them again. A request that carries an id, ``add_order(..., order_id=...)``, can simply be
    repeated.
    """


class StatementTimeout(TransactionError):
    """A statement took longer than the database allows. Nothing was saved."""


class StorageFailure(TransactionError):
    """The disk is full, or the database file can't be opened, read or written. Nothing was saved."""


class SchemaOutdated(TransactionError):
    """The database's schema is not the one that this code needs: in most cases run ``alembic upgrade head``."""


class StoredValueUnreadable(TransactionError, ValueError):
    """A stored event, or a kept answer, does not fit its class as it is now. The text names the field, and no value."""


class ConstraintViolated(TransactionError):
    """The database refused the data, and no error of the domain is declared for that.

    A constraint is broken, a trigger refuses the row, or a column can't hold the value: a text that is too long, a
    number out of range, a NUL.
    """


class ReferenceViolated(ConstraintViolated):
    """A row would refer to one that does not exist, or one that others refer to would be removed."""
