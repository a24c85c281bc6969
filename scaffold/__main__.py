"""Runs a command: ``python -m scaffold fork clinic``."""

import sys

from adapters.seedwork.settings import PROJECT
from scaffold import fork, sample
from scaffold.changes import Refused

COMMANDS = {
    "fork": fork.main,
    "drop-sample": sample.main,
}


def main() -> None:
    """Run what the arguments name."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        sys.exit(f"Write: python -m scaffold {'|'.join(COMMANDS)}")
    try:
        COMMANDS[name](PROJECT, arguments)
    except Refused as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
