"""Whether the settings, the database and the registrations are as the code needs them."""

import re
from collections.abc import Iterator
from pathlib import Path

from scaffold.checks import Said

COMPARE = "diff .env .env.example"


def settings(tree: Path) -> Iterator[Said]:
    """Read the settings."""
    from pydantic import ValidationError

    from adapters.seedwork.settings import explain
    from adapters.settings import Settings

    dotenv = tree / ".env"
    text = dotenv.read_text("utf-8-sig") if dotenv.exists() else ""
    written = re.findall(r"^\s*(?:export\s+)?(\w+)\s*=", text, re.MULTILINE)
    known = {name.upper() for name in Settings.model_fields}
    for name in (name.upper() for name in written):
        if name not in known and name.startswith(("DATABASE_", "MIGRATION_")):
            yield "mend", f".env has {name}, and no setting has that name", COMPARE
    try:
        url = Settings().url
    except ValidationError as error:
        yield "mend", explain(error), COMPARE
    else:
        yield "ok", f"the database is {url.render_as_string(hide_password=True)}", ""


def database(_tree: Path) -> Iterator[Said]:
    """Look where the schema of the database stands."""
    from pydantic import ValidationError

    from adapters.seedwork.sqlalchemy.schema import schema_status
    from adapters.settings import Settings
    from service_layer.seedwork.errors import TransactionError

    try:
        given = Settings()
        status = schema_status(given)
    except ValidationError:
        yield "note", "it is unknown until the settings are mended", ""
        return
    except TransactionError as error:
        yield "mend", str(error).rstrip("."), COMPARE
        return
    at, head = " and ".join(status.current) or "no revision", " and ".join(status.head)
    if len(status.head) > 1:
        said = f"the revisions have {len(status.head)} heads: {head}; if both change one table, see docs/migrations.md"
        yield "mend", said, "alembic merge heads"
    elif given.url.get_backend_name() == "sqlite" and not (file := Path(given.url.database or "")).exists():
        yield "mend", f"{file.name} is not there yet", "alembic upgrade head"
    elif not status.is_known:
        whose = "a newer release, another branch (docs/migrations.md) or another service"
        yield "mend", f"it is at {at}, which this code does not know: {whose} has migrated it", "git pull"
    elif status.pending:
        yield "mend", f"it is at {at}, and the code needs {head}", "alembic upgrade head"
    else:
        yield "ok", f"it is at {at}, as the code needs it", ""


def registration(_tree: Path) -> Iterator[Said]:
    """Look for lines that are missing where an aggregate is registered."""
    from tests.seedwork.registration import missing_registrations

    missing = missing_registrations()
    for sentence in missing:
        said, _, line = sentence.partition(". In ")
        yield "mend", said, f"In {line}"
    if not missing:
        yield "ok", "all that is yours is registered", ""
