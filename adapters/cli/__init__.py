"""The command line: a command calls one use case, and shows what it returns.

Belongs here: the commands, one module an aggregate. How all commands start the application, read, print and report
errors stands in ``adapters/seedwork/cli``.
Start with ``users.py``.
May import: every layer, and the composition root, which no other module may import.
"""

import typer

import service_layer
from adapters.cli import reports, users
from adapters.cli.application import application, settings
from adapters.seedwork.cli.console import console
from adapters.seedwork.cli.db import db
from adapters.seedwork.cli.events import events
from adapters.seedwork.cli.program import Program

app = typer.Typer(cls=Program, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(users.app, name="users")
app.add_typer(reports.app, name="reports")
app.add_typer(db(settings), name="db")
app.add_typer(events(application), name="events")
app.command("console")(console(application, service_layer))


@app.callback()
def program() -> None:
    """The use cases, on the database that DATABASE_URL names: app.db in the project's folder if nothing does.

    $ alembic upgrade head
    $ PROGRAM users register --name "John Doe" --age 30
    $ PROGRAM users list
    """
