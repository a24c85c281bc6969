"""Whether Python and the packages are those that the project needs."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from scaffold import INSTALL
from scaffold.checks import Said
from scaffold.settling import pins_in

SHOWN = 3
"""How many packages are named."""
_PIN = re.compile(r"([\w.-]+)==([^\s;]+)\s*(?:;(.*))?")
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w, -]*)\])?[^;]*(?:;(.*))?")


def python(tree: Path) -> Iterator[Said]:
    """Compare Python with what the project needs."""
    needed = _project(tree)["requires-python"]
    lowest = tuple(map(int, re.findall(r"\d+", needed)[:2]))
    said = f"{'.'.join(map(str, sys.version_info[:3]))}, and {needed} is needed"
    if sys.version_info[:2] >= lowest:
        yield "ok", said, ""
    else:
        yield "mend", said, f"rm -r .venv && make setup PYTHON=python{'.'.join(map(str, lowest))}"


def packages(tree: Path) -> Iterator[Said]:
    """Compare what is installed with what is required and pinned."""
    pins = filter(None, map(_PIN.match, pins_in((tree / "constraints.txt").read_text())))
    pinned = {name: pin for name, pin, marker in map(re.Match.groups, pins) if not marker or _holds(marker)}
    there = {name: _installed(name) for name in pinned}
    project = _project(tree)
    required = [*_required(project, [*project["dependencies"], *_extra(project, "dev")])]
    names = {project["name"], *(found[1] for line in required if (found := _REQUIREMENT.match(line)))}
    missing = sorted(name for name in names if _installed(name) is None)
    differing = [name for name, pin in pinned.items() if there[name] not in {None, pin, f"{pin}.0"}]
    needed = {"pyproject.toml": required}
    needed |= {name: requires(name) or [] for name, pin in pinned.items() if there[name] == pin}
    if excluded := [*_excluded(needed, pinned)]:
        yield "mend", _some(excluded), "In constraints.txt and in [tool.uv] of pyproject.toml write a version that fits"
    if missing:
        yield "mend", f"not installed: {_some(missing)}", INSTALL
    if differing:
        yield "mend", _some([f"{name} is {there[name]}, {pinned[name]} is pinned" for name in differing]), INSTALL
    if not excluded and not missing and not differing:
        yield "ok", f"{len([*filter(None, there.values())])} are installed, as constraints.txt pins them", ""


def _project(tree: Path) -> dict[str, Any]:  # Any: as it is written
    read: dict[str, Any] = tomllib.loads((tree / "pyproject.toml").read_text())["project"]
    return read


def _extra(project: dict[str, Any], name: str) -> list[str]:
    lines: list[str] = project.get("optional-dependencies", {}).get(name, [])
    return lines


def _required(project: dict[str, Any], lines: list[str]) -> Iterator[str]:
    """Yield the lines of what is required here, with what the project's own extras require."""
    for line in lines:
        if found := _REQUIREMENT.match(line):
            name, extras, marker = found.groups()
            if name == project["name"]:
                for extra in re.findall(r"[\w-]+", extras or ""):
                    yield from _required(project, _extra(project, extra))
            elif marker is None or _holds(marker):
                yield line


def _excluded(needed: dict[str, list[str]], pinned: dict[str, str]) -> Iterator[str]:
    """Say which pins exclude what is needed: as long as both stand, nothing can be installed.

    Args:
        needed: by who needs it, the requirements.
        pinned: by name, the versions.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
    except ModuleNotFoundError:
        return
    pins = {canonicalize_name(name): pin for name, pin in pinned.items()}
    for who, lines in needed.items():
        for wanted in map(Requirement, lines):
            pin = pins.get(canonicalize_name(wanted.name))
            is_here = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
            if pin and is_here and not wanted.specifier.contains(pin, prereleases=True):
                yield f"{who} needs {wanted.name}{wanted.specifier}, and {pin} is pinned"


def _holds(marker: str) -> bool:
    try:
        from packaging.markers import Marker
    except ModuleNotFoundError:  # it is missing itself, and others that are will be named
        return False
    return Marker(marker.strip()).evaluate()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _some(found: list[str]) -> str:
    more = len(found) - SHOWN
    return "; ".join(found[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
