"""Rows in files, as CSV or JSON Lines, read and written one at a time."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Self
from uuid import UUID

import typer

from domain.seedwork.errors import InvalidValue

MAX_LINE = 100_000
"""How many characters a line may have: the first line of a file that is no text could fill the memory."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet runs; the last four are in full width. Source: OWASP, CSV Injection."""

_FLAT = frozenset({str, int, bool, type(None), UUID})
"""What most cells hold: to ask each whether it is a value object would take half of an export."""

Columns = Mapping[str, Callable[[str], object]]
"""The columns that a row may have, and how a text becomes the value of each."""


class Format(StrEnum):
    """How a file holds rows."""

    CSV = "csv"
    JSONL = "jsonl"

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the format that a file's name stands for; CSV where it stands for none."""
        return cls("jsonl" if path.suffix.lower() in {".jsonl", ".ndjson"} else "csv")


class Row(dict[str, Any]):  # Any: what a file says, before a rule has checked it
    """A row that was read: its values by column."""

    __slots__ = ("line",)
    line: int
    """Where it begins, counted from 1."""


class UnreadableRow(InvalidValue):
    """Stands in place of a row that can't be read."""

    line = 0
    """Where it begins, counted from 1."""


def read_rows(file: BinaryIO, format: Format, columns: Columns, required: set[str]) -> Iterator[Row | UnreadableRow]:
    """Read rows.

    Args:
        file: a text in UTF-8, with or without a byte order mark.
        format: CSV, whose first line names the columns, or JSON Lines.
        columns: the columns that there may be, and how a text becomes a value; in CSV an empty text is none.
        required: the columns that there must be.
    Raises: TyperException (the file is no such text).
    """
    lines = _Lines(file)
    rows = _csv_rows(lines, columns, required) if format is Format.CSV else _jsonl_rows(lines, columns)
    for line, row in rows:
        value = row.value if isinstance(row, UnreadableRow) else row
        found = UnreadableRow("row", value, "it must be UTF-8") if lines.not_utf8 >= line else row
        found.line = line
        yield found


def row_writer(
    file: BinaryIO, format: Format, names: Sequence[str], *, spreadsheet: bool = False
) -> Callable[[object], object]:
    """Return what writes an object as a row.

    Args:
        file: the file to write.
        format: CSV, which begins with a row of the names, or JSON Lines.
        names: the attributes to write.
        spreadsheet: whether a text in CSV that a spreadsheet would run as a formula gets a ' before it, which makes it
            a text there. What ``read_rows`` is to read again is written without.
    """
    if format is Format.JSONL:
        return lambda row: file.write(json_line({name: getattr(row, name) for name in names}))
    writer = csv.writer(_CsvRows(file))
    writer.writerow(names)
    cell = _no_formula if spreadsheet else lambda value: value
    return lambda row: writer.writerow([cell(as_cell(getattr(row, name))) for name in names])


class _CsvRows:
    """Rows as ``csv.writer`` makes them, each with a line feed at its end in place of a carriage return and one.

    A text with a carriage return would be two rows if its cell had no quotes: the writer gives quotes to what has a
    sign of the end that it writes itself.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, row: str) -> object:
        return self._file.write(row.removesuffix("\r\n").encode() + b"\n")


class _Lines:
    """The lines of a text, counted."""

    def __init__(self, file: BinaryIO) -> None:
        # surrogateescape: what is not UTF-8 makes one bad row, and does not end the reading
        self._text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
        self.number = 0
        """How many were read."""
        self.not_utf8 = 0
        """Which was the last one that is not UTF-8."""

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MAX_LINE):
            self.number += 1
            if len(line) == MAX_LINE:
                raise typer.TyperException(f"Line {self.number} has {MAX_LINE:,} characters or more: is this a text?")
            if not line.isascii() and any("\ud800" <= sign <= "\udfff" for sign in line):
                self.not_utf8 = self.number
            yield line


def _csv_rows(lines: _Lines, columns: Columns, required: set[str]) -> Iterator[tuple[int, Row | UnreadableRow]]:
    reader = csv.reader(lines, strict=True)
    names = _header(reader, columns, required)
    converters = [columns[name] for name in names]
    line = lines.number + 1
    while True:
        try:
            for values in reader:
                if len(values) == len(names):
                    cells = zip(names, converters, values, strict=True)
                    yield line, Row({name: convert(text) for name, convert, text in cells if text})
                elif values:
                    yield (
                        line,
                        UnreadableRow("row", values, f"it must have {len(names)} values, one for each name in line 1"),
                    )
                line = lines.number + 1
        except csv.Error as error:  # the reader goes on after it
            yield line, UnreadableRow("row", f"in lines {line} to {lines.number}", f"it must be CSV ({error})")
            line = lines.number + 1
        else:
            return


def _header(reader: Iterator[list[str]], columns: Columns, required: set[str]) -> list[str]:
    try:
        names = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        names = [str(error)]
    if len(set(names)) < len(names) or not required <= set(names) <= columns.keys():
        raise typer.TyperException(
            f"Line 1 must name the columns, separated by commas, in UTF-8: {', '.join(sorted(required))} and perhaps"
            f" {', '.join(sorted(columns.keys() - required))}. It says: {','.join(names)[:100]!r}"
        )
    return names


def _jsonl_rows(lines: _Lines, columns: Columns) -> Iterator[tuple[int, Row | UnreadableRow]]:
    for text in lines:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            texts = {name: columns[name](values[name]) for name in columns if isinstance(values.get(name), str)}
            yield lines.number, Row(values | texts)
        elif text.strip():
            yield lines.number, UnreadableRow("row", text.strip(), "it must be a JSON object")


def _no_formula(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def as_cell(value: object) -> object:
    """Return a value for a cell: a value object, parts and JSON as a command takes them, any other as it is."""
    if type(value) in _FLAT:
        return value
    value = _plain(value)
    if not isinstance(value, dict | list | tuple):
        return value
    try:
        return json_line(value).decode().rstrip()
    except TypeError:  # a key that JSON has no form for, such as an id
        return value


def json_line(values: object, *, ascii: bool = False) -> bytes:
    """Return values as a line of JSON Lines, with every letter that ASCII lacks escaped if asked for."""
    # half a character, which JSON may have and UTF-8 has not, is written as JSON escapes it
    return json.dumps(values, default=_known, ensure_ascii=ascii).encode(errors="backslashreplace") + b"\n"


def _known(value: object) -> object:
    """Return a value that JSON does not know as one that it knows."""
    plain = _plain(value)
    return str(value) if plain is value else plain


def _plain(value: object) -> object:
    """Return a value object as a dict."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
