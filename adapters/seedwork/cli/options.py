"""What commands of every aggregate take, and how they hand it on."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from adapters.seedwork.cli.values import parse_id

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
