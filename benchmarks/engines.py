"""The engine that every subject on SQLAlchemy shares in kind: what a careful user sets up by the documentation."""

from sqlite3 import Connection as SQLiteConnection

from sqlalchemy import Connection, Engine, create_engine, event

PRAGMAS = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON")


def careful_engine(url: str) -> Engine:
    """Return an engine whose transactions on SQLite begin when the program says so, as writers, in WAL."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=10)
    engine = create_engine(url, pool_size=10, connect_args={"isolation_level": None})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _set_pragmas(connection: SQLiteConnection, _record: object) -> None:
    for pragma in PRAGMAS:
        connection.execute(pragma)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
