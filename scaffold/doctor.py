"""``make doctor``: says what is not as it should be in this fork, one line each, with the command that mends it."""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from scaffold import INSTALL
from scaffold.checkout import Refused
from scaffold.checks import Check, Said
from scaffold.checks.application import database, registration, settings
from scaffold.checks.environment import packages, python
from scaffold.checks.template import edits, unfinished, updates

CHECKS: dict[str, Check] = {
    "Python": python,
    "packages": packages,
    "settings": settings,
    "database": database,
    "registration": registration,
    "updates": updates,
    "conflicts": unfinished,
    "seedwork": edits,
}


def main(tree: Path, arguments: list[str]) -> None:
    """Look at everything, and print it. The exit code is 1 if something has to be mended."""
    parser = argparse.ArgumentParser(prog="python -m scaffold doctor", allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, for programs")
    as_json = parser.parse_args(arguments).json
    to_mend = 0
    for subject, check in CHECKS.items():
        for level, said, command in _found(check, tree):
            to_mend += level == "mend"
            found = {"level": level, "subject": subject, "said": said, "command": command}
            print(json.dumps(found) if as_json else _line(**found), flush=True)
    if to_mend:
        sys.exit(1)


def _found(check: Check, tree: Path) -> Iterator[Said]:
    try:
        yield from check(tree)
    except Exception as error:  # whatever is broken in the fork, the other checks go on
        kind = "" if isinstance(error, Refused) else f"{type(error).__name__}: "
        words = " ".join(f"{kind}{error}".split())[:300]
        yield "mend", f"it can't be looked at: {words.rstrip('.')}", _cure(error, tree)


def _cure(error: Exception, tree: Path) -> str:
    if isinstance(error, Refused):  # its words say what to do
        return ""
    if isinstance(error, tomllib.TOMLDecodeError):
        return "In pyproject.toml mend that place"
    if not isinstance(error, ModuleNotFoundError):
        return "make test"
    is_ours = error.name is not None and (tree / error.name.partition(".")[0]).is_dir()
    return "git status" if is_ours else INSTALL


def _line(level: str, subject: str, said: str, command: str) -> str:
    advice = f"Run: {command}" if command and not command.startswith("In ") else command
    return f"{level:<4}  {subject:<12}  {'. '.join(filter(None, (said, advice)))}"
