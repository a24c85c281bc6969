"""Who owns each file: ``files.toml`` has a list of patterns for each owner."""

import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

LISTS = Path(__file__).with_name("files.toml")


def files_of(owner: str, names: Iterable[str], lists: str | None = None) -> list[str]:
    """Return the files of an owner, by ``files.toml``, or by its text as another commit has it."""
    return [name for name in names if owner_of(name, lists) == owner]


def owner_of(name: str, lists: str | None = None) -> str | None:
    """Return the owner of a file: the first list with a pattern that fits, or None."""
    owners = _patterns(lists or LISTS.read_text())
    return next((owner for owner, ps in owners.items() if any(fnmatchcase(name, pattern) for pattern in ps)), None)


@cache
def _patterns(lists: str) -> dict[str, list[str]]:
    return tomllib.loads(lists)
