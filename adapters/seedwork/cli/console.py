"""``groundwork console``: a Python prompt inside a unit of work."""

import code
import pkgutil
from contextlib import suppress
from importlib import import_module
from typing import Annotated
from uuid import UUID

import typer

import service_layer
from adapters.cli.application import application
from service_layer.seedwork.block import State


def open_console(
    *, commit: Annotated[bool, typer.Option("--commit", help="Save what was changed when you leave.")] = False
) -> None:
    """Open a Python prompt inside a unit of work. What it changes is undone when you leave, unless you say --commit.

    At hand are container, uow, UUID and the modules of service_layer. On SQLite nobody else can write meanwhile.

    $ groundwork console
    >>> users.list_users(uow)
    >>> users.change_user_age(uow, UUID("019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"), 31)
    """
    modules = [module.name for module in pkgutil.iter_modules(service_layer.__path__)]
    names: dict[str, object] = {name: import_module(f"service_layer.{name}") for name in modules}
    with application() as container, container.unit_of_work() as uow:
        names |= {"container": container, "uow": uow, "UUID": UUID}
        _complete_with_tab(names)
        with suppress(SystemExit):  # exit() leaves the prompt
            code.interact(f"At hand: {', '.join(sorted(names))}", local=names, exitmsg="")
        if uow.block and uow.block.state is State.OPEN:
            (uow.commit if commit else uow.rollback)()


def _complete_with_tab(names: dict[str, object]) -> None:
    with suppress(ImportError):  # there is none on Windows
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
