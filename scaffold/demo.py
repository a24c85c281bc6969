"""``make demo`` of a fork without the sample: the life of an aggregate by its commands, on a database of its own."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scaffold.checkout import Refused, project
from scaffold.house import recorded
from scaffold.rendering import Aggregate
from scaffold.values import words_typed

NONE = """\
No aggregate was generated here yet. Write one, and come back:
  make aggregate name=patient fields="chart_number:str(20):unique born:date"
  make demo"""


def main(tree: Path, arguments: list[str]) -> None:
    """Show the first aggregate that refers to no other one. Raises: Refused (the schema can't be made)."""
    if arguments:
        raise Refused("Write: make demo")
    aggregates = [Aggregate.of(name, fields) for name, fields in recorded().items()]
    shown = next((one for one in aggregates if all(ref.optional for ref in one.refs)), None)
    if shown is None:
        print(NONE)
        return
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder, 'demo.db')}"
        demo = Demo(tree, project(tree).name, os.environ | {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": url})
        demo.migrate()
        demo.walk(shown)


class Demo:
    """Types commands, and shows what they print."""

    def __init__(self, tree: Path, program: str, environment: dict[str, str]) -> None:
        self._tree, self._program, self._environment = tree, program, environment

    def migrate(self) -> None:
        """Make the schema. Raises: Refused."""
        done = self._run("from alembic.config import main; main()", "upgrade", "head")
        if done.returncode:
            raise Refused(f"alembic upgrade head fails:\n{done.stderr}")

    def walk(self, aggregate: Aggregate) -> None:
        """Add one, look at it, change it, and remove it."""
        group = aggregate.group
        values = [word for field in aggregate.valued for word in shlex.split(words_typed(field))]
        added = self._type(group, "add", *values, "--json")
        if aggregate.uniques:
            self._type(group, "add", *values)
        self._type(group, "list")
        id = json.loads(added)["id"]
        if aggregate.optionals:
            self._type(group, "change", id, *(f"--unset={field.name}" for field in aggregate.optionals))
        self._type(group, "remove", id)
        print(f"$ {self._program} {group} --help")

    def _type(self, *words: str) -> str:
        print(f"$ {shlex.join([self._program, *words])}", flush=True)
        done = self._run(f"from adapters.cli import app; app(prog_name={self._program!r})", *words)
        print(done.stdout + done.stderr, flush=True)
        return done.stdout

    def _run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *words]
        return subprocess.run(
            command, cwd=self._tree, env=self._environment, capture_output=True, text=True, check=False
        )
