"""What each error of a driver means, by its code: SQLSTATE, or SQLite's name of a result code.

Source: PostgreSQL, appendix A (error codes); SQLite, "Result and Error Codes".
"""

import re

from sqlalchemy import Constraint, Dialect, Index

from adapters.seedwork.keys import columns_of
from adapters.seedwork.mapping import constraints
from adapters.seedwork.refusals import LOCKED, NOT_ALLOWED, REFERENCE, error_of
from adapters.seedwork.sqlalchemy.gaps import SAVEPOINTS, UNKNOWN_HERE
from service_layer.seedwork.block import Block, BlockState
from service_layer.seedwork.errors import (
    OVERTAKEN,
    WRITE_IN_READING_BLOCK,
    CommitOutcomeUnknown,
    ConcurrencyConflict,
    ConstraintViolated,
    DatabaseRefused,
    DatabaseUnavailable,
    ReferenceViolated,
    SchemaOutdated,
    StatementTimeout,
    StorageFailure,
    TransactionError,
    UnitOfWorkMisuse,
)

_OUTDATED = (
    "The database has no such table or column: {}. If no revision makes it, write one first. If its schema is behind"
    " this code, run: alembic upgrade head"
)
_LOST = "The database can't be reached, or the connection to it was lost. Nothing of the block is saved."
_REFUSED = (
    "The server refuses the login. Correct the user, the password or the database's name in DATABASE_URL, or what that"
    " user may do; it is not tried again. The server says: {}"
)
_FORBIDDEN = (
    "The database does not let this user do it: {}. Let the owner of the table grant it, or change its policy; it is"
    " not tried again."
)
_FULL = "The database's disk is full: nothing can be written until space is freed."
_DAMAGED = "The database is damaged: restore it from a backup."
_DISK = "The database can't read or write its files: look at its disk."
_REPLANNED = "A statement that was prepared fits the schema or the connection no longer. Run the whole block anew."
_IDLE = (
    "The block was idle for longer than the database allows. Nothing of it is saved. Call no other service inside a"
    " block, or raise DATABASE_IDLE_TIMEOUT_S."
)
_LONG = (
    "The block took longer than the database allows. Nothing of it is saved. Do less in one block, or raise"
    " transaction_timeout of the server."
)
_SLOW = (
    "A statement took longer than the database allows, or was cancelled. Nothing of the block is saved. Make it faster,"
    " or raise DATABASE_STATEMENT_TIMEOUT_S."
)

# By code, or by what the code begins with; the longest entry that fits counts.
_MEANINGS: dict[str, tuple[type[TransactionError], str]] = {
    "08": (DatabaseUnavailable, _LOST),
    "0A000 cached plan": (ConcurrencyConflict, _REPLANNED),
    "25006": (
        DatabaseUnavailable,
        "The database takes no writes: it is a stand-by, or was set to read-only. Nothing of the block is saved.",
    ),
    "25P03": (DatabaseUnavailable, _IDLE),
    "25P04": (StatementTimeout, _LONG),
    "26000": (ConcurrencyConflict, _REPLANNED),
    "28": (DatabaseRefused, _REFUSED),
    "3D000": (DatabaseRefused, _REFUSED),
    "40": (ConcurrencyConflict, OVERTAKEN),
    "42501": (DatabaseRefused, _FORBIDDEN),
    "42703": (SchemaOutdated, _OUTDATED),
    "42P01": (SchemaOutdated, _OUTDATED),
    "53": (DatabaseUnavailable, "The database has run out of memory or connections. Nothing of the block is saved."),
    "53100": (StorageFailure, _FULL),
    "55P03": (ConcurrencyConflict, LOCKED),
    "57014": (StatementTimeout, _SLOW),
    "57P": (DatabaseUnavailable, _LOST),
    "58": (StorageFailure, _DISK),
    "72000": (ConcurrencyConflict, OVERTAKEN),
    "P0001": (ConstraintViolated, "The database refused the data: {}."),  # RAISE EXCEPTION, in a trigger or a function
    "XX001": (StorageFailure, _DAMAGED),
    "XX002": (StorageFailure, _DAMAGED),
    "unfit": (
        ConstraintViolated,
        "The database takes no such value: {}. Let a rule of the domain say what the column can hold.",
    ),
    "SQLITE_BUSY": (ConcurrencyConflict, LOCKED),
    "SQLITE_BUSY_SNAPSHOT": (ConcurrencyConflict, OVERTAKEN),
    "SQLITE_CANTOPEN": (
        StorageFailure,
        "The database file can't be opened. Is its folder there, and may it be written to?",
    ),
    "SQLITE_CORRUPT": (StorageFailure, _DAMAGED),
    "SQLITE_FULL": (StorageFailure, _FULL),
    "SQLITE_INTERRUPT": (StatementTimeout, _SLOW),
    "SQLITE_IOERR": (StorageFailure, _DISK),
    "SQLITE_LOCKED": (ConcurrencyConflict, LOCKED),
    "SQLITE_NOTADB": (StorageFailure, "The file is not an SQLite database: name another one in DATABASE_URL."),
    "SQLITE_PERM": (StorageFailure, "The database file can't be used: look at its permissions."),
    "SQLITE_PROTOCOL": (ConcurrencyConflict, LOCKED),
    "SQLITE_READONLY": (StorageFailure, "The database file can't be written to: look at its permissions."),
}
_REFUSALS = re.compile(
    r"authentication failed|password supplied|no pg_hba.conf entry|pg_hba.conf rejects|not permitted to log in"
    r"|no such (?:database|user)|(?:database|role) \S+ does not exist|permission denied for database",
    re.IGNORECASE,
)
"""What PostgreSQL and pgbouncer say of a login. The driver has no code for it, only these words."""
_ATTEMPT = re.compile(r"^- host.*", re.MULTILINE)
"""How the driver reports each of several servers."""
_UNFIT = (
    *("22000", "22001", "22003", "22007", "22008", "22015", "22021", "22026", "22P02", "22P05"),
    *("SQLITE_MISMATCH", "SQLITE_TOOBIG"),
)
"""A value is too long, out of range, a period that ends before it begins, or of no form that its column takes.

The rest of class 22 is about expressions.
"""
_UNSENT = {"DataError", "OverflowError", "UnicodeEncodeError"}
"""What a driver raises without a code where it can't send a value: NUL, half a character, a number of too many bits."""
_UNKNOWN_AT_COMMIT = ("08", "40003", "57P", "XX", "SQLITE_IOERR")
"""After these a COMMIT may have been carried out: the answer to it was lost, or the disk failed under it."""


