"""Reports as commands."""

from typing import Annotated

import typer

from adapters.cli.application import application
from adapters.seedwork.cli.output import Json, show
from service_layer import reports
from service_layer.reports import AgeBand

app = typer.Typer(no_args_is_help=True, help="Count what there is.")


@app.command()
def users_by_age(
    *,
    years: Annotated[int, typer.Option(help="How many years wide a band is.")] = 10,
    as_json: Json = False,
) -> None:
    """Count the users of each age band.

    $ PROGRAM reports users-by-age
    $ PROGRAM reports users-by-age --years 5 --json
    """
    with application() as container:
        uow = container.unit_of_work()
        bands = reports.users_by_age(uow, container.user_statistics(uow), years=years)
    show(AgeBand, bands, as_json=as_json)
