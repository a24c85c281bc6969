"""How a command starts the application when it needs it, and closes it at its end."""

import gc
import logging
from abc import abstractmethod
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import typer

from service_layer.seedwork.errors import DatabaseRefused, DatabaseUnavailable
from service_layer.seedwork.transaction import Transaction

if TYPE_CHECKING:
    from adapters.seedwork.settings import DatabaseSettings

S = TypeVar("S", bound="DatabaseSettings")
C = TypeVar("C")

PATIENCE_S = 3_600.0
"""How long a person at a prompt or in a pager may think, unless ``DATABASE_IDLE_TIMEOUT_S`` is set. In a service
PostgreSQL ends an idle block much sooner."""


class Application(Protocol):
    """What commands of every application ask of your container."""

    @abstractmethod
    def unit_of_work(self) -> Transaction:
        """Return a new unit of work."""


@contextmanager
def started(bootstrap: Callable[[S], AbstractContextManager[C]], settings: type[S]) -> Generator[C]:
    """Start the application for a command.

    Args:
        bootstrap: starts it with settings.
        settings: their class.
    Raises: TyperException (a setting is not allowed; the database can't be reached, or refuses the statement).
    """
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of what follows from a failure that is reported
    with explained():
        given = settings()
        if given.database_echo:  # SQLAlchemy's own handler writes to standard output, between what a program reads
            logging.getLogger("sqlalchemy.engine.Engine").addHandler(logging.StreamHandler())
        if "database_idle_timeout_s" not in given.model_fields_set:
            given = given.model_copy(update={"database_idle_timeout_s": PATIENCE_S})
        with bootstrap(given) as application, _rare_collections():
            try:
                yield application
            except DatabaseUnavailable as error:
                url = given.url.render_as_string(hide_password=True)
                is_there = isinstance(error, DatabaseRefused)
                cure = "" if is_there else " If nothing runs there, start it, then: alembic upgrade head"
                raise typer.TyperException(f"{error} DATABASE_URL names {url}.{cure}") from error


@contextmanager
def explained() -> Generator[None]:
    """Report in one line what is wrong with a setting, or what the database refuses. Raises: TyperException."""
    # imported here: --help and the shell's completion do not need them, and would take 0.4 s longer
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    from adapters.seedwork.settings import explain

    try:
        yield
    except DBAPIError as error:
        raise typer.TyperException(f"The database refused a statement: {error.orig}") from error
    except ValidationError as error:
        raise typer.TyperException(explain(error)) from error


@contextmanager
def _rare_collections() -> Generator[None]:
    """Run the garbage collector rarely, and not on what exists now: it would take a third of a long command's time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
