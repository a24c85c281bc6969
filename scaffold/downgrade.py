"""Take revisions back on the development database, if it has them: ``python -m scaffold.downgrade FILE ...``."""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings


def main() -> None:
    """Downgrade to what comes before the revisions that are named, the newest first."""
    config = Config(toml_file=PROJECT / "pyproject.toml", stdout=sys.stderr)
    revisions = [
        revision
        for revision in ScriptDirectory.from_config(config).walk_revisions()
        if revision.path.endswith(tuple(sys.argv[1:]))
    ]
    url = Settings().migration_url
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return  # connecting would make it
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current in [revision.revision for revision in revisions]:
        command.downgrade(config, str(revisions[-1].down_revision or "base"))


if __name__ == "__main__":
    main()
