"""Where a database's schema stands: its revision, what is pending, and the SQL of that.

This only looks; ``alembic`` alone changes a schema. Alembic is imported where something is pending, not at each start.
"""

import re
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, text

from adapters.seedwork.settings import PROJECT, DatabaseSettings
from adapters.seedwork.sqlalchemy.engine import create_engine
from service_layer.seedwork.errors import DatabaseRefused, DatabaseUnavailable, SchemaOutdated

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script, ScriptDirectory

_REVISION = re.compile(r"^revision\b[^=\n]*= *['\"]?(\w+)", re.MULTILINE)
"""The id in a revision's file."""
_FOLLOWED = re.compile(r"^down_revision\b[^=\n]*= *(\([^)]*\)|.*)", re.MULTILINE)
"""The revision in it that comes before, or the tuple of those that it merges."""


@dataclass(frozen=True, slots=True)
class PendingRevision:
    """A revision that ``alembic upgrade head`` would apply."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database's schema stands."""

    database: str
    """Its URL, without the password."""
    current: tuple[str, ...]
    """The revision that it has; none if it is not migrated, several if branches are not merged."""
    head: tuple[str, ...]
    """The revision that this code needs."""
    is_known: bool
    """Whether this code knows the current revision; if not, something newer, or foreign, has migrated it."""
    pending: tuple[PendingRevision, ...]
    """What ``alembic upgrade head`` would apply, in this order."""
    sql: str
    """What it would run."""


def check_schema(engine: Engine) -> None:
    """Refuse a database whose schema is not the one that this code was written for.

    One that can't be reached is accepted: the first block reports that, and a retry may succeed.

    Raises: SchemaOutdated (the message says what to do; also where the role may not look).
    """
    try:
        current = _current(engine)
    except DatabaseUnavailable:
        return
    finally:
        engine.dispose()  # so that what a caller sets up for new connections reaches every one of them
    if current and current == _heads():
        return
    heads, revisions = _revisions()
    if current == heads:
        return
    at = f"The database is at revision {_names(current)}" if current else "The database is not migrated"
    if current <= revisions:
        raise SchemaOutdated(f"{at}, and this code needs {_names(heads)}. Run: alembic upgrade head")
    raise SchemaOutdated(
        f"{at}, which this code does not know: a newer release, or another branch, has migrated it. Start that release,"
        " or take back what the branch did (docs/migrations.md); or, if that revision leaves all that this one needs,"
        " set DATABASE_CHECK_SCHEMA=false. Or it is another service's: give each a schema of its own"
        " (docs/operations.md)"
    )


def schema_status(settings: DatabaseSettings) -> SchemaStatus:
    """Look where the schema stands.

    Raises: DatabaseUnavailable, StorageFailure, SchemaOutdated (the role may not look; what is there makes no sense).
    """
    engine = create_engine(settings)
    try:
        current = _current(engine)
    finally:
        engine.dispose()
    heads, revisions = _revisions()
    is_known = current <= revisions
    missing = _missing(current) if is_known else []
    return SchemaStatus(
        database=settings.url.render_as_string(hide_password=True),
        current=tuple(sorted(current)),
        head=tuple(sorted(heads)),
        is_known=is_known,
        pending=tuple(PendingRevision(revision.revision, revision.doc) for revision in reversed(missing)),
        sql=_sql(settings, current) if missing else "",
    )


def _current(engine: Engine) -> frozenset[str]:
    if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists():  # to connect would make it
        return frozenset()
    try:
        with engine.connect() as connection:
            return frozenset(connection.scalars(text("SELECT version_num FROM alembic_version")))
    except SchemaOutdated:  # there is no such table
        return frozenset()
    except DatabaseRefused as error:
        if getattr(error.__cause__, "sqlstate", None) != "42501":
            raise
        with engine.connect() as connection:
            role = connection.scalar(text("SELECT quote_ident(current_user)"))
        raise SchemaOutdated(
            f"Where the schema stands can't be seen: {role} may not read alembic_version. As the owner of that table"
            f" run: GRANT SELECT ON alembic_version TO {role}"
        ) from error


def _heads() -> frozenset[str]:
    """Return the heads as the files say it, which Alembic reads too."""
    texts = [file.read_text("utf-8") for file in (PROJECT / "migrations" / "versions").glob("*.py")]
    followed = {id for text in texts for ids in _FOLLOWED.findall(text) for id in re.findall(r"\w+", ids)}
    return frozenset(id for text in texts for id in _REVISION.findall(text)) - followed


@cache
def _revisions() -> tuple[frozenset[str], frozenset[str]]:
    """Return the heads, and all revisions."""
    script = _script()
    return frozenset(script.get_heads()), frozenset(revision.revision for revision in script.walk_revisions())


def _missing(current: frozenset[str]) -> "list[Script]":
    from alembic.script.revision import RevisionError  # noqa: PLC0415  # only what is pending needs it

    try:
        return [*_script().iterate_revisions("heads", tuple(current) or "base")]
    except RevisionError as error:
        raise SchemaOutdated(
            f"alembic_version has the rows {_names(current)}, and one of them comes before another one: {error}. Look"
            " what the schema is like, and leave the row of the newest revision that it has"
        ) from error


def _sql(settings: DatabaseSettings, current: frozenset[str]) -> str:
    from alembic import command  # noqa: PLC0415  # only what is pending needs it

    config, output = _config(), StringIO()
    config.output_buffer = output
    config.attributes["url"] = settings.url
    try:
        command.upgrade(config, f"{','.join(sorted(current)) or 'base'}:heads", sql=True)
    except Exception as error:  # whatever comes of a revision that reads rows, or of rebuilding a table on SQLite
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        output.write(f"-- What follows depends on what the database holds by then: {reason}\n")
    return output.getvalue().strip()


def _script() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory  # noqa: PLC0415  # only what is pending needs it

    return ScriptDirectory.from_config(_config())


def _config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415  # only what is pending needs it

    config = Config()
    config.set_main_option("script_location", str(PROJECT / "migrations").replace("%", "%%"))
    return config


def _names(revisions: frozenset[str]) -> str:
    return " and ".join(sorted(revisions))
