"""Runs a command: ``python -m scaffold fork clinic``."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]


def _name_and_fields(command: str, example: str, arguments: list[str]) -> tuple[str, str]:
    parser = argparse.ArgumentParser(prog=f"python -m scaffold {command}")
    parser.add_argument("name")
    parser.add_argument("fields", help=f"as in: '{example}'")
    given = parser.parse_args(arguments)
    return given.name, given.fields


def aggregate(_project: Path, arguments: list[str]) -> None:
    """Write an aggregate in every layer."""
    from scaffold.aggregate import add_aggregate

    add_aggregate(*_name_and_fields("aggregate", "chart_number:str(20):unique born:date", arguments))


def field(_project: Path, arguments: list[str]) -> None:
    """Add fields to an aggregate that was generated."""
    from scaffold.field import add_fields

    add_fields(*_name_and_fields("field", "vip:bool:default=false seen:datetime:optional", arguments))


def remove(_project: Path, arguments: list[str]) -> None:
    """Remove an aggregate from every layer."""
    from scaffold.remove import remove_aggregate

    parser = argparse.ArgumentParser(prog="python -m scaffold remove")
    parser.add_argument("name")
    parser.add_argument("--force", action="store_true", help="remove what was edited too")
    given = parser.parse_args(arguments)
    remove_aggregate(given.name, force=given.force)


COMMANDS = {"aggregate": aggregate, "field": field, "remove": remove}
MODULES = {"fork": "fork", "drop-sample": "sample", "update": "update", "doctor": "doctor", "demo": "demo"}
"""Commands with a module of their own: it is imported by the command alone, so that one works where others can't."""


def main() -> None:
    """Run what the arguments name; a refusal is printed, and exits with 1."""
    if sys.version_info < (3, 11):  # noqa: UP036  # an older one can't even import the rest
        sys.exit(f"This needs Python 3.11 or newer, and {sys.executable} is older. Run: make setup PYTHON=python3.11")
    from scaffold.changes import Refused

    name, *arguments = sys.argv[1:] or [""]
    if name not in {*COMMANDS, *MODULES}:
        sys.exit(f"Write: python -m scaffold {'|'.join([*MODULES, *COMMANDS])}")
    try:
        command = COMMANDS.get(name) or import_module(f"scaffold.{MODULES[name]}").main
        command(TREE, arguments)
    except Refused as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
