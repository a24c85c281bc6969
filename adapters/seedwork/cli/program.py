"""The group of all commands: it reports what goes wrong in one line, and knows the program's name."""

import atexit
import gc
import io
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from adapters.seedwork.cli.output import silence
from domain.seedwork.errors import DomainError
from service_layer.seedwork.errors import TransactionError

PLACEHOLDER = "PROGRAM"
"""Stands in help texts for the name by which the program was called."""

THIS_COMMAND = "THIS_COMMAND"
"""Stands in a command's help for all that is typed to call it."""


class Program(TyperGroup):
    """Runs a command, and exits: with 0 after success, 1 after a refusal, 2 after wrong usage, 130 after Ctrl-C.

    Whatever goes wrong is one line on standard error, which begins with the name by which the program was called. A
    traceback is a defect of the program.
    """

    program = ""
    """The name by which the program was called."""

    # Any: TyperGroup's types have no public names
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Note the program's name, and prepare standard output."""
        self.program = info_name or ""
        _name_program(self, self.program)
        if sys.stdout is None:
            raise typer.TyperException("Standard output is closed, so nothing was done. Try: > /dev/null")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # what was saved is shown, even where a letter of it can't be
        return super().make_context(info_name, args, parent, **extra)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command, and exit."""
        # else the interpreter would look for garbage once more before it ends, among all that was imported: for 0.1 s
        atexit.register(gc.freeze)
        message: str | None
        try:
            sys.exit(super().main(*args, **options | {"standalone_mode": False}))
        except typer.TyperException as error:
            message, status = error.format_message().replace("Value error, ", ""), error.exit_code  # pydantic's words
            if message and (context := getattr(error, "ctx", None)):
                message += f"{'' if message.endswith(('.', '?')) else '.'} Try: {context.command_path} --help"
        except OSError as error:
            words = error.strerror or str(error) or type(error).__name__  # a client of another service gives no number
            message, status = f"{error.filename}: {words}" if error.filename else words, 1
            silence(sys.stdout)
        except (DomainError, TransactionError) as error:
            message, status = str(error), 1
        if message:  # there is none where help was printed instead
            try:
                typer.echo(f"{self.program}: {' '.join(message.split())}", err=True)
            except OSError:
                silence(sys.stderr)
        sys.exit(status)


def _name_program(command: Any, name: str, path: str = "") -> None:  # Any: typer's types have no public names
    path = path or name
    command.help = command.help and command.help.replace(PLACEHOLDER, name).replace(THIS_COMMAND, path)
    for word, part in getattr(command, "commands", {}).items():
        _name_program(part, name, f"{path} {word}")
