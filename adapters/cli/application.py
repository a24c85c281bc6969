"""How a command gets at the application: started when it is needed, closed when the command is done."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

import typer

from service_layer.errors import DatabaseUnavailable
from service_layer.unit_of_work import UnitOfWork


@contextmanager
def unit_of_work() -> Generator[UnitOfWork]:
    """Start the application, and give out a unit of work.

    Raises: TyperException (a setting is not allowed; the database can't be reached, or refuses the statement).
    """
    # late: these take 0.4 s, which --help and the shell's completion do without
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    from adapters.container import bootstrap
    from adapters.settings import explain

    try:
        with bootstrap() as container:
            gc.freeze()  # else the collector looks through all that was loaded again and again in a long command
            try:
                yield container.unit_of_work()
            except DatabaseUnavailable as error:
                url = container.settings().url.render_as_string(hide_password=True)
                raise typer.TyperException(
                    f"{error} DATABASE_URL names {url}. Start it or name another one, then run: alembic upgrade head"
                ) from error
            finally:
                gc.unfreeze()
    except DBAPIError as error:
        raise typer.TyperException(f"The database refused a statement: {error.orig}") from error
    except ValidationError as error:
        raise typer.TyperException(explain(error)) from error
