"""The whole way of a fork, in a copy: ``make rehearsal`` says how long each step takes, and fails with the step.

Clone the checkout as it is, fork it, check, drop the sample, check; the tree is clean at the end of each step. It needs
no environment of its own: the packages are those of this one.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.seedwork.settings import PROJECT

NAME = "clinic"
IDENTITY = ("-c", "user.name=rehearsal", "-c", "user.email=rehearsal@example.org", "-c", "commit.gpgsign=false")
SCAFFOLD = (sys.executable, "-m", "scaffold")
GATES = (
    ("ruff", "format", "--check"),
    ("ruff", "check"),
    ("mypy",),
    ("basedpyright",),
    ("lint-imports",),
    (sys.executable, "-m", "migrations.seedwork.lint"),
)
TESTS = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
IN_PARALLEL = ("--numprocesses", "auto", "--maxprocesses", "4", "--dist", "worksteal")


class Failed(Exception):
    """A step of the rehearsal does not do what it should."""


def run(tree: Path, *command: str) -> str:
    """Run a command in a tree, with the programs of this environment. Raises: Failed (its exit code is not 0)."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "MIGRATION_"))}
    done = subprocess.run(
        command, cwd=tree, env=unset | {"PATH": path}, capture_output=True, text=True, check=False, timeout=1200
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)} fails:\n{done.stdout}{done.stderr}")
    return done.stdout


def clone(tree: Path) -> None:
    """Clone the checkout, with what is not committed yet."""
    run(PROJECT, "git", "clone", "--quiet", str(PROJECT), str(tree))
    present = run(PROJECT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, present):
        if (PROJECT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((PROJECT / name).read_bytes())
        else:
            (tree / name).unlink()
    commit(tree, "the checkout as it is")


def commit(tree: Path, message: str) -> None:
    """Commit all that is there. Raises: Failed (something that git ignores would be needed)."""
    run(tree, "git", "add", "--all")
    run(tree, "git", *IDENTITY, "commit", "--quiet", "--allow-empty", "--message", message)


def scaffold(tree: Path, *arguments: str) -> str:
    """Run a command of the scaffold, and commit what it did."""
    said = run(tree, *SCAFFOLD, *arguments)
    commit(tree, " ".join(arguments))
    return said


def pass_the_gates(tree: Path) -> None:
    """See that every gate but the tests is green."""
    if (cache := PROJECT / ".mypy_cache").exists():  # else mypy reads every library again, which takes 20 s
        shutil.copytree(cache, tree / cache.name, dirs_exist_ok=True)
    for gate in GATES:
        run(tree, *gate)


def check(tree: Path) -> None:
    """Run what ``make check`` runs. Raises: Failed (a gate is not green; a check leaves something behind)."""
    pass_the_gates(tree)
    run(tree, *TESTS, *IN_PARALLEL, "--cov")
    if left := run(tree, "git", "status", "--porcelain"):
        raise Failed(f"The tree is not clean:\n{left}")


def rehearse(tree: Path) -> Iterator[str]:
    """Take the steps one after the other, and name each when it is done."""
    clone(tree)
    yield "clone"
    scaffold(tree, "fork", NAME)
    yield f"fork {NAME}"
    check(tree)
    yield "check"
    kept = shutil.copytree(tree, tree.with_name(f"{NAME}_kept"))
    scaffold(tree, "drop-sample")
    yield "drop-sample"
    check(tree)
    yield "check"
    scaffold(kept, "drop-sample", "--keep-history")
    yield "drop-sample --keep-history"
    pass_the_gates(kept)
    run(kept, *TESTS, *IN_PARALLEL, "tests/seedwork/integration/test_migrations_gates.py")
    yield "check its migrations"


def main() -> None:
    """Rehearse, and print how long each step takes."""
    with TemporaryDirectory() as folder:
        begun = time.monotonic()
        try:
            for step in rehearse(Path(folder) / NAME):
                print(f"{step:<27} {time.monotonic() - begun:6.1f} s", flush=True)
                begun = time.monotonic()
        except Failed as failure:
            sys.exit(str(failure))


if __name__ == "__main__":
    main()
