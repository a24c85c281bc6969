"""How a command gets at the application: started when it is needed, closed when the command is done."""

import gc
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from service_layer.errors import DatabaseUnavailable
from service_layer.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from adapters.container import Container


PATIENCE_S = 3_600
"""How long a person at a prompt or in a pager may think. Of a service PostgreSQL ends an idle block much sooner."""


@contextmanager
def application() -> Generator["Container"]:
    """Start the application.

    Raises: TyperException (a setting is not allowed; the database can't be reached, or refuses the statement).
    """
    # late: these take 0.4 s, which --help and the shell's completion do without
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    from adapters.container import bootstrap
    from adapters.settings import Settings, explain

    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what a failure, told in one line, entails
    try:
        with bootstrap(settings=Settings(database_idle_timeout_s=PATIENCE_S)) as container, _rare_collections():
            try:
                yield container
            except DatabaseUnavailable as error:
                url = container.settings().url.render_as_string(hide_password=True)
                raise typer.TyperException(
                    f"{error} DATABASE_URL names {url}. If nothing runs there, start it, then: alembic upgrade head"
                ) from error
    except DBAPIError as error:
        raise typer.TyperException(f"The database refused a statement: {error.orig}") from error
    except ValidationError as error:
        raise typer.TyperException(explain(error)) from error


@contextmanager
def unit_of_work() -> Generator[UnitOfWork]:
    """Start the application, and give out a unit of work. Raises: as ``application``."""
    with application() as container:
        yield container.unit_of_work()


@contextmanager
def _rare_collections() -> Generator[None]:
    """Let the garbage collector look rarely, and not at what was loaded: it would take a third of a long command."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
