"""How commands print what use cases return."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.seedwork.cli.files import as_cell, json_line

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it, or by which it shows letters in another order."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for programs.")]


def show(kind: "type[DataclassInstance]", values: "Sequence[DataclassInstance]", *, as_json: bool) -> None:
    """Print frozen values: for people a table, or for programs one JSON object a line.

    Raises: OSError (standard output takes no more).
    """
    print(_json_lines(values) if as_json else _table(kind, values), end="", flush=True)


def show_saved(kind: "type[DataclassInstance]", values: "Sequence[DataclassInstance]", *, as_json: bool) -> None:
    """Print what a command has saved.

    Raises: SavedButNotPrinted (standard output takes no more).
    """
    try:
        show(kind, values, as_json=as_json)
    except OSError as error:
        silence(sys.stdout)
        raise SavedButNotPrinted(
            f"It is saved, and only printing it failed ({error.strerror}): {_json_lines(values)}"
        ) from error


class SavedButNotPrinted(typer.TyperException):
    """A command has saved its work, and could not print it. It is no failure: repeated, it would do its work twice."""

    exit_code = 0


def silence(stream: TextIO) -> None:
    """Drop what a broken stream still has to write: at exit Python would try again, and return the status 120."""
    with suppress(OSError):  # a stream without a descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _json_lines(values: "Sequence[DataclassInstance]") -> str:
    # where the encoding has no such letter it is escaped, not replaced: a program reads the same value
    ascii = not sys.stdout.encoding.lower().startswith("utf")
    return b"".join(json_line(value, ascii=ascii) for value in values).decode()


def _table(kind: "type[DataclassInstance]", values: "Sequence[DataclassInstance]") -> str:
    table = Table(*(field.name for field in fields(kind)), box=None, pad_edge=False)
    for value in values:
        table.add_row(*map(_cell, asdict(value).values()))
    console = Console()
    if not console.is_terminal:
        console.width = 1_000  # a pipe has no edge at which a cell would have to be broken into lines
    with console.capture() as printed:  # printed by rich, a closed pipe would end the program
        console.print(table)
    return printed.get()


def _cell(value: object) -> Text:
    shown = "" if value is None else str(as_cell(value))
    return Text(_OBEYED.sub(lambda found: repr(found[0])[1:-1], shown), overflow="fold")
