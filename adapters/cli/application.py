"""How a command starts the application."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from adapters.seedwork.cli.application import started
from service_layer.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from adapters.container import Container
    from adapters.settings import Settings


# Imported inside the functions: --help and the shell's completion do not need it, and would take 0.4 s longer.


def settings() -> "Settings":
    """Read the settings. Raises: pydantic.ValidationError (one is not allowed)."""
    from adapters.settings import Settings

    return Settings()


@contextmanager
def application() -> Generator["Container"]:
    """Start the application. Raises: TyperException (a setting is not allowed; the database refuses)."""
    from adapters.container import bootstrap
    from adapters.settings import Settings

    with started(lambda settings: bootstrap(settings=settings), Settings) as container:
        yield container


@contextmanager
def unit_of_work() -> Generator[UnitOfWork]:
    """Start the application, and yield a unit of work. Raises: as ``application``."""
    with application() as container:
        yield container.unit_of_work()
