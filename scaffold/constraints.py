"""Which lines of ``constraints.txt`` are still needed."""

import tomllib
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scaffold.settling import pins_in

BUILD = ("editables", "packaging", "pathspec", "pluggy", "trove-classifiers")
"""What hatchling needs: pip installs it for a build alone, so it can't be asked."""


def still_needed(constraints: str, pyproject: str) -> str:
    """Return the text without the pins of packages that nothing in ``pyproject.toml`` asks for."""
    reached, lines = _reached(pyproject), constraints.splitlines(keepends=True)
    names = ({canonicalize_name(Requirement(pin).name) for pin in pins_in(line)} for line in lines)
    return "".join(line for line, named in zip(lines, names, strict=True) if named <= reached)


def _reached(pyproject: str) -> set[str]:
    """Return the packages that the project needs, by what those that are installed say of their own needs."""
    read = tomllib.loads(pyproject)
    written = [*BUILD, *read["build-system"]["requires"], *read["project"]["dependencies"]]
    for extra in read["project"]["optional-dependencies"].values():
        written += extra
    waiting = [(wanted, "") for wanted in map(Requirement, written)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted, of_extra = waiting.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": of_extra}):
            continue
        for extra in ("", *wanted.extras):
            key = (canonicalize_name(wanted.name), extra)
            if key not in seen:
                seen.add(key)
                waiting += [(Requirement(line), extra) for line in _needs_of(wanted.name)]
    return {name for name, _ in seen}


def _needs_of(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # another platform's, or the project's own name
        return []
