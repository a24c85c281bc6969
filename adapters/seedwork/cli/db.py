"""The database's schema on the command line. It is only shown here: ``alembic`` alone changes it."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from adapters.seedwork.cli.application import explained
from adapters.seedwork.cli.output import Json

if TYPE_CHECKING:
    from adapters.seedwork.settings import DatabaseSettings
    from adapters.seedwork.sqlalchemy.schema import SchemaStatus


def db(settings: "Callable[[], DatabaseSettings]") -> typer.Typer:
    """Return the commands.

    Args:
        settings: reads the settings of the database.
    """
    app = typer.Typer(
        no_args_is_help=True, help="See where the database's schema stands. To change it: alembic upgrade head."
    )

    @app.callback()
    def group() -> None:  # else typer would take the only command for the group itself
        pass

    @app.command()
    def status(*, as_json: Json = False) -> None:
        """Show the database's revision, the pending ones, and the SQL that `alembic upgrade head` would run.

        It exits with 1 if a revision is pending, or the database can't be reached: a probe can ask it.

        $ PROGRAM db status
        """
        with explained():
            _show_status(settings(), as_json=as_json)

    return app


def _show_status(settings: "DatabaseSettings", *, as_json: bool) -> None:
    from adapters.seedwork.sqlalchemy.schema import schema_status  # imported here: --help would take 0.5 s longer

    status = schema_status(settings)
    if as_json:
        typer.echo(json.dumps(asdict(status)))
    else:
        _print(status)
    if status.pending:
        raise typer.Exit(1)


def _print(status: "SchemaStatus") -> None:
    typer.echo(f"Database  {status.database}")
    typer.echo(f"Revision  {', '.join(status.current) or 'none: it is not migrated'}")
    typer.echo(f"Head      {', '.join(status.head)}")
    if not status.is_known:
        typer.echo("Pending   unknown: a newer release, another branch or another service has migrated this database")
    elif not status.pending:
        typer.echo("Pending   nothing")
    else:
        for revision in status.pending:
            typer.echo(f"Pending   {revision.id} {revision.message}")
        typer.echo(f"\nalembic upgrade head would run:\n\n{status.sql}")
