"""Rows of CSV and JSON Lines, and the values of their cells."""

import io
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
import typer

from adapters.seedwork.cli.files import MAX_LINE, Columns, Format, Row, UnreadableRow, read_rows, row_writer
from adapters.seedwork.cli.output import show
from adapters.seedwork.cli.values import id_of_cell, number_of_cell, parse_id

ID = "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"
COLUMNS: Columns = {"id": id_of_cell, "number": str, "quantity": number_of_cell}


def read(content: str | bytes, format: Format = Format.CSV) -> list[Row | UnreadableRow]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return list(read_rows(file, format, COLUMNS, {"number"}))


def lines(rows: list[Row | UnreadableRow]) -> list[tuple[int, object]]:
    return [(row.line, str(row) if isinstance(row, UnreadableRow) else dict(row)) for row in rows]


# ---- reading ------------------------------------------------------------------------------------------------------


def test_csv_is_read_as_a_spreadsheet_saves_it() -> None:
    content = b'\xef\xbb\xbfNumber, Quantity ,ID\r\nA1, 3 ,\r\n\r\n"B, ""2""",,' + ID.encode() + b"\r\n"

    assert lines(read(content)) == [
        (2, {"number": "A1", "quantity": 3}),
        (4, {"number": 'B, "2"', "id": UUID(ID)}),
    ]


def test_a_row_that_is_no_csv_is_one_bad_row() -> None:
    rows = read(b'number,quantity\nA1,1\n"two\nlines",2\nJ\xfc,3\nA2\nA3,1\n"torn,1')

    assert lines(rows) == [
        (2, {"number": "A1", "quantity": 1}),
        (3, {"number": "two\nlines", "quantity": 2}),
        (5, "row {'number': 'J\\udcfc', 'quantity': 3} is not allowed: it must be UTF-8."),
        (6, "row ['A2'] is not allowed: it must have 2 values, one for each name in line 1."),
        (7, {"number": "A3", "quantity": 1}),
        (8, "row 'in lines 8 to 8' is not allowed: it must be CSV (unexpected end of data)."),
    ]


def test_a_line_that_is_no_json_object_is_one_bad_row() -> None:
    content = f'{{"number": "A1", "quantity": "3", "id": "{ID}"}}\n[1]\n{{"number": \n\n{{"number": "A2", "nick": 1}}\n'

    assert lines(read(content + "[" * 5000, Format.JSONL)) == [
        (1, {"number": "A1", "quantity": 3, "id": UUID(ID)}),
        (2, "row '[1]' is not allowed: it must be a JSON object."),
        (3, "row '{\"number\":' is not allowed: it must be a JSON object."),
        (5, {"number": "A2", "nick": 1}),
        (6, f"row '{'[' * 27}...{'[' * 28}' is not allowed: it must be a JSON object."),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Line 1 must name the columns"),
        (b"number;id\nA1;\n", "separated by commas"),
        (b"A1,3\n", "It says: 'a1,3'"),
        (b"quantity\n", "number and perhaps id, quantity"),
        (b"number,number\n", "Line 1 must name the columns"),
        (b"number,nick\n", "Line 1 must name the columns"),
        (b'"number\n', "Line 1 must name the columns"),
        ("number\nA1\n".encode("utf-16"), "in UTF-8"),
        (b"\x00" * 300_000, "Line 1 has 100,000 characters or more: is this a text?"),
    ],
    ids=["empty", "semicolons", "no header", "no number", "twice", "unknown", "torn", "utf-16", "not a text"],
)
def test_what_is_no_table_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(typer.TyperException) as caught:
        read(content)

    assert message in caught.value.message


def test_a_line_of_the_longest_kind_is_still_read() -> None:
    number = "A" * (MAX_LINE - 2)

    assert lines(read(f"number\n{number}\n")) == [(2, {"number": number})]


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.csv", "csv"), ("a.jsonl", "jsonl"), ("A.NDJSON", "jsonl"), ("a.txt", "csv"), ("-", "csv")],
)
def test_a_name_says_the_format(name: str, format: str) -> None:
    assert Format.of(Path(name)) == format


