"""Write a revision, as ``alembic revision --autogenerate`` does, on a temporary database that is migrated first.

``python -m scaffold.revision MESSAGE`` prints the path of the file; it is run in a copy of the house.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config

from adapters.seedwork.settings import PROJECT


def main() -> None:
    """Migrate, compare, and write."""
    config = Config(toml_file=PROJECT / "pyproject.toml", stdout=sys.stderr)
    with TemporaryDirectory() as folder:
        config.attributes["url"] = f"sqlite:///{Path(folder, 'revision.db')}"
        command.upgrade(config, "head")
        script = command.revision(config, sys.argv[1], autogenerate=True)
    path = getattr(script, "path", None)
    assert isinstance(path, str), "one revision, since there is one head"
    print(Path(path).relative_to(PROJECT).as_posix())


if __name__ == "__main__":
    main()
