"""How commands print what use cases return."""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for programs.")]


def show(kind: "type[DataclassInstance]", values: "Iterable[DataclassInstance]", *, as_json: bool) -> None:
    """Print frozen values: for people a table, or for programs one JSON object a line."""
    if as_json:
        for value in values:
            typer.echo(json.dumps(asdict(value), default=str, ensure_ascii=False))
        return
    table = Table(*(field.name for field in fields(kind)), box=None, pad_edge=False)
    for value in values:
        table.add_row(*map(_cell, asdict(value).values()))
    console = Console()
    if not console.is_terminal:
        console.width = 1_000  # a pipe has no edge at which a cell would have to be broken into lines
    console.print(table)


def _cell(value: object) -> Text:
    return Text("" if value is None else str(value), overflow="fold")
