"""Begins a fork: gives the house a name, and leaves behind what only Groundwork needs."""

import keyword
import re
import shutil
import sys
import tomllib
from datetime import UTC, datetime
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

from scaffold.changes import Changes
from scaffold.checkout import Refused, git, prefix, project, tracked
from scaffold.constraints import still_needed
from scaffold.leaving import leave_groundwork
from scaffold.settling import with_pins
from scaffold.snapshot import named
from scaffold.source import OURS, Note, source_of

NAME = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
DESCRIPTION = re.compile(r'^description = ".*"$', re.MULTILINE)


def main(tree: Path, arguments: list[str]) -> None:
    """Begin a fork. Raises: Refused (the name can't be used; this is a fork already, of another name)."""
    if len(arguments) != 1:
        raise Refused("Give it one name: make fork name=clinic")
    [name] = arguments
    begun = project(tree)
    if begun.commit:
        said = f"This is {begun.name} already, begun from Groundwork at commit {begun.commit}."
        if name != begun.name:
            raise Refused(f"{said} To rename it, change pyproject.toml and README.md.")
        print(said)
        return
    if prefix(tree):
        raise Refused(
            f"{tree} is a folder in another repository, and a fork is one itself. Write: git init, and commit"
        )
    if objection := objection_to(name, tree):
        raise Refused(f"{objection} Try another: make fork name=clinic")
    changes = planned(tree, name)
    changes.refuse_to_lose("README.md")
    changes.apply()
    source = source_of(tree) or "a place that git does not know"
    print(f"\nYour fork notes that Groundwork is at {source}. If that is your own repository: make update source=URL")
    print("Now run: make setup check, and commit. Once you need users no longer as an example: make drop-sample")


def objection_to(name: str, tree: Path) -> str | None:
    """Say why a fork can't have a name; None if it can."""
    taken = {folder.name for file in tracked(tree) for folder in Path(file).parents} | {OURS}
    if not NAME.fullmatch(name):
        return f"'{name}' is not a name for a Python program: write it in lower_snake_case, in letters from a to z."
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return f"'{name}' is a word of Python."
    if name in taken:
        return f"'{name}' is a folder here, or Groundwork itself."
    if name in sys.stdlib_module_names:
        return f"'{name}' is a module of the standard library."
    pinned = {re.split(r"[=\[ ]", line)[0] for line in (tree / "constraints.txt").read_text().splitlines()}
    own = tomllib.loads((tree / "pyproject.toml").read_text())["project"].get("scripts", {}).values()
    scripts = entry_points(group="console_scripts")
    programs = {found.name for found in scripts if found.value not in own}
    if name in {_plain(known) for known in (*packages_distributions(), *pinned, *programs, "pip", "python")}:
        return f"'{name}' is a package or a program that this one is made with."
    if name not in scripts.names and (program := shutil.which(name)):
        return f"'{name}' is a program here already: {program}."
    return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def planned(tree: Path, name: str) -> Changes:
    """Plan all that a fork changes; the note in ``pyproject.toml`` comes last, so that a killed run can go on."""
    changes = Changes(tree)
    leave_groundwork(changes)
    commit, source = git(tree, "rev-parse", "HEAD").strip(), source_of(tree)
    readme = Path(__file__).with_name("fork_readme.md").read_text()
    page = readme.format(name=name, commit=commit, source=source and f" ({source})")
    changes.write("README.md", page)
    changes.write("LICENSE", _with_own_line(changes.read("LICENSE"), name))
    text = _with_name(changes.read("pyproject.toml"), name)
    pinned = still_needed(changes.read("constraints.txt"), text)
    changes.write("constraints.txt", pinned)
    changes.write("pyproject.toml", Note(source, commit).within(with_pins(text, pinned)))
    return changes


def _with_name(text: str, name: str) -> str:
    text, described = DESCRIPTION.subn(f'description = "{name}"', text)
    own = named(text, name)
    if not described or any(line not in own for line in (f'name = "{name}"', f'\n{name} = "', f'"{name}[')):
        raise Refused(
            "pyproject.toml was changed beyond recognition: its name, description, script or extras are not ours."
        )
    return own


def _with_own_line(text: str, name: str) -> str:
    line = f"Copyright (c) {datetime.now(UTC).year} The {name} authors\n"
    return text if line in text else re.sub(r"^(Copyright \(c\) .*\n)", rf"\1{line}", text, count=1, flags=re.MULTILINE)
