"""The database's schema on the command line. It is only shown here: ``alembic`` alone changes it."""

import json
from dataclasses import asdict

import typer

from adapters.seedwork.cli.output import Json

app = typer.Typer(no_args_is_help=True)


@app.callback()
def db() -> None:
    """See where the database's schema stands. To change it: alembic upgrade head."""


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show the database's revision, the pending ones, and the SQL that `alembic upgrade head` would run.

    $ groundwork db status
    """
    # late: these take 0.5 s, which --help and the shell's completion do without
    from pydantic import ValidationError

    from adapters.seedwork.settings import explain
    from adapters.seedwork.sqlalchemy.schema import schema_status
    from adapters.settings import Settings

    try:
        status = schema_status(Settings())
    except ValidationError as error:
        raise typer.TyperException(explain(error)) from error
    if as_json:
        typer.echo(json.dumps(asdict(status)))
        return
    typer.echo(f"Database  {status.database}")
    typer.echo(f"Revision  {', '.join(status.current) or 'none: it is not migrated'}")
    typer.echo(f"Head      {', '.join(status.head)}")
    if not status.is_known:
        typer.echo("Pending   unknown: a newer release has migrated this database")
    elif not status.pending:
        typer.echo("Pending   nothing")
    else:
        for revision in status.pending:
            typer.echo(f"Pending   {revision.id} {revision.message}")
        typer.echo(f"\nalembic upgrade head would run:\n\n{status.sql}")
