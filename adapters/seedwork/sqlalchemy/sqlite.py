"""An SQLite file: only its owner can read it, and readers and the writer don't wait for each other in it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection, OperationalError
from threading import Lock
from typing import Any

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
