"""How ``alembic`` runs: on which database, in which transaction, and which tables it compares.

A caller in Python may pass ``config.attributes["connection"]`` or ``config.attributes["url"]``.
"""

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    PoolProxiedConnection,
    create_engine,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

from adapters.mappers import metadata
from adapters.settings import Settings

LOCK = 7_316_911_042  # any bigint, of this application alone
LOCK_TIMEOUT_S = 300.0


def database_url() -> URL:
    if given := context.config.attributes.get("url"):
        return make_url(given)
    try:
        return Settings().migration_url
    except ValidationError as error:
        raise CommandError(
            "; ".join(f"{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        ) from None


def engine_for(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool, hide_parameters=True)
    # isolation_level=None, BEGIN IMMEDIATE: a revision is all or nothing, DDL too, and one process migrates at a time
    # foreign_keys stays off, as SQLite has it: with it, rebuilding a table would delete the rows that refer to it.
    engine = create_engine(url, poolclass=NullPool, connect_args={"isolation_level": None, "timeout": LOCK_TIMEOUT_S})
    engine.dialect.do_begin = begin_immediate  # type: ignore[method-assign]  # its hook for it
    return engine


def begin_immediate(dbapi_connection: PoolProxiedConnection) -> None:
    dbapi_connection.cursor().execute("BEGIN IMMEDIATE")


@contextmanager
def one_at_a_time(connection: Connection) -> Generator[None]:
    """Keep other processes out on PostgreSQL; on SQLite BEGIN IMMEDIATE does."""
    if connection.dialect.name != "postgresql":
        yield
        return
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not connection.scalar(select(func.pg_try_advisory_lock(LOCK))):
        connection.rollback()  # hold no snapshot while waiting: CREATE INDEX CONCURRENTLY would wait for it
        if time.monotonic() > deadline:
            raise CommandError(f"Another process has been migrating this database for {LOCK_TIMEOUT_S:g} s.")
        time.sleep(0.2)
    connection.commit()  # else Alembic takes the transaction for its caller's, and never commits
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(select(func.pg_advisory_unlock(LOCK)))
        connection.commit()


def render_item(kind: str, item: object, _autogen: AutogenContext) -> str | Literal[False]:
    """Write the application's own column types as the types that they are made of: a revision must not import them."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def configure(**options: Any) -> None:  # Any: they are configure's own
    context.configure(
        target_metadata=metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_server_default=True,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        **options,
    )


def migrate(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    configure(connection=connection, transactional_ddl=True if sqlite else None, transaction_per_migration=not sqlite)
    with context.begin_transaction():
        context.run_migrations()
        if sqlite and (broken := connection.execute(text("PRAGMA foreign_key_check")).first()):
            raise CommandError(f"Nothing was migrated: a row of {broken.table} would refer to one that does not exist.")


def main() -> None:
    if context.is_offline_mode():
        configure(url=database_url(), literal_binds=True, dialect_opts={"paramstyle": "named"})
        with context.begin_transaction():
            context.run_migrations()
    elif given := context.config.attributes.get("connection"):
        migrate(given)
    else:
        with engine_for(database_url()).connect() as connection, one_at_a_time(connection):
            migrate(connection)


if context.config.cmd_opts is not None and not logging.getLogger().handlers:  # the command line, not a caller in Python
    logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")
    logging.getLogger("alembic").setLevel(logging.INFO)
main()
