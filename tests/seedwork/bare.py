"""The project without an aggregate: a copy of it without your modules, except those that register your aggregates.

The ``seedwork`` folders must work in every fork, so the import rules and the mutants are tested on this copy, too.
``python -m tests.seedwork.bare`` runs ``tests/seedwork`` there and says how much of the ``seedwork`` code is covered.
"""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapters.seedwork.settings import PROJECT

LAYERS = ("domain", "service_layer", "adapters")
REGISTRATIONS = (
    "service_layer/unit_of_work.py",
    "adapters/unit_of_work.py",
    "adapters/mappers.py",
    "adapters/container.py",
    "adapters/settings.py",
    "adapters/cli/__init__.py",
    "adapters/cli/application.py",
)
"""What is yours and stands in every fork."""


def copy_project(tree: Path) -> None:
    """Copy the project into a new folder."""
    shutil.copytree(PROJECT, tree, ignore=shutil.ignore_patterns(".*", "*.db*", "__pycache__"))


def remove_aggregates(tree: Path) -> None:
    """Remove from a copy of the project every module that is yours, with its registrations, tests and revisions."""
    kept = {tree / name for name in REGISTRATIONS}
    modules = [file for layer in LAYERS for file in (tree / layer).rglob("*.py")]
    yours = [file for file in modules if "seedwork" not in file.parts and file.name != "__init__.py"]
    gone = [file for file in yours if file not in kept]
    for file in (*gone, *tree.glob("migrations/versions/*.py")):
        file.unlink()
    for folder in ("unit", "contract", "integration", "e2e"):
        shutil.rmtree(tree / "tests" / folder, ignore_errors=True)
    names = {".".join(file.relative_to(tree).with_suffix("").parts) for file in gone}
    for file in kept:
        file.write_text(ast.unparse(_Forgetting(names).visit(ast.parse(file.read_text()))))


class _Forgetting(ast.NodeTransformer):
    """Removes the imports of modules that are gone, and the statements that use what was imported."""

    def __init__(self, modules: set[str]) -> None:
        self._modules = modules
        self._names: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        gone = [alias for alias in node.names if {node.module, f"{node.module}.{alias.name}"} & self._modules]
        self._names |= {alias.asname or alias.name for alias in gone}
        node.names = [alias for alias in node.names if alias not in gone]
        return node if node.names else None

    def generic_visit(self, node: ast.AST) -> Any:  # Any: as the library has it
        if isinstance(node, ast.stmt) and self._names & set(_names_beside_its_body(node)):
            return None
        super().generic_visit(node)
        if getattr(node, "body", None) == []:
            vars(node)["body"].append(ast.Pass())
        return node


def _names_beside_its_body(statement: ast.stmt) -> list[str]:
    fields = [value for name, value in ast.iter_fields(statement) if name not in {"body", "handlers", "orelse"}]
    values = [value for field in fields for value in (field if isinstance(field, list) else [field])]
    nodes = [node for value in values if isinstance(value, ast.AST) for node in ast.walk(value)]
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def run_seedwork_tests(tree: Path) -> int:
    """Run the project's own tests in a copy, with their coverage of the ``seedwork`` folders; return the exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4", "-p", "no:cacheprovider"]
    folders = [f"--cov={layer}.seedwork" for layer in LAYERS]
    return subprocess.run([*command, *folders, "tests/seedwork"], cwd=tree, check=False).returncode


def main() -> None:
    """Make the copy, and run the tests in it."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "project"
        copy_project(tree)
        remove_aggregates(tree)
        sys.exit(run_seedwork_tests(tree))


if __name__ == "__main__":
    main()