def meaning_of(
    error: BaseException,
    block: Block | None,
    dialect: Dialect,
    *,
    lost: bool,
    statement: str | None = None,
    of_values: bool = False,
) -> Exception | None:
    """Return what a driver's error means; None where it is of no special kind, such as a mistake in a statement.

    Args:
        error: the driver's error; what it says about rows and values is removed from it.
        block: the unit of work's block in which it happened, if any.
        dialect: that of the database, which shortens long names.
        lost: whether the connection was lost.
        statement: what was sent, if that is known.
        of_values: whether it stores values, or looks for them, and is no SQL of the caller's own.
    """
    code: str = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None) or ""
    _remove_contents(error, code)
    if code.startswith(("23", "SQLITE_CONSTRAINT")):
        return _broken_constraint(error, code, dialect)
    if code in {"25006", "SQLITE_READONLY"} and block and block.read_only:
        return UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
    if code in UNKNOWN_HERE and (statement or "").startswith("SAVEPOINT"):
        return UnitOfWorkMisuse(SAVEPOINTS)
    code = _more_exact(error, code, of_values=of_values)
    unknown = code.startswith(_UNKNOWN_AT_COMMIT) or (lost and not code.startswith("25P"))
    if unknown and block and block.state is BlockState.COMMITTING and not block.outer:
        return CommitOutcomeUnknown("The connection was lost during COMMIT. Find out whether the changes are saved.")
    for length in range(len(code), 1, -1):
        if code[:length] in _MEANINGS:
            kind, text = _MEANINGS[code[:length]]
            return kind(text.format(" ".join(str(error).split())))
    words = " ".join(str(error).split())
    if lost and not code and all(map(_REFUSALS.search, _ATTEMPT.findall(str(error)) or [words])):
        return DatabaseRefused(_REFUSED.format(words))
    return DatabaseUnavailable(f"{_LOST} The driver says: {words}") if lost else None


def _more_exact(error: BaseException, code: str, *, of_values: bool) -> str:
    """Return an entry of ``_MEANINGS`` where the code alone does not say what is meant."""
    if of_values and (code.startswith(_UNFIT) or (not code and type(error).__name__ in _UNSENT)):
        return "unfit"
    if code == "SQLITE_ERROR" and re.match("no such (table|column)|table .* has no column", str(error)):
        return "42P01"
    return f"{code} {str(error)[:11]}" if code == "0A000" else code


def _remove_contents(error: BaseException, code: str) -> None:
    """Keep only the first line of PostgreSQL's error, since DETAIL and CONTEXT show rows; remove quoted values, too."""
    if primary := getattr(getattr(error, "diag", None), "message_primary", None):
        quotes = code.startswith("22") or code in {"42704", "P0001"}
        # a first statement has its values in its text, where a syntax error quotes them
        contents = "\".*\"|'.*'" if quotes else "\"'.*'\""
        error.args = (re.sub(contents, "...", primary, flags=re.DOTALL),)


def _broken_constraint(error: BaseException, code: str, dialect: Dialect) -> Exception:
    if code in {"23001", "23503", "SQLITE_CONSTRAINT_FOREIGNKEY"}:
        return ReferenceViolated(REFERENCE)
    if diagnosis := getattr(error, "diag", None):
        # Citus gives the name in its message alone, and adds the number of a shard to it
        named = re.search('constraint "(.*?)"', str(error))
        broken: str = diagnosis.constraint_name or (named and named[1]) or diagnosis.column_name or ""
        names = {broken, re.sub(r"_\d+$", "", broken)}
    else:
        # SQLite names a CHECK or an index of expressions, and of the others the columns: "...: orders.number"
        broken = str(error).partition(": ")[2].removeprefix("index ").strip("'")
        names = {broken}
    for constraint in constraints() if broken and code != "SQLITE_CONSTRAINT_NOTNULL" else ():
        if "error" in constraint.info and names & {_name(constraint, dialect), ", ".join(columns_of(constraint))}:
            return error_of(constraint)
    return ConstraintViolated(NOT_ALLOWED.format(broken) if broken else f"The database refused the data: {error}.")


def _name(constraint: Constraint | Index, dialect: Dialect) -> str | None:
    name = dialect.identifier_preparer.format_constraint(constraint)
    return name and name.strip('"')
