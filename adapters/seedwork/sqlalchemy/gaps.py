"""What a server may lack that speaks PostgreSQL's protocol; it is found out by trying.

What the house does then stands here as well, or with the one module that needs it:

- no savepoints: an inner block is refused, by ``SAVEPOINTS`` (``driver_errors``)
- no advisory locks: migrations lock a row instead (``migrations.seedwork.lock``)
- no transactions around DDL: migrations note each statement (``migrations.seedwork.steps``)
"""

from uuid import uuid4

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

SAVEPOINTS = (
    "The database has no savepoints, so no block can be opened inside another one. Write all of it in one block, or in"
    " two, one after the other."
)

ENGINE_OPTIONS = {"use_native_hstore": False}
"""For each engine: to look for that type, the driver would set a savepoint on the first connection."""

UNKNOWN_HERE = frozenset({"0A000", "42601", "42704", "42883", "42P01"})
"""By these codes a server says that it does not know, or does not support, what was asked for."""


def code_of(error: DBAPIError) -> str:
    """Return the SQLSTATE of an error, or an empty text."""
    return getattr(error.orig, "sqlstate", None) or ""


def has_advisory_locks(connection: Connection, key: int) -> bool:
    """Try to lock ``key`` for this session, and look whether that locks anything.

    Where another session has that lock, this one does not get it, and the answer is yes.
    """
    try:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
            return True
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
        return bool(connection.scalar(text(held)))
    except DBAPIError as error:
        if code_of(error) not in UNKNOWN_HERE:
            raise
        return False
    finally:
        connection.rollback()


def has_transactional_ddl(connection: Connection) -> bool:
    """Make two tables, roll back, and look whether one is there all the same; it is dropped then."""
    names = [f"probe_{uuid4().hex}" for _ in range(2)]
    try:
        for name in names:
            connection.exec_driver_sql(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)")
    except DBAPIError as error:  # where a role may not make tables, no revision can either
        refused = code_of(error) in UNKNOWN_HERE
    else:
        refused = False
    connection.rollback()
    left = [name for name in names if inspect(connection).has_table(name)]
    for name in left:
        connection.exec_driver_sql(f"DROP TABLE {name}")
    connection.commit()
    return not (refused or left)
