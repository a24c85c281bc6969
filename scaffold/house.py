"""What the house has already, and a copy of it, in which a command tries what it is about to write."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.seedwork.settings import PROJECT
from scaffold.changes import put
from scaffold.checkout import Refused
from tests.seedwork.bare import copy_project

RECORD = "scaffold/aggregates.toml"
"""By name: the fields with which each aggregate was generated."""
VERSIONS = PROJECT / "migrations" / "versions"


def recorded() -> dict[str, str]:
    """Return the fields of the aggregates that were generated here. Raises: Refused (the record is broken)."""
    # a line of both branches may stand twice after a merge: git's union takes what is near to a change for changed
    lines = dict.fromkeys((text_of(RECORD) or "").splitlines())
    names = re.findall(r"^(\w+) =", "\n".join(lines), re.MULTILINE)
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise Refused(
            f"{name} stands in {RECORD} with fields of two branches. Leave one line, with the fields of both."
        )
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{RECORD} is broken: {error}. Mend it, or bring it back by: git restore {RECORD}") from error


def generated(name: str) -> str:
    """Return the fields with which an aggregate was generated. Raises: Refused (it was not generated here)."""
    if name not in (aggregates := recorded()):
        known = ", ".join(aggregates)
        there = f"Try one of: {known}" if known else f"None was: write make aggregate name={name} fields=..."
        raise Refused(f"{name!r} is no aggregate that was generated here. {there}")
    return aggregates[name]


def key_of(plural: str) -> tuple[str, str]:
    """Return the table of an aggregate, and its column of the id.

    Of one that was renamed, or adopted with its rows, both have the names that they have in the database.
    """
    text = text_of(f"adapters/{plural}.py") or ""
    table = re.search(rf'^{plural} = (?:sa\.)?Table\(\s*"(\w+)"', text, re.MULTILINE)
    id = re.search(rf'"id": {plural}\.c\.(\w+)', text)
    return table[1] if table else plural, id[1] if id else "id"


def record(aggregates: Mapping[str, str]) -> str | None:
    """Return the text of the record; None where it is not needed."""
    # without the blank lines git would find a conflict where two branches change neighbours
    lines = (f"\n{name} = {json.dumps(fields)}\n" for name, fields in sorted(aggregates.items()))
    return (
        "# Written by `make aggregate`, for `make field` and `make remove`.\n" + "".join(lines) if aggregates else None
    )


def text_of(path: str) -> str | None:
    """Return the text of a file; None where there is none."""
    file = PROJECT / path
    return file.read_text() if file.is_file() else None


def run(tree: Path, module: str, *arguments: str) -> str:
    """Run a module in a tree, and return what it prints. Raises: Refused (it fails; its words say why)."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"Nothing is written, since {module} {' '.join(arguments)} fails:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def draft(texts: Mapping[str, str | None]) -> Generator[Path]:
    """Make a copy of the house in which files have these texts."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "house"
        copy_project(tree)
        for path, text in texts.items():
            if text is None:
                (tree / path).unlink(missing_ok=True)
            else:
                put(tree / path, text)  # with its folder, which an aggregate may be the first to need
        yield tree


def revision_in(tree: Path, message: str, *dropped: str) -> tuple[str, str]:
    """Have alembic write the revision that a draft needs, or one that drops tables; return its path and its text."""
    path = run(tree, "scaffold.revision", message, *dropped).strip().splitlines()[-1]
    return path, (tree / path).read_text()


def marked(revision: str, *markers: str) -> str:
    """Return a revision with markers by which the lint allows something in it: ``rule: why``."""
    if not markers:
        return revision
    head, line, rest = revision.partition("\nrevision: str =")
    return "".join([head, "\n", *(f"# squawk: allow {marker}\n" for marker in markers), line, rest])


def revisions_of(table: str) -> list[str]:
    """Return the paths of the revisions that create a table; none if it is dropped again."""
    upgrades = {file: file.read_text().partition("\ndef downgrade")[0] for file in sorted(VERSIONS.glob("*.py"))}
    created, dropped = (
        [file.relative_to(PROJECT).as_posix() for file, text in upgrades.items() if re.search(call, text)]
        for call in (rf"\bcreate_table\(\s*['\"]{table}['\"]", rf"\bdrop_table\(\s*['\"]{table}['\"]")
    )
    return created if len(created) > len(dropped) else []
