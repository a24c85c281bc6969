"""``python -m scaffold``: what the targets of the Makefile call."""

import argparse
import sys

from scaffold.fields import Refused


def main() -> None:
    """Run a command; a refusal is printed, and exits with 1."""
    parser = argparse.ArgumentParser(prog="python -m scaffold")
    commands = parser.add_subparsers(required=True)
    aggregate = commands.add_parser("aggregate", help="write an aggregate in every layer")
    aggregate.add_argument("name")
    aggregate.add_argument("fields", help="as in: 'chart_number:str(20):unique born:date'")
    aggregate.set_defaults(run=_aggregate)
    remove = commands.add_parser("remove", help="remove an aggregate from every layer")
    remove.add_argument("name")
    remove.add_argument("--force", action="store_true", help="remove what was edited too")
    remove.set_defaults(run=_remove)
    given = parser.parse_args()
    try:
        given.run(given)
    except Refused as error:
        sys.exit(str(error))


def _aggregate(given: argparse.Namespace) -> None:
    from scaffold.aggregate import add_aggregate

    add_aggregate(given.name, given.fields)


def _remove(given: argparse.Namespace) -> None:
    from scaffold.remove import remove_aggregate

    remove_aggregate(given.name, force=given.force)


if __name__ == "__main__":
    main()
