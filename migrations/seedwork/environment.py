"""How ``alembic`` runs: on which database, in which transactions, and which tables it compares.

A caller in Python may pass ``config.attributes["url"]`` or ``["connection"]``; a connection that is in a transaction
already is committed or rolled back by its caller.
"""

import atexit
import gc
import logging
import re
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any

from alembic import context
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from pydantic import ValidationError
from sqlalchemy import URL, Connection, MetaData, make_url
from sqlalchemy.exc import CompileError, DBAPIError

import migrations.seedwork.sqlite  # noqa: F401  # Alembic finds by itself what it defines
from adapters.seedwork.settings import DatabaseSettings, explain
from migrations.seedwork.connection import (
    begin_for_all_or_nothing,
    check_foreign_keys,
    connect,
    tries_for_a_lock,
    words_of,
)
from migrations.seedwork.rendering import render_item
from migrations.seedwork.steps import Steps
from migrations.seedwork.tables import tables_of


def migrate(
    metadata: MetaData,
    settings: type[DatabaseSettings],
    *,
    after_each: Callable[[Connection], None] = lambda _: None,
) -> None:
    """Run what the ``alembic`` command asks for.

    Args:
        metadata: every table of the application.
        settings: the class of its settings.
        after_each: called after each revision that was applied, in its transaction: for what an engine needs besides
            tables, such as to distribute them.
    Raises: CommandError, which the command line prints without a traceback (a setting is not allowed; the database
        can't be used, refuses a statement, or has no such type).
    """
    if context.config.cmd_opts is not None:
        _log_to_the_console()
        # else the interpreter would look for garbage once more before it ends, among all that was imported: for 0.1 s
        atexit.register(gc.freeze)
    callbacks = [lambda ctx, step, **_: after_each(ctx.connection) if step.is_upgrade else None, check_foreign_keys]
    try:
        if context.is_offline_mode():
            url = _given(settings).migration_url
            _run(metadata, url.get_backend_name(), url=url, literal_binds=True, dialect_opts={"paramstyle": "named"})
        elif given := context.config.attributes.get("connection"):
            begin_for_all_or_nothing(given)
            _run(metadata, given.dialect.name, connection=given, on_version_apply=callbacks)
        else:
            given_settings = _given(settings)
            wait_s = given_settings.migration_wait_s
            with connect(_direct_url(given_settings), wait_s) as connection:
                begin_for_all_or_nothing(connection)
                _run_in_steps(metadata, connection, wait_s, callbacks)
    except DBAPIError as error:
        raise CommandError(f"The database refused a statement: {words_of(error)}") from error
    except CompileError as error:
        dialect = context.get_context().dialect.name
        reason = re.sub(r"Compiler <.*?>", dialect, str(error.args[0]))
        raise CommandError(
            f"{dialect} has not what a revision makes: {reason}. Give a type a form for it, in the table and in the"
            f" revision: ARRAY(Text()).with_variant(JSON(none_as_null=True), {dialect!r}). Make a constraint for the"
            " other database alone: docs/migrations.md"
        ) from error


def _given(settings: type[DatabaseSettings]) -> DatabaseSettings:
    given = context.config.attributes.get("url")
    url = given and make_url(given).render_as_string(hide_password=False)
    try:
        return settings(database_url=url, migration_database_url=url) if url else settings()
    except ValidationError as error:
        raise CommandError(explain(error)) from None


def _direct_url(settings: DatabaseSettings) -> URL:
    url = settings.migration_url
    if settings.database_pooler and not settings.migration_database_url and url.get_backend_name() != "sqlite":
        # the lock would stay with a connection of the pooler, and every later migration would wait for it
        raise CommandError(
            "DATABASE_POOLER says that DATABASE_URL names a pooler, which can't hold the lock of a migration. Set"
            " MIGRATION_DATABASE_URL to the server itself."
        )
    return url


def _run_in_steps(
    metadata: MetaData, connection: Connection, wait_s: float, callbacks: list[Callable[..., None]]
) -> None:
    run = partial(_run, metadata, connection.dialect.name, connection=connection)
    if connection.dialect.name == "sqlite":
        run(on_version_apply=callbacks)
        return
    with closing(Steps(connection)) as steps:
        try:
            for one_try in tries_for_a_lock(wait_s):
                with one_try:
                    steps.restart()
                    run(on_version_apply=[*callbacks, steps.finish])
        except DBAPIError as error:
            raise CommandError(f"The database refused a statement: {words_of(error)}{steps.stand}") from error


def _run(metadata: MetaData, dialect: str, **options: Any) -> None:  # Any: they are configure's own
    context.configure(
        target_metadata=metadata,
        render_as_batch=True,  # on PostgreSQL too: else what is generated there fails on SQLite
        render_item=render_item,
        include_name=_only_our_tables(metadata),
        compare_type=True,
        compare_server_default=True,
        autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        transactional_ddl=True,
        transaction_per_migration=dialect != "sqlite",
        **options,
    )
    if dialect == "sqlite":
        # nothing that a revision does has to run outside its transaction here, and leaving it lets another process in
        context.get_context().autocommit_block = nullcontext  # type: ignore[assignment]  # called without arguments
    with context.begin_transaction():
        try:
            context.run_migrations()
        except CommandError as error:
            unknown = error.__cause__.argument if isinstance(error.__cause__, ResolutionError) else None
            if unknown not in context.get_context().get_current_heads():
                raise
            raise CommandError(
                f"{error}, at which the database is. A newer release or another branch has migrated it, another"
                " service, or an application that was there before: docs/migrations.md says what to do"
            ) from error


def _only_our_tables(metadata: MetaData) -> Callable[[str | None, str, object], bool]:
    """Compare the tables that the code has or a revision names. Any other one is somebody else's, and is left alone."""

    @cache
    def named() -> set[str]:
        texts = (Path(revision.path).read_text("utf-8") for revision in context.script.walk_revisions())
        return set().union(*map(tables_of, texts))

    def is_compared(name: str | None, kind: str, _parents: object) -> bool:
        if kind != "table" or name is None or name in metadata.tables:
            return True
        return name.lower() in named()

    return is_compared


def _log_to_the_console() -> None:
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")
        logging.getLogger("alembic").setLevel(logging.INFO)
        logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
        logging.getLogger("alembic.util.messaging").setLevel(logging.CRITICAL)  # an error is printed already
