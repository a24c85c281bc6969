"""Histories of the tests' own: planted revisions, which the project's own env.py runs on separate databases."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from textwrap import dedent, indent

from alembic import command
from alembic.config import Config
from ruff import find_ruff_bin  # type: ignore[import-untyped]  # it has no types
from sqlalchemy import Engine, NullPool, create_engine, inspect

from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy.gaps import ENGINE_OPTIONS
from tests.seedwork.schema import Schema, schema_of

CONFIGURATION = """\
[tool.alembic]
script_location = "{project}/migrations"
version_locations = ["%(here)s"]
prepend_sys_path = ["{project}"]
"""

REVISION = '''\
"""{id}"""

import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {down!r}


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


@dataclass(frozen=True)
class History:
    """Revisions in a folder, and the database that they are run on."""

    folder: Path
    url: str

    def plant(
        self, id: str, upgrade: str, downgrade: str = "pass", *, down: str | tuple[str, ...] | None = None
    ) -> None:
        """Write a revision, or replace it."""
        bodies = {"upgrade": upgrade, "downgrade": downgrade}
        bodies = {name: indent(dedent(body).strip(), "    ") for name, body in bodies.items()}
        self.folder.mkdir(exist_ok=True)
        for compiled in self.folder.glob(f"__pycache__/{id}.*"):  # taken for one of the same second and length
            compiled.unlink()
        (self.folder / f"{id}.py").write_text(REVISION.format(id=id, down=down, **bodies))

    def config(self, **attributes: object) -> Config:
        """Configure alembic for a call in this process. Nothing is read, as pyproject.toml is when one is written."""
        return self._of_this_folder(Config(), attributes or {"url": self.url})

    def write(self, message: str) -> None:
        """Have alembic write the revision that the code needs, by the project's own rules for a new file."""
        config = self._of_this_folder(Config(toml_file=PROJECT / "pyproject.toml"), {"url": self.url})
        command.revision(config, message, autogenerate=True)

    def upgrade(self, revision: str = "head") -> None:
        """Migrate in this process."""
        command.upgrade(self.config(), revision)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``alembic`` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "alembic", "-c", self.file(), *arguments],
            env={**os.environ, "DATABASE_URL": self.url, "MIGRATION_DATABASE_URL": self.url},
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def file(self) -> str:
        """Write the configuration that a command line names, and return its path."""
        self.folder.mkdir(exist_ok=True)
        file = self.folder / "pyproject.toml"
        if not file.exists():  # written once: a process that has started before may be reading it
            file.write_text(CONFIGURATION.format(project=_escaped(PROJECT)))
        return str(file)

    def downgrade(self, revision: str) -> None:
        """Go back in this process."""
        command.downgrade(self.config(), revision)

    def offline(self) -> str:
        """Return the SQL of the whole history."""
        config = self.config()
        config.output_buffer = output = StringIO()
        command.upgrade(config, "heads", sql=True)
        return output.getvalue()

    def schema(self) -> Schema:
        """Return what the database's schema is."""
        with self.engine.connect() as connection:
            return schema_of(connection)

    def tables(self) -> set[str]:
        """Return the names of all tables but the one whose row migrations lock where a server has nothing else."""
        return set(inspect(self.engine).get_table_names()) - {"alembic_lock"}

    def _of_this_folder(self, config: Config, attributes: Mapping[str, object]) -> Config:
        config.set_main_option("script_location", _escaped(PROJECT / "migrations"))
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", _escaped(self.folder))
        config.attributes.update(attributes)
        return config

    @cached_property
    def engine(self) -> Engine:
        """A plain engine on the database, without the application's pragmas."""
        options = {} if self.url.startswith("sqlite") else ENGINE_OPTIONS
        return create_engine(self.url, poolclass=NullPool, **options)


def _escaped(path: Path) -> str:
    """Return a path as an option of alembic's, in which % begins a reference."""
    return path.as_posix().replace("%", "%%")


def ruff(command: str, revision: str) -> str:
    """Return what ruff reports about the text of a revision."""
    name = PROJECT / "migrations" / "versions" / "revision.py"
    run = [find_ruff_bin(), *command.split(), "--stdin-filename", str(name), "-"]
    return subprocess.run(run, input=revision, capture_output=True, text=True, check=False).stdout
