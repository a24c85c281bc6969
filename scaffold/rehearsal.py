"""The whole way of a fork, in a copy: ``make rehearsal`` says how long each step takes, and fails with the step.

It needs no environment of its own: the packages are those of this one.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.seedwork.settings import PROJECT

NAME = "webshop"
AGGREGATES = {
    "user_group": "name:str(30):unique number:int(1000..9999):index boss:ref(user_group):optional:unique",
    "order": "status:enum(draft,placed,sent):default=draft group:ref(user_group) other:ref(user_group):optional:unique"
    " big:int(0..9000000000) code:str(2) at:datetime note:email:optional mail:email:unique ext:uuid"
    " token:uuid:optional data:json extra:json:optional rate:decimal(3,0) tiny:decimal(2,2):optional"
    " vip:bool:default=false label:str(50):default=none sent_on:date unique(code,rate)"
    " items:parts(sku:str(20):unique quantity:int(1..):default=1 price:decimal(7,2) kind:enum(a,b) made:date:optional)",
    "kind": "n:int(..5) value:bool sort:enum(one,two) base:ref(user_group):optional",
}
"""By name: one that others refer to, one with every type and modifier, one whose words the house uses itself."""
FIELD = "urgent:bool:default=false seen:datetime:optional tag:str(9):optional:unique stops:parts(day:date)"
LAST = (
    "subscription_renewal_request",
    "number:int(1..):unique total:decimal(9,2) buyer:ref(user_group) steps:parts(day:date)",
)
OWN = (
    *("tests/unit", "tests/contract", "tests/e2e", "tests/seedwork/contract/test_every_aggregate.py"),
    *("tests/seedwork/e2e/test_registration.py", "tests/seedwork/integration/test_migrations_gates.py"),
)
"""The tests of what a fork writes."""
GIT = {
    "user.name": "rehearsal",
    "user.email": "rehearsal@example.org",
    "commit.gpgsign": "false",
    "core.hooksPath": os.devnull,
    "merge.ff": "true",
    "color.ui": "false",
}
"""Settings of git, whatever a person's own are."""
SCAFFOLD = (sys.executable, "-m", "scaffold")
GATE = re.compile(r"^\t\$\(BIN\)/(?!pytest)(.*?)(?: \|\|.*)?$", re.MULTILINE)
"""A line of ``make check`` that runs no tests."""
TESTS = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
IN_PARALLEL = ("--numprocesses", "auto", "--maxprocesses", "4", "--dist", "worksteal")


class Failed(Exception):
    """A step of the rehearsal does not do what it should."""


def ended(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a tree, with the programs of this environment and the tree's own database, to its end."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "MIGRATION_"))}
    return subprocess.run(
        command, cwd=tree, env=kept | {"PATH": path}, capture_output=True, text=True, check=False, timeout=1200
    )


def run(tree: Path, *command: str) -> str:
    """Return what a command prints. Raises: Failed (its exit code is not 0)."""
    done = ended(tree, *command)
    if done.returncode:
        raise Failed(f"{' '.join(command)} fails:\n{done.stdout}{done.stderr}")
    return done.stdout


def use_plain_git() -> None:
    """Let git, as this process and its children start it, do as ``GIT`` says."""
    os.environ["GIT_CONFIG_COUNT"] = str(len(GIT))
    for number, (name, value) in enumerate(GIT.items()):
        os.environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}


def clone(tree: Path) -> None:
    """Clone the checkout, with what is not committed yet."""
    run(PROJECT, "git", "clone", "--quiet", "--shared", str(PROJECT), str(tree))  # no copy of the whole history
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
    run(tree, "git", "commit", "--quiet", "--allow-empty", "--message", message)


def scaffold(tree: Path, *arguments: str) -> str:
    """Run a command of the scaffold, and commit what it did."""
    said = run(tree, *SCAFFOLD, *arguments)
    commit(tree, " ".join(arguments))
    return said


def pass_the_gates(tree: Path) -> None:
    """See that every gate of ``make check`` but the tests is green."""
    if (cache := PROJECT / ".mypy_cache").exists():  # else mypy reads every library again, which takes 20 s
        shutil.copytree(cache, tree / cache.name, dirs_exist_ok=True)
    recipe = (tree / "Makefile").read_text().partition("\ncheck: ")[2].partition("\n\n")[0]
    for gate in GATE.findall(recipe):
        run(tree, *gate.split())


def check(tree: Path, *tests: str) -> None:
    """Run what ``make check`` runs, or of its tests some. Raises: Failed (a gate is not green; something is left)."""
    pass_the_gates(tree)
    run(tree, *TESTS, *IN_PARALLEL, *(tests or ["--cov"]))
    if left := run(tree, "git", "status", "--porcelain"):
        raise Failed(f"The tree is not clean:\n{left}")


def rehearse(tree: Path) -> Iterator[str]:
    """Take the steps one after the other, and name each when it is done; each ends with a clean tree."""
    clone(tree)
    yield "clone"
    scaffold(tree, "fork", NAME)
    yield f"fork {NAME}"
    for name, fields in AGGREGATES.items():
        scaffold(tree, "aggregate", name, fields)
        run(tree, "alembic", "upgrade", "head")
        yield f"aggregate {name}"
    check(tree, *OWN)
    yield "check what is the fork's"
    scaffold(tree, "field", "order", FIELD)
    run(tree, "alembic", "upgrade", "head")
    yield "field"
    check(tree, *OWN)
    yield "check what is the fork's"
    scaffold(tree, "remove", "order")
    run(tree, "alembic", "upgrade", "head")
    yield "remove order"
    kept = shutil.copytree(tree, tree.with_name(f"{NAME}_kept"))
    scaffold(tree, "drop-sample")
    yield "drop-sample"
    check(tree, *OWN)
    yield "check what is the fork's"
    scaffold(tree, "aggregate", *LAST)
    run(tree, "alembic", "upgrade", "head")
    yield "one more aggregate"
    check(tree)
    yield "check"
    scaffold(kept, "drop-sample", "--keep-history")
    check(kept, "tests/seedwork/integration/test_migrations_gates.py")
    yield "drop-sample --keep-history, and check the migrations"


def report(steps: Iterator[str]) -> None:
    """Take steps, and print how long each took; exit with what a step says that fails."""
    begun = time.monotonic()
    try:
        for step in steps:
            print(f"{time.monotonic() - begun:7.1f} s  {step}", flush=True)
            begun = time.monotonic()
    except Failed as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    use_plain_git()
    with TemporaryDirectory() as folder:
        report(rehearse(Path(folder) / NAME))
