"""What commands of every aggregate take, and how they hand it on."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from adapters.seedwork.cli.output import show
from adapters.seedwork.cli.values import parse_id
from domain.seedwork.repository import Page

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Id = Annotated[UUID, typer.Argument(metavar="ID", parser=parse_id, help="Its id.", show_default=False)]
ExpectedVersion = Annotated[
    int | None, typer.Option(help="Refuse if somebody has saved it since you read this version.", show_default=False)
]
After = Annotated[
    UUID | None, typer.Option(parser=parse_id, help="Begin after the one with this id.", show_default=False)
]
Limit = Annotated[int, typer.Option(help="How many at the most, 1 to 1000.")]
Unset = Annotated[list[str] | None, typer.Option("--unset", metavar="NAME", help="Take this value away.")]


def given(unset: Sequence[str] | None = None, **values: object) -> dict[str, Any]:  # Any: as a use case takes them
    """Return the values that were given, and None for those that are taken away.

    Args:
        unset: the names of options without their ``--``.
        values: by name; None where none was given.
    Raises: BadParameter (there is no such option, or it has a value too).
    """
    names = [name.replace("-", "_") for name in unset or ()]
    for name in names:
        if name not in values or values[name] is not None:
            raise typer.BadParameter(f"{name} has no value to take away, or is given one", param_hint="--unset")
    return {name: value for name, value in values.items() if value is not None} | dict.fromkeys(names)


def show_page(
    context: typer.Context,
    kind: "type[DataclassInstance]",
    page: Page[Any],  # Any: of that kind
    *,
    limit: int,
    as_json: bool,
) -> None:
    """Print a page, and for people the command that shows the next one. Deprecated: ``Commands.reading`` does it."""
    advice = "add the command by reading() of adapters.seedwork.cli.commands.Commands"
    warnings.warn(f"show_page goes with the next major release: {advice}", DeprecationWarning, stacklevel=2)
    show(kind, page.items, as_json=as_json)
    if page.next and not as_json:
        typer.echo(f"More: {context.command_path} --limit {limit} --after {page.next}", err=True)
