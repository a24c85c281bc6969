"""An SQLite file: only its owner can read it, and readers and the writer don't wait for each other in it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection, OperationalError
from threading import Lock
from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry

LOG_LIMIT = 8 * 2**20
"""How large the log of a file may be, in bytes, before it is written into the file; it then takes no more space."""
LOOK_AFTER = 50
"""How many rows are written before a connection looks how large the log is: a look takes 12 µs of a commit."""
READERS_MS = 200
"""How long a writer waits for readers then, in milliseconds."""

_one_at_a_time = Lock()


def create_private(_dialect: object, _entry: object, arguments: Sequence[Any], _options: object) -> None:
    """Create the file before the driver does, which would let everybody read it, and its ``-wal`` with it.

    It is SQLAlchemy's event ``do_connect``. A file that exists keeps its mode.
    """
    # closing a file drops all locks that the process has on it: nobody may connect before it is closed
    with _one_at_a_time, suppress(OSError):  # it exists; or the driver says what is wrong
        Path(arguments[0]).touch(0o600, exist_ok=False)


def switch_to_wal(connection: Connection) -> None:
    """Make the file keep a write-ahead log, which it remembers; wait for whoever writes to a file that has none yet."""
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except OperationalError as error:
        if error.sqlite_errorname != "SQLITE_BUSY":
            raise
        connection.execute("BEGIN EXCLUSIVE")  # unlike the switch, it waits, as long as the lock timeout says
        connection.execute("ROLLBACK")
        switch_to_wal(connection)


def prepare(lock_timeout_s: float, connection: Connection, entry: ConnectionPoolEntry) -> None:
    """Set a new connection up, and note what ``shorten_log`` needs. It is SQLAlchemy's event ``connect``."""
    switch_to_wal(connection)
    # FULL: what is acknowledged survives a power cut (on macOS only with fullfsync, which elsewhere does nothing)
    pragmas = ("synchronous=FULL", "fullfsync=ON", "foreign_keys=ON", f"journal_size_limit={LOG_LIMIT}")
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    (_, _, file) = connection.execute("PRAGMA database_list").fetchone()
    entry.info.update(log=Path(f"{file}-wal"), lock_timeout_s=lock_timeout_s, log_size=0, seen=0)


def shorten_log(new_cursor: Callable[[], Any], written: int, info: dict[str, Any]) -> None:  # Any: of either driver
    """Write a large log into the database file, after a commit.

    While readers overlap SQLite gets no chance to do it by itself, and the log grows without bound. This waits for
    them, for a short time only, and not again before the log has grown by ``LOG_LIMIT``.
    """
    if written - info["seen"] < LOOK_AFTER:
        return
    info["seen"] = written
    try:
        size = info["log"].stat().st_size
    except OSError:
        return
    if size > LOG_LIMIT + info["log_size"]:
        cursor = new_cursor()
        cursor.execute(f"PRAGMA busy_timeout={READERS_MS}")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (still_busy, *_) = cursor.fetchone()
        cursor.execute(f"PRAGMA busy_timeout={info['lock_timeout_s'] * 1000:.0f}")
        cursor.close()
        info["log_size"] = size if still_busy else 0
