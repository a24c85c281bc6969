"""Write a revision, as ``alembic revision --autogenerate`` does, on a temporary database that is migrated first.

``python -m scaffold.revision MESSAGE`` prints the path of the file; it is run in a copy of the house. With names of
tables behind the message, which the code has, the revision drops them, and its downgrade makes them as the code has
them: what is read back from SQLite would be other types elsewhere.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from adapters.mappers import metadata
from adapters.seedwork.settings import PROJECT
from scaffold.revisions import turned_round


def main() -> None:
    """Migrate, compare, and write."""
    message, *dropped = sys.argv[1:]
    config = Config(toml_file=PROJECT / "pyproject.toml", stdout=sys.stderr)
    if len(heads := ScriptDirectory.from_config(config).get_heads()) > 1:
        sys.exit(f"The revisions have {len(heads)} heads: {' and '.join(heads)}. Write first: alembic merge heads")
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'revision.db')}"
        config.attributes["url"] = url
        command.upgrade(config, "head")
        if dropped:
            engine = create_engine(url, poolclass=NullPool)
            metadata.drop_all(engine, [metadata.tables[name] for name in dropped])
        script = command.revision(config, message, autogenerate=True)
    path = getattr(script, "path", None)
    assert isinstance(path, str), "one revision, since there is one head"
    file = Path(path)
    if dropped:
        file.write_text(turned_round(file.read_text()))
    print(file.relative_to(PROJECT).as_posix())


if __name__ == "__main__":
    main()
