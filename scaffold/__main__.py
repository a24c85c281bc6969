"""Runs a command: ``python -m scaffold fork clinic``."""

import io
import locale
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold import INSTALL

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

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


class _Output(io.FileIO):
    """Standard output that takes all: where its reader has gone, such as ``head``, no command stops half-way."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def _cure(error: ModuleNotFoundError) -> str:
    """Say how what is missing comes back. Raises: the error (it is for who wrote the import)."""
    from scaffold.checkout import SHORT, project  # noqa: PLC0415  # an older Python can't read it

    package = (error.name or "").partition(".")[0]
    if package == "tests":  # a fork may let them go
        commit = project(TREE).commit or "HEAD"
        return f"This needs tests.seedwork, which is gone. Run: git restore --source={commit[:SHORT]} -- tests/seedwork"
    if (TREE / package).is_dir():
        raise error
    return f"This needs {error.name}, which is not installed. Run: {INSTALL}"


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
        if sys.stdout is not None and not sys.stdout.isatty():
            buffer = io.BufferedWriter(_Output(sys.stdout.fileno(), "wb", closefd=False))
            sys.stdout = io.TextIOWrapper(buffer, sys.stdout.encoding, sys.stdout.errors, line_buffering=True)
        import_module(f"scaffold.{COMMANDS[name]}").main(TREE, arguments)
    except Refused as refusal:
        sys.exit(str(refusal))
    except ModuleNotFoundError as error:
        sys.exit(_cure(error))
    except SyntaxError as error:  # in one of your files, as in the middle of a merge
        sys.exit(f"{error.filename}, line {error.lineno}: {error.msg}. Mend it first, then run the command again.")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
