"""A Python prompt inside a unit of work."""

import code
import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from importlib import import_module
from types import ModuleType
from typing import Annotated
from uuid import UUID

import typer

from adapters.seedwork.cli.application import Application
from adapters.seedwork.cli.streams import require_standard_input
from service_layer.seedwork.block import BlockState


def console(
    application: Callable[[], AbstractContextManager[Application]], use_cases: ModuleType
) -> Callable[..., None]:
    """Return the command.

    Args:
        application: starts the application.
        use_cases: the package whose modules are at hand at the prompt.
    """

    def open_console(
        *, commit: Annotated[bool, typer.Option("--commit", help="Save what was changed when you leave.")] = False
    ) -> None:
        """Open a Python prompt inside a unit of work. What it changes is undone at the end, unless you say --commit.

        At hand are container, uow, UUID and the modules of use cases. On SQLite nobody else can write meanwhile.

        $ PROGRAM console
        $ PROGRAM console --commit
        """
        require_standard_input()
        modules = [module.name for module in pkgutil.iter_modules(use_cases.__path__) if not module.ispkg]
        names: dict[str, object] = {name: import_module(f"{use_cases.__name__}.{name}") for name in modules}
        with application() as container, container.unit_of_work() as uow:
            names |= {"container": container, "uow": uow, "UUID": UUID}
            _complete_with_tab(names)
            with suppress(SystemExit):  # exit() leaves the prompt
                code.interact(f"At hand: {', '.join(sorted(names))}", local=names, exitmsg="")
            if uow.block and uow.block.state is BlockState.OPEN:
                (uow.commit if commit else uow.rollback)()

    return open_console


def _complete_with_tab(names: dict[str, object]) -> None:
    with suppress(ImportError):  # there is none on Windows
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        is_libedit = "libedit" in (readline.__doc__ or "")  # as on macOS, where it has other words for it
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
