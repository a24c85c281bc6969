"""Whose each file is: a list of ``files.toml`` says it."""

import tomllib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

LISTS = Path(__file__).with_name("files.toml")


def files_of(owner: str, names: Iterable[str], lists: str | None = None) -> list[str]:
    """Return those of the files that are whose: a list of ``files.toml``, or of its text as another commit has it."""
    return [name for name in names if owner_of(name, lists) == owner]


def owner_of(name: str, lists: str | None = None) -> str | None:
    """Return on which list a file is, and None if no pattern of ``files.toml`` fits."""
    owners = _patterns(lists or LISTS.read_text())
    return next((owner for owner, ps in owners.items() if any(fnmatchcase(name, pattern) for pattern in ps)), None)


@cache
def _patterns(lists: str) -> dict[str, list[str]]:
    return tomllib.loads(lists)
