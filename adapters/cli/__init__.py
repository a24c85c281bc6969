"""``groundwork``, the command line: a command calls one use case, and shows what it returns.

Belongs here: the commands, one module an aggregate, and how they read and print. Start with ``users.py``.
May import: everything further in, and the composition root, which nothing else in the house may.
"""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from adapters.cli import reports, users
from adapters.seedwork.cli import db
from adapters.seedwork.cli.console import open_console
from domain.seedwork.errors import DomainError
from service_layer.seedwork.errors import TransactionError


class OneLineErrors(TyperGroup):
    """Tells whatever goes wrong in one line on standard error; exits with 2 after wrong usage, 1 after a refusal."""

    def main(self, *args: Any, **options: Any) -> Any:  # Any: as TyperGroup has it
        """Run a command, and exit."""
        try:
            sys.exit(super().main(*args, **options | {"standalone_mode": False}))
        except typer.TyperException as error:
            message, status = error.format_message(), error.exit_code
            if message and (context := getattr(error, "ctx", None)):
                message += f"{'' if message.endswith(('.', '?')) else '.'} Try: {context.command_path} --help"
        except OSError as error:
            message, status = f"{error.filename}: {error.strerror}" if error.filename else str(error), 1
        except (DomainError, TransactionError, UnicodeError) as error:
            message, status = str(error), 1
        if message:  # there is none where help was printed instead
            typer.echo(f"groundwork: {' '.join(message.split())}", err=True)
        sys.exit(status)


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback is a defect of the program, and is shown as Python shows it
)
app.add_typer(users.app, name="users")
app.add_typer(reports.app, name="reports")
app.add_typer(db.app, name="db")
app.command("console")(open_console)


@app.callback()
def groundwork() -> None:
    """Groundwork's use cases, on the database that DATABASE_URL names: app.db in the project's folder if nothing does.

    $ alembic upgrade head
    $ groundwork users register --name "John Doe" --age 30
    $ groundwork users list
    """
