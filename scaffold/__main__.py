"""Runs a command: ``python -m scaffold fork clinic``."""

import argparse
import sys
from pathlib import Path

from adapters.seedwork.settings import PROJECT
from scaffold import fork, sample
from scaffold.changes import Refused


def aggregate(_project: Path, arguments: list[str]) -> None:
    """Write an aggregate in every layer."""
    from scaffold.aggregate import add_aggregate

    parser = argparse.ArgumentParser(prog="python -m scaffold aggregate")
    parser.add_argument("name")
    parser.add_argument("fields", help="as in: 'chart_number:str(20):unique born:date'")
    given = parser.parse_args(arguments)
    add_aggregate(given.name, given.fields)


def field(_project: Path, arguments: list[str]) -> None:
    """Add fields to an aggregate that was generated."""
    from scaffold.field import add_fields

    parser = argparse.ArgumentParser(prog="python -m scaffold field")
    parser.add_argument("name")
    parser.add_argument("fields", help="as in: 'vip:bool:default=false seen:datetime:optional'")
    given = parser.parse_args(arguments)
    add_fields(given.name, given.fields)


def demo(project: Path, arguments: list[str]) -> None:
    """Show the life of an aggregate by its commands."""
    from scaffold.demo import main

    main(project, arguments)


def remove(_project: Path, arguments: list[str]) -> None:
    """Remove an aggregate from every layer."""
    from scaffold.remove import remove_aggregate

    parser = argparse.ArgumentParser(prog="python -m scaffold remove")
    parser.add_argument("name")
    parser.add_argument("--force", action="store_true", help="remove what was edited too")
    given = parser.parse_args(arguments)
    remove_aggregate(given.name, force=given.force)


COMMANDS = {
    "fork": fork.main,
    "drop-sample": sample.main,
    "aggregate": aggregate,
    "field": field,
    "remove": remove,
    "demo": demo,
}


def main() -> None:
    """Run what the arguments name; a refusal is printed, and exits with 1."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        sys.exit(f"Write: python -m scaffold {'|'.join(COMMANDS)}")
    try:
        COMMANDS[name](PROJECT, arguments)
    except Refused as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
