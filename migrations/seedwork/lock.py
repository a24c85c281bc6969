"""One process migrates at a time: by an advisory lock or, where the server has none, by the lock of a row."""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from adapters.seedwork.sqlalchemy.gaps import code_of, has_advisory_locks

log = logging.getLogger("alembic.env")

LOCK = 7_316_911_042  # any bigint, of this application alone
HOLDER = text("""
    SELECT concat_ws(', ', 'pid ' || pid, application_name, 'user ' || usename, host(client_addr),
                     'connected since ' || date_trunc('second', backend_start))
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) + objid::bigint = :lock AND objsubid = 1 AND granted
""").bindparams(lock=LOCK)
LOCK_A_ROW = "SELECT id FROM alembic_lock WHERE id = 1 FOR UPDATE NOWAIT"
TAKEN = frozenset({"23505", "40001", "40P01", "42710", "42P01", "42P07", "55P03"})
"""By these codes another process holds the row, or makes it just now."""


@contextmanager
def locked(connection: Connection, wait_s: float) -> Generator[None]:
    """Wait until no other process migrates this database; the lock ends with the block, or with the process."""
    if has_advisory_locks(connection, LOCK):
        _wait(lambda: _lock(connection), lambda: connection.scalar(HOLDER) or "it has just ended", connection, wait_s)
        connection.commit()  # else Alembic takes the transaction for its caller's, and never commits
        yield
        return
    with connection.engine.connect() as keeper:  # its transaction stays open, and with it the lock
        _make_row(keeper)
        _wait(lambda: _lock_row(keeper), lambda: "this server does not say which", keeper, wait_s)
        yield


def _wait(lock: Callable[[], bool], holder: Callable[[], str], connection: Connection, wait_s: float) -> None:
    deadline, is_logged = time.monotonic() + wait_s, False
    while not lock():
        who = holder()
        connection.rollback()  # hold no snapshot while waiting: CREATE INDEX CONCURRENTLY would wait for it
        if time.monotonic() > deadline:
            raise CommandError(
                f"Another process is still migrating this database after {wait_s:g} s: {who}."
                " Wait for it, for longer with MIGRATION_WAIT_S; or end it: SELECT pg_terminate_backend(pid)"
            )
        if not is_logged:
            log.info("Waiting for another process that migrates this database: %s", who)
            is_logged = True
        time.sleep(0.2)


def _lock(connection: Connection) -> bool:
    return bool(connection.scalar(select(func.pg_try_advisory_lock(LOCK))))


def _lock_row(keeper: Connection) -> bool:
    try:
        return bool(keeper.exec_driver_sql(LOCK_A_ROW).first())
    except DBAPIError as error:
        if code_of(error) not in TAKEN:
            raise
    keeper.rollback()
    return False


def _make_row(keeper: Connection) -> None:
    try:
        if not inspect(keeper).has_table("alembic_lock"):
            keeper.exec_driver_sql("CREATE TABLE alembic_lock (id INTEGER PRIMARY KEY)")
        if not keeper.exec_driver_sql("SELECT id FROM alembic_lock").first():
            keeper.exec_driver_sql("INSERT INTO alembic_lock (id) VALUES (1)")
        keeper.commit()
    except DBAPIError as error:
        keeper.rollback()
        if code_of(error) not in TAKEN:
            raise
