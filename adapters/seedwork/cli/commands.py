"""Commands made from use cases: what a use case takes by name is an option, the rest is an argument."""

import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from inspect import Signature
from typing import Any, Concatenate, Generic, TypeVar

import typer

from adapters.seedwork.cli.options import Unset, given
from adapters.seedwork.cli.output import Json, show, show_saved
from adapters.seedwork.cli.parameters import Rules, keyword, shown_by, summary_of, values_of
from adapters.seedwork.cli.program import THIS_COMMAND
from domain.seedwork.repository import Page
from service_layer.seedwork.functions import returns_early

U = TypeVar("U")


class Commands(typer.Typer, Generic[U]):
    """A group of commands: each calls one use case with what was typed, and shows what it returns.

    A command of another form is added by hand, as to every group of typer.
    """

    def __init__(
        self, unit_of_work: Callable[[], AbstractContextManager[U]], *, help: str, rules: Rules | None = None
    ) -> None:
        """Begin a group.

        Args:
            unit_of_work: starts the application, and yields a unit of work for one use case.
            help: what the commands do.
            rules: an entity's, by name: the help of an option of that name says what is allowed.
        """
        super().__init__(no_args_is_help=True, help=help)
        self._unit_of_work = unit_of_work
        self._rules = rules or {}

    def reading(self, name: str, use_case: Callable[Concatenate[U, ...], object]) -> None:
        """Add a command that shows something.

        Args:
            name: what is typed.
            use_case: takes the unit of work first; returns frozen values, a page of them, or None.
        Raises: TypeError (it takes what can't be typed, or returns what can't be shown; it is asynchronous, or a
            generator).
        """
        self._add(name, use_case, show)

    def writing(self, name: str, use_case: Callable[Concatenate[U, ...], object]) -> None:
        """Add a command that saves something, and shows what was saved. Otherwise as ``reading``."""
        self._add(name, use_case, show_saved)

    def _add(self, name: str, use_case: Callable[Concatenate[U, ...], object], show: Callable[..., None]) -> None:
        if returns_early(use_case):
            raise TypeError(f"{use_case.__qualname__}() returns before its work is done. Write a plain function.")
        taken, kind = list(values_of(use_case)), shown_by(use_case)
        for one in taken:
            if not one.is_readable:
                raise TypeError(
                    f"{use_case.__qualname__}() takes {one.name}: {one.hint}, which no command can read. Let it take"
                    " text, a number, an id, a date, an enumeration or a dataclass, or write its command by hand."
                )
        changes = [one for one in taken if one.is_change]

        def command(context: typer.Context, *, as_json: bool, **typed: Any) -> None:  # Any: as the use case takes it
            changed = {one.name: typed.pop(one.name) for one in changes}
            may_go = {one.name: changed.pop(one.name) for one in changes if one.may_be_none}
            changed = given(**changed) | given(typed.pop("unset", None), **may_go)
            typed = {one.name: typed[one.name] for one in taken if one.is_required or typed.get(one.name) is not None}
            with self._unit_of_work() as uow:
                result = use_case(uow, **typed, **changed)
            if isinstance(result, Page):
                show(kind, result.items, as_json=as_json)
                if result.next and not as_json:
                    more = [word for one in taken for word in one.words((typed | {"after": result.next}).get(one.name))]
                    typer.echo(f"More: {context.command_path} {shlex.join(more)}", err=True)
            elif result is not None:
                show(kind, result if isinstance(result, Sequence) else [result], as_json=as_json)
            elif kind:
                found_by = " and ".join(f"the {key.replace('_', ' ')} {value}" for key, value in typed.items())
                raise typer.TyperException(f"There is none with {found_by}.")

        unset = [keyword("unset", Unset, None)] if any(one.may_be_none for one in changes) else []
        options = [one.parameter(self._rules) for one in taken]
        signature = Signature(
            [keyword("context", typer.Context), *options, *unset, keyword("as_json", Json, default=False)]
        )
        command.__signature__ = signature  # type: ignore[attr-defined]  # inspect.signature() honours it, and typer reads that
        typed_at_least = [*(one for one in taken if one.is_required), *changes[:1]]
        example = shlex.join(word for one in typed_at_least for word in one.example)
        command.__doc__ = f"{summary_of(use_case)}\n\n$ {THIS_COMMAND} {example}"
        self.command(name)(command)
