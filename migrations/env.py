"""How ``alembic`` runs: on which database, in which transaction, and which tables it compares.

A caller in Python may pass ``config.attributes["url"]`` or ``["connection"]``; a connection that is in a transaction
already is committed or rolled back by its caller.
"""

import logging
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, cast

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy import Connection, NullPool, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeDecorator

from adapters.mappers import metadata
from adapters.settings import Settings, explain

log = logging.getLogger("alembic.env")

LOCK = 7_316_911_042  # any bigint, of this application alone

HOLDER = text("""
    SELECT concat_ws(', ', 'pid ' || pid, application_name, 'user ' || usename, host(client_addr),
                     'connected since ' || date_trunc('second', backend_start))
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint << 32) + objid::bigint = :lock AND objsubid = 1 AND granted
""").bindparams(lock=LOCK)


def read_settings() -> Settings:
    given = context.config.attributes.get("url")
    url = given and make_url(given).render_as_string(hide_password=False)
    try:
        return Settings(database_url=url, migration_database_url=url) if url else Settings()
    except ValidationError as error:
        raise CommandError(explain(error)) from None


@contextmanager
def connect(settings: Settings) -> Generator[Connection]:
    url = settings.migration_url
    options: dict[str, Any]  # Any: whatever the driver takes
    if url.drivername == "sqlite":
        options = {"timeout": settings.migration_wait_s}
    else:
        options = {"connect_timeout": 5, "fallback_application_name": "alembic"}
    try:
        connection = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options).connect()
    except ModuleNotFoundError as error:
        raise CommandError(f'{error}. Install the driver: python -m pip install -e ".[postgresql]"') from None
    except DBAPIError as error:
        raise unusable(error) from None
    with connection:
        yield connection


def unusable(error: DBAPIError) -> CommandError:
    return CommandError(f"The database can't be used: {' '.join(str(error.orig).split())}")


@contextmanager
def one_at_a_time(connection: Connection, wait_s: float) -> Generator[None]:
    """Keep other processes out on PostgreSQL; on SQLite BEGIN IMMEDIATE does."""
    if connection.dialect.name != "postgresql":
        yield
        return
    deadline, told = time.monotonic() + wait_s, False
    while not connection.scalar(select(func.pg_try_advisory_lock(LOCK))):
        holder = connection.scalar(HOLDER) or "it has just ended"
        connection.rollback()  # hold no snapshot while waiting: CREATE INDEX CONCURRENTLY would wait for it
        if time.monotonic() > deadline:
            raise CommandError(
                f"Another process is still migrating this database after {wait_s:g} s: {holder}."
                " Wait for it, for longer with MIGRATION_WAIT_S; or end it: SELECT pg_terminate_backend(pid)"
            )
        if not told:
            log.info("Waiting for another process that migrates this database: %s", holder)
            told = True
        time.sleep(0.2)
    connection.commit()  # else Alembic takes the transaction for its caller's, and never commits
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(select(func.pg_advisory_unlock(LOCK)))
        connection.commit()


def sqlite_connection(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def begin_immediate(connection: Connection) -> None:
    # the driver alone would begin at the first INSERT, and leave the tables of a revision that fails
    if sqlite_connection(connection).in_transaction:
        return
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "") != "SQLITE_BUSY":
            raise unusable(error) from None
        raise CommandError(
            "Another process has been writing to this database for too long: it migrates, or a block of it is open."
            " Wait for it, for longer with MIGRATION_WAIT_S; or end it: SQLite can't say who it is, but `fuser` can."
        ) from None


def limit_lock_waits(connection: Connection) -> None:
    # everybody else queues behind a statement that waits for its lock; LOCAL: not in an autocommit_block,
    # where CREATE INDEX CONCURRENTLY waits for other transactions, and would leave an invalid index
    connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")


def check_foreign_keys(ctx: Any, step: Any, **_: object) -> None:  # Any: as Alembic calls it
    if broken := ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise CommandError(
            f"Nothing was migrated: after {step.up_revision_id} a row of {broken.table} would refer to a row of"
            f" {broken.parent} that does not exist."
        )


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write the application's own column types as the types that they are made of: a revision must not import them."""
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    type_ = item.impl_instance
    dialect = type(type_).__module__.partition("sqlalchemy.dialects.")[2].partition(".")[0]
    if dialect:
        autogen.imports.add(f"from sqlalchemy.dialects import {dialect}")
    return autogen.migration_context.impl.render_type(type_, autogen) or f"{dialect or 'sa'}.{type_!r}"


def configure(dialect: str, **options: Any) -> None:  # Any: they are configure's own
    sqlite = dialect == "sqlite"
    context.configure(
        target_metadata=metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
        compare_server_default=True,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        transactional_ddl=True,
        transaction_per_migration=not sqlite,
        **options,
    )
    if sqlite:
        # nothing that a revision does has to run outside its transaction here, and leaving it lets another process in
        context.get_context().autocommit_block = nullcontext  # type: ignore[assignment]  # called without arguments


def migrate(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        event.listen(connection, "begin", limit_lock_waits)
        configure(connection.dialect.name, connection=connection)
    else:
        if sqlite_connection(connection).execute("PRAGMA foreign_keys").fetchone() == (1,):
            raise CommandError("With PRAGMA foreign_keys=ON, rebuilding a table deletes what refers to it: set it OFF.")
        event.listen(connection, "begin", begin_immediate)
        if connection.in_transaction():
            begin_immediate(connection)
        configure("sqlite", connection=connection, on_version_apply=check_foreign_keys)
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    if context.is_offline_mode():
        url = read_settings().migration_url
        configure(url.get_backend_name(), url=url, literal_binds=True, dialect_opts={"paramstyle": "named"})
        with context.begin_transaction():
            context.run_migrations()
    elif given := context.config.attributes.get("connection"):
        migrate(given)
    else:
        settings = read_settings()
        with connect(settings) as connection, one_at_a_time(connection, settings.migration_wait_s):
            migrate(connection)


if context.config.cmd_opts is not None and not logging.getLogger().handlers:  # the command line, not a caller in Python
    logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")
    logging.getLogger("alembic").setLevel(logging.INFO)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    logging.getLogger("alembic.util.messaging").setLevel(logging.CRITICAL)  # an error is printed already
main()
