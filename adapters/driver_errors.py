"""Which error of a driver means what. They are told apart by code: SQLSTATE, or SQLite's name of a result code.

Source: PostgreSQL, appendix A (error codes); SQLite, "Result and Error Codes".
"""

from collections.abc import Iterator
from typing import cast

from sqlalchemy import Constraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from adapters.orm import mapper_registry
from domain.errors import DomainError
from service_layer.block import Block, State
from service_layer.errors import (
    LOCKED,
    OVERTAKEN,
    WRITE_IN_READING_BLOCK,
    CommitOutcomeUnknown,
    ConcurrencyConflict,
    ConstraintViolated,
    DatabaseUnavailable,
    ReferenceViolated,
    SchemaOutdated,
    StatementTimeout,
    StorageFailure,
    TransactionError,
    UnitOfWorkMisuse,
)

_OUTDATED = "The database lacks a table or a column that this code needs. Run: alembic upgrade head"
_LOST = "The database can't be reached, or the connection to it was lost. Nothing of the block is saved."
_FULL = "The database's disk is full: nothing can be written until space is freed."

_MEANINGS: dict[str, tuple[type[TransactionError], str]] = {
    "08": (DatabaseUnavailable, _LOST),
    "25006": (DatabaseUnavailable, "The database is a stand-by and takes no writes. Nothing of the block is saved."),
    "25P03": (DatabaseUnavailable, "The block was idle for longer than the database allows. Nothing of it is saved."),
    "40001": (ConcurrencyConflict, OVERTAKEN),
    "40P01": (ConcurrencyConflict, OVERTAKEN),
    "42703": (SchemaOutdated, _OUTDATED),
    "42P01": (SchemaOutdated, _OUTDATED),
    "53100": (StorageFailure, _FULL),
    "53300": (DatabaseUnavailable, "The database accepts no more connections. Nothing of the block is saved."),
    "55P03": (ConcurrencyConflict, LOCKED),
    "57014": (StatementTimeout, "A statement took longer than the database allows. Nothing of the block is saved."),
    "57P": (DatabaseUnavailable, _LOST),
    "SQLITE_BUSY": (ConcurrencyConflict, LOCKED),
    "SQLITE_BUSY_SNAPSHOT": (ConcurrencyConflict, OVERTAKEN),
    "SQLITE_CANTOPEN": (
        StorageFailure,
        "The database file can't be opened. Is its folder there, and may it be written to?",
    ),
    "SQLITE_CORRUPT": (StorageFailure, "The database file is damaged: restore it from a backup."),
    "SQLITE_FULL": (StorageFailure, _FULL),
    "SQLITE_IOERR": (StorageFailure, "The database file can't be read or written: look at the disk."),
    "SQLITE_LOCKED": (ConcurrencyConflict, LOCKED),
    "SQLITE_NOTADB": (StorageFailure, "The file is not an SQLite database: name another one in DATABASE_URL."),
    "SQLITE_READONLY": (StorageFailure, "The database file can't be written to: look at its permissions."),
}


def meaning_of(error: BaseException, block: Block | None, *, lost: bool) -> Exception | None:
    """Return what a driver's error means; None where it is of no special kind, such as a mistake in a statement.

    Args:
        error: the driver's error; what it tells of a row's contents is taken out of it.
        block: the unit of work's block in which it happened, if any.
        lost: whether there is no connection, or none any more.
    """
    diagnosis = getattr(error, "diag", None)
    if diagnosis and diagnosis.message_detail:
        error.args = (diagnosis.message_primary,)
    code: str = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None) or ""
    if code.startswith(("23", "SQLITE_CONSTRAINT")):
        return _broken_constraint(error, code)
    if code in {"25006", "SQLITE_READONLY"} and block and block.read_only:
        return UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
    if code == "SQLITE_ERROR" and str(error).startswith(("no such table", "no such column", "table ")):
        return SchemaOutdated(_OUTDATED)
    if (lost or code in {"40003", "XX000"}) and block and block.state is State.COMMITTING and not block.outer:
        return CommitOutcomeUnknown("The connection was lost during COMMIT. Find out whether the changes are saved.")
    for length in range(len(code), 1, -1):
        if code[:length] in _MEANINGS:
            kind, text = _MEANINGS[code[:length]]
            return kind(text)
    return DatabaseUnavailable(_LOST) if lost else None


def _broken_constraint(error: BaseException, code: str) -> Exception:
    if code in {"23503", "SQLITE_CONSTRAINT_FOREIGNKEY"}:
        return ReferenceViolated(
            "A row would point to one that does not exist, or be removed while others point to it."
        )
    diagnosis = getattr(error, "diag", None)
    # SQLite names a CHECK alone, and for the others their columns: "UNIQUE constraint failed: users.email"
    broken = diagnosis.constraint_name or diagnosis.column_name if diagnosis else str(error).partition(": ")[2]
    for constraint in _constraints():
        if "error" in constraint.info and broken in {constraint.name, _columns(constraint)}:
            return cast("type[DomainError]", constraint.info["error"])()
    return ConstraintViolated(f"The database refused the data: {broken} does not allow it.")


def _constraints() -> Iterator[Constraint | Index]:
    for mapper in mapper_registry.mappers:
        if isinstance(table := mapper.local_table, Table):
            yield from table.constraints | table.indexes


def _columns(constraint: Constraint | Index) -> str:
    if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint) or (
        isinstance(constraint, Index) and constraint.unique
    ):
        return ", ".join(str(column) for column in constraint.columns)
    return ""
