"""What leaves a fork: what only Groundwork needs, and the sample; in a checkout, and in the files of a commit alike.

It imports the standard library alone: an update runs it before what a newer release needs is installed.
"""

import ast
import re
from collections.abc import Callable

from scaffold.changes import Changes
from scaffold.checkout import Refused
from scaffold.owners import files_of
from scaffold.source import OURS
from scaffold.texts import tidy, without_lost_targets

TABLE = "users"
REVISION = "4e3b533329b4"
REPORTS = {
    "service_layer/reports.py": {"AgeBand", "UserStatistics", "users_by_age"},
    "adapters/reports.py": {"SqlAlchemyUserStatistics", "InMemoryUserStatistics", "_age_band"},
    "adapters/cli/reports.py": {"users_by_age"},
}
"""What the sample has in modules that may hold reports of yours, too, from the inside outwards."""
PACKAGES = ("domain", "service_layer", "adapters", "adapters/cli")
DEMO = """\
demo: $(VENV)/.development ## Show the life of an aggregate by its commands, on a database of its own
	@$(BIN)/python -m scaffold demo
"""


def leave_groundwork(changes: Changes, lists: str | None = None) -> None:
    """Remove what only Groundwork needs.

    Args:
        changes: the files.
        lists: the text of ``files.toml``; without one that of this checkout.
    """
    for name in files_of(OURS, changes.names(), lists):
        changes.remove(name)
    changes.cut(OURS)
    _leave_targets(changes)


def leave_sample(changes: Changes, sample: list[str], tidied: Callable[[str, str], str] = tidy) -> None:
    """Remove the sample, with its registrations and the lines about it.

    Args:
        changes: the files.
        sample: those that are the sample's.
        tidied: returns a module as it shall stand, from its name and text.
    """
    for name in sample:
        changes.remove(name)
    _forget(changes, {module_of(name) for name in sample if name.endswith(".py")}, tidied)
    changes.cut("sample")
    if "Makefile" in changes and "scaffold/demo.py" in changes:
        changes.write("Makefile", changes.read("Makefile").replace("\nsetup: ", f"\n{DEMO}\nsetup: ", 1))
    _leave_targets(changes)


def leave_revision(changes: Changes, revisions: list[str]) -> None:
    """Remove the sample's revision; those that follow it follow the one before it.

    Args:
        changes: the files.
        revisions: all revisions.
    Raises: Refused (one follows several).
    """
    for name in revisions:
        text = changes.read(name)
        if re.search(rf'^revision: str = "{REVISION}"', text, re.MULTILINE):
            changes.remove(name)
        elif REVISION in text:
            changes.write(name, re.sub(rf'^(down_revision: .* = )"{REVISION}"$', r"\1None", text, flags=re.MULTILINE))
            if REVISION in changes.read(name):
                raise Refused(f"{name} follows the sample's revision and another one: write keep-history=1.")


def module_of(name: str) -> str:
    """Return the dotted name of a module from that of its file."""
    return name.removesuffix(".py").replace("/", ".")


def _leave_targets(changes: Changes) -> None:
    if "Makefile" in changes:
        changes.write("Makefile", without_lost_targets(changes.read("Makefile")))


def _forget(changes: Changes, gone: set[str], tidied: Callable[[str, str], str]) -> None:
    from tests.seedwork.forgetting import REGISTRATIONS, forget  # noqa: PLC0415  # a fork may have let the tests go

    for name, own in REPORTS.items():
        if name in changes:
            text = forget(changes.read(name), gone, own)
            gone |= {f"{module_of(name)}.{thing}" for thing in own}
            if _is_empty(text):
                changes.remove(name)
                gone.add(module_of(name))
            else:
                changes.write(name, tidied(name, text))
    for name in REGISTRATIONS:
        if name in changes and (text := forget(changes.read(name), gone)) != changes.read(name):
            changes.write(name, tidied(name, text))
    for package in PACKAGES:
        if (name := f"{package}/__init__.py") in changes:
            changes.write(name, _without_what_is_gone(changes, package, changes.read(name)))


def _is_empty(text: str) -> bool:
    """Whether a module has nothing but a docstring, imports and the commands' ``app``."""
    nothing = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign)
    return all(isinstance(statement, nothing) for statement in ast.parse(text).body)


def _without_what_is_gone(changes: Changes, package: str, text: str) -> str:
    """Return the text of a package without the lines of its docstrings that speak of a module that is gone."""
    for name in re.findall(r"^Start with ``(\w+\.py)``\.$", text, re.MULTILINE):
        if f"{package}/{name}" not in changes:
            text = text.replace(f"Start with ``{name}``.\n", "")
    return re.sub(rf"^ +\$ PROGRAM {TABLE} .*\n", "", text, flags=re.MULTILINE)