# ---- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [ID, ID.upper()])
def test_an_id_is_read_in_any_case(text: str) -> None:
    assert parse_id(text) == id_of_cell(text) == UUID(ID)


@pytest.mark.parametrize(
    "text",
    [
        "0_" + ID[2:],
        "0x" + ID[2:],
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        ID.replace("-", ""),
        ID.replace("-", "", 1) + "-",
        f" {ID}",
        f"{ID}\n",
        ID.replace("0", "\uff10"),
        "17",
        "",
    ],
)
def test_no_other_form_of_an_id_is_read(text: str) -> None:
    assert id_of_cell(text) == text
    with pytest.raises(ValueError, match="write it like 019aa9b2"):
        parse_id(text)


@pytest.mark.parametrize(
    ("text", "value"), [("30", 30), (" 30 ", 30), ("-1", -1), ("3_0", "3_0"), ("3O", "3O"), ("9" * 5000, "9" * 5000)]
)
def test_a_number_is_read_and_what_is_none_stays_a_text(text: str, value: object) -> None:
    assert number_of_cell(text) == value


# ---- writing ------------------------------------------------------------------------------------------------------


@dataclass
class Part:
    number: str
    quantity: int


def written(part: Part, format: Format, *, spreadsheet: bool = False) -> str:
    file = io.BytesIO()
    row_writer(file, format, ["number", "quantity"], spreadsheet=spreadsheet)(part)
    return file.getvalue().decode()


def test_what_is_written_is_what_is_read() -> None:
    part = Part('Ω, "1"\n=1+1', -3)

    assert written(part, Format.CSV) == 'number,quantity\n"Ω, ""1""\n=1+1",-3\n'
    assert written(part, Format.JSONL) == '{"number": "Ω, \\"1\\"\\n=1+1", "quantity": -3}\n'
    for format in Format:
        [row] = read(written(part, format), format)
        assert row == vars(part)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("format", Format)
def test_a_text_of_several_lines_is_what_is_read(format: Format, end: str) -> None:
    text = f"one{end}two{end}"

    [row] = read(written(Part(text, 1), format), format)

    assert row == {"number": text, "quantity": 1}


@dataclass
class Box:
    content: object
    others: tuple[Part, ...]


@pytest.mark.parametrize("format", Format)
def test_a_value_object_and_parts_are_written_as_json(format: Format) -> None:
    file = io.BytesIO()

    row_writer(file, format, ["content", "others"])(Box(Part("A-1", 1), (Part("A-2", 2),)))

    columns = {"content": json.loads, "others": json.loads}
    [row] = read_rows(io.BytesIO(file.getvalue()), format, columns, set())
    assert row == {"content": {"number": "A-1", "quantity": 1}, "others": [{"number": "A-2", "quantity": 2}]}


def test_a_dict_with_keys_that_json_has_not_is_written_as_it_is() -> None:
    file = io.BytesIO()

    row_writer(file, Format.CSV, ["content", "others"])(Box({date(2026, 2, 3): 1}, ()))

    assert file.getvalue().splitlines()[1] == b'"{datetime.date(2026, 2, 3): 1}",[]'


def test_half_a_character_in_json_is_what_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    part = Part("\ud800", 1)
    show(Part, [part], as_json=True)

    for text in (written(part, Format.JSONL), capsys.readouterr().out):
        [row] = read(text, Format.JSONL)
        assert row == vars(part)


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_for_a_spreadsheet_a_formula_becomes_a_text(begin: str) -> None:
    cell = written(Part(f"{begin}1+1", -3), Format.CSV, spreadsheet=True).partition("\n")[2]

    assert cell.strip('"').startswith(f"'{begin}1+1")
    assert cell.endswith(",-3\n")
    assert written(Part("A=1", 1), Format.CSV, spreadsheet=True).endswith("\nA=1,1\n")
