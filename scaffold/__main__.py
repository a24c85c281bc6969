"""Runs a command: ``python -m scaffold fork clinic``."""

import locale
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]

COMMANDS = {
    "fork": "fork",
    "drop-sample": "sample",
    "update": "update",
    "doctor": "doctor",
    "demo": "demo",
    "aggregate": "aggregate",
    "field": "field",
    "remove": "remove",
}
"""The module of each command, whose ``main`` runs it; it is imported by that alone, so one works where others can't."""


def main() -> None:
    """Run what the arguments name; a refusal is printed, and exits with 1."""
    if sys.version_info < (3, 11):  # noqa: UP036  # an older one can't even import the rest
        sys.exit(f"This needs Python 3.11 or newer, and {sys.executable} is older. Run: make setup PYTHON=python3.11")
    from scaffold.checkout import Refused  # noqa: PLC0415  # an older Python can't read it

    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        sys.exit(f"Write: python -m scaffold {'|'.join(COMMANDS)}")
    try:
        if locale.getpreferredencoding(do_setlocale=False).lower() != "utf-8":
            # as on Windows: a file would be read, and what git says, in another encoding than they are written in
            command = [sys.executable, "-m", "scaffold", name, *arguments]
            sys.exit(subprocess.call(command, env=os.environ | {"PYTHONUTF8": "1"}))
        import_module(f"scaffold.{COMMANDS[name]}").main(TREE, arguments)
    except Refused as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
