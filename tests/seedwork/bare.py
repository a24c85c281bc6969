"""The project without an aggregate: a copy of it without your modules, except those that register your aggregates.

The ``seedwork`` folders must work in every fork, so the import rules and the mutants are tested on this copy, too.
``python -m tests.seedwork.bare`` runs ``tests/seedwork`` there and says how much of the ``seedwork`` code is covered.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.seedwork.settings import PROJECT
from tests.seedwork.forgetting import REGISTRATIONS, forget

LAYERS = ("domain", "service_layer", "adapters")


def copy_project(tree: Path) -> None:
    """Copy the project into a new folder."""
    shutil.copytree(PROJECT, tree, ignore=shutil.ignore_patterns(".*", "*.db*", "__pycache__"))


def remove_aggregates(tree: Path) -> None:
    """Remove from a copy of the project every module that is yours, with its registrations, tests and revisions."""
    kept = {tree / name for name in REGISTRATIONS}
    modules = [file for layer in LAYERS for file in (tree / layer).rglob("*.py")]
    kept |= {tree / layer / "__init__.py" for layer in LAYERS}
    gone = [file for file in modules if "seedwork" not in file.parts and file not in kept]
    named = (tree / "pyproject.toml").read_text().replace("'", '"')
    for file in gone:
        if f'"{_dotted(file, tree)}' in named:  # no rule of imports may name what is not there
            file.write_text("")
        else:
            file.unlink()
    for file in tree.glob("migrations/versions/*.py"):
        file.unlink()
    for folder in ("unit", "contract", "integration", "e2e"):
        shutil.rmtree(tree / "tests" / folder, ignore_errors=True)
    names = {_dotted(file, tree) for file in gone}
    for file in kept:
        file.write_text(forget(file.read_text(), names))


def _dotted(file: Path, tree: Path) -> str:
    return ".".join(file.relative_to(tree).with_suffix("").parts).removesuffix(".__init__")


def run_seedwork_tests(tree: Path) -> int:
    """Run the project's own tests in a copy, with their coverage of the ``seedwork`` folders; return the exit code."""
    _write_revision(tree)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4", "-p", "no:cacheprovider"]
    folders = [f"--cov={layer}.seedwork" for layer in LAYERS]
    return subprocess.run([*command, *folders, "tests/seedwork"], cwd=tree, check=False).returncode


def _write_revision(tree: Path) -> None:
    """Write the revision of the tables that are left."""
    url = f"sqlite:///{tree / 'empty.db'}"
    subprocess.run(
        [sys.executable, "-m", "alembic", "revision", "--autogenerate", "--message", "create what is left"],
        cwd=tree,
        env=os.environ | {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": url},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    """Make the copy, and run the tests in it."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "project"
        copy_project(tree)
        remove_aggregates(tree)
        sys.exit(run_seedwork_tests(tree))


if __name__ == "__main__":
    main()
