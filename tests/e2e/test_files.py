"""``groundwork users import`` and ``export``: files of every kind, whole or not at all."""

import json
import os
import pty
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.seedwork.cli.files import MAX_LINE
from tests.e2e.conftest import Run, Start, printed

Write = Callable[[str | bytes], Path]

JOHN = "John Doe,30,john@example.com\n"
JANE = '"Roe, Jane ""JR""",28,\n'
HEADER = "name,age,email\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file."""

    def write(content: str | bytes, name: str = "users.csv") -> Path:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def names(run: Run) -> list[str]:
    return [user["name"] for user in printed(run("users", "list", "--json"))]


# ---- there and back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (HEADER + JOHN + JANE + "Jürgen Ω 日本,0,\n", ("--columns", "name,age,email", "--format", "csv")),
        (
            "id,name,age,email\n019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d,John Doe,30,john@example.com\n",
            ("--format", "csv"),
        ),
        (
            '{"name": "Jürgen", "age": 30, "email": "j@example.com"}\n{"name": "Jane", "age": 28, "email": null}\n',
            ("--columns", "name,age,email", "--format", "jsonl"),
        ),
        (
            '{"id": "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d", "name": "Jane", "age": 28, "email": null}\n',
            ("--format", "jsonl"),
        ),
    ],
    ids=["csv", "csv with ids", "json lines", "json lines with ids"],
)
def test_the_export_of_what_was_imported_is_the_same_file(run: Run, content: str, options: tuple[str, ...]) -> None:
    imported = run("users", "import", "-", *options[-2:], stdin=content)
    exported = run("users", "export", "-", *options)

    assert imported.exit_code == 0, imported.stderr
    assert exported.stdout_bytes.decode() == content


def test_a_files_name_tells_what_it_is(run: Run, write: Write, tmp_path: Path) -> None:
    run("users", "import", write(HEADER + JOHN))

    run("users", "export", tmp_path / "users.jsonl")

    [line] = (tmp_path / "users.jsonl").read_text().splitlines()
    assert json.loads(line)["name"] == "John Doe"
    assert not (tmp_path / "users.jsonl.part").exists()


def test_a_file_as_a_spreadsheet_saves_it_is_read(run: Run, write: Write) -> None:
    file = write(b"\xef\xbb\xbfName, Age ,EMAIL\r\nJohn Doe, 30 ,John@Example.com\r\n\r\nJane Roe,28,\r\n")

    assert printed(run("users", "import", file, "--json")) == [{"imported": 2, "refused": 0}]

    john, jane = printed(run("users", "list", "--json"))
    assert (john["name"], john["age"], john["email"]) == ("John Doe", 30, "john@example.com")
    assert (jane["name"], jane["email"]) == ("Jane Roe", None)


# ---- all, or none -------------------------------------------------------------------------------------------------

BAD = b"""name,age,email
John Doe,30,john@example.com
Jane Roe,200,

"two
lines",30,
J\xfcrgen,30,
Jim Joe,44
Twin,1,JOHN@example.com
Ann,1,ann@example.com
Bob,1,bob@example.com
"Torn,1,"""

REPORT = """\
{file}, line 3: age 200 is not allowed: it must be a whole number from 0 to 150.
{file}, line 5: name 'two\\nlines' is not allowed: it must be 1 to 100 visible characters on one line.
{file}, line 7: row {{'name': 'J\\udcfcrgen', 'age': 30}} is not allowed: it must be UTF-8.
{file}, line 8: row ['Jim Joe', '44'] is not allowed: it must have 3 values, one for each name in line 1.
{file}, line 9: An earlier row has this e-mail address already: each user needs one of its own, or none.
{file}, line 11: This e-mail address belongs to another user already: use another one, or change that user's first.
{file}, line 12: row 'in lines 12 to 12' is not allowed: it must be CSV (unexpected end of data).
"""


@pytest.fixture
def bob(run: Run) -> None:
    run("users", "register", "--name", "Bob", "--age", 30, "--email", "bob@example.com")


def test_a_file_with_bad_rows_is_refused_with_the_line_and_the_reason_of_each(
    run: Run, write: Write, bob: None
) -> None:
    file = write(BAD)

    result = run("users", "import", file)

    *report, last = result.stderr.splitlines(keepends=True)
    assert "".join(report) == REPORT.format(file=file)
    assert last == "groundwork: Nothing is imported. Refused rows: 7; --skip-invalid imports the others.\n"
    assert (result.stdout, result.exit_code) == ("", 1)
    assert names(run) == ["Bob"]


def test_the_good_rows_can_be_imported_and_the_bad_ones_listed(run: Run, write: Write, bob: None) -> None:
    file = write(BAD)

    result = run("users", "import", file, "--skip-invalid", "--json")

    assert printed(result) == [{"imported": 2, "refused": 7}]
    assert result.stderr == REPORT.format(file=file)
    assert names(run) == ["Bob", "John Doe", "Ann"]


def test_a_bad_row_on_postgresql_is_told_without_words_of_the_driver(
    run: Run, write: Write, postgresql_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    file = write(HEADER + JOHN + JOHN + "Jane Roe,28,\n" * 190)

    result = run("users", "import", file, "--skip-invalid", "--json")

    assert printed(result) == [{"imported": 191, "refused": 1}]
    assert caplog.messages == []


def test_an_id_that_is_no_uuid_is_a_bad_row(run: Run, write: Write) -> None:
    file = write("id,name,age\n17,John,30\n")

    assert "line 2: id '17' is not allowed: it must be a UUID." in run("users", "import", file).stderr


@pytest.mark.parametrize("age", ["3_0", "3O"])
def test_an_age_in_other_signs_than_digits_is_a_bad_row(run: Run, write: Write, age: str) -> None:
    file = write(f"name,age\nJohn,{age}\n")

    assert f"line 2: age '{age}' is not allowed: it must be a whole number" in run("users", "import", file).stderr


def test_a_line_that_is_neither_utf8_nor_json_is_shown_as_it_stands(run: Run) -> None:
    result = run("users", "import", "-", "--format", "jsonl", stdin=b'{"name": "J\xfcrgen"\n')

    assert 'line 1: row \'{"name": "J\\udcfcrgen"\' is not allowed: it must be UTF-8.' in result.stderr


def test_bad_json_lines_are_refused_one_by_one(run: Run) -> None:
    content = '{"name": "John", "age": 30}\n[1]\n{"name": \n\n{"name": "Jane", "age": "x", "nick": 1}\n' + "[" * 5000

    result = run("users", "import", "-", "--format", "jsonl", stdin=content)

    *refusals, last = result.stderr.splitlines()
    assert [line.split(" is not")[0][:50] for line in refusals] == [
        "standard input, line 2: row '[1]'",
        "standard input, line 3: row '{\"name\":'",
        "standard input, line 5: row {'age': 'x', 'name': '",
        "standard input, line 6: row '[[[[[[[[[[[[[[[[[[[[[",
    ]
    assert "Nothing is imported. Refused rows: 4" in last
    assert names(run) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Line 1 must name the columns"),
        (b"name;age;email\nJohn;30;\n", "separated by commas"),
        (b"John Doe,30,john@example.com\n", "It says: 'john doe,30,john@example.com'"),
        (b"name,email\n", "age, name and perhaps email, id"),
        (b"name,age,name\n", "Line 1 must name the columns"),
        (b"name,age,nick\n", "Line 1 must name the columns"),
        (b'"name,age\n', "Line 1 must name the columns"),
        ("name,age\nJohn,30\n".encode("utf-16"), "in UTF-8"),
        (b"\x00" * 300_000, "Line 1 has 100,000 characters or more: is this a text?"),
    ],
    ids=["empty", "semicolons", "no header", "no age", "twice", "unknown", "torn", "utf-16", "not a text"],
)
def test_what_is_no_file_of_users_is_told_in_one_line(run: Run, write: Write, content: bytes, message: str) -> None:
    result = run("users", "import", write(content))

    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.exit_code == 1


def test_what_is_no_file_at_all_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    missing, folder = run("users", "import", tmp_path / "none.csv"), run("users", "import", tmp_path)

    assert missing.stderr == f"groundwork: {tmp_path}/none.csv: No such file or directory\n"
    assert folder.stderr == f"groundwork: {tmp_path}: Is a directory\n"
    assert (missing.exit_code, folder.exit_code) == (1, 1)


def many(count: int) -> bytes:
    return b"name,age,email\n" + b"".join(b"User %d,30,user%d@example.com\n" % (n, n) for n in range(count))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_import_that_is_ended_in_the_middle_leaves_nothing(
    run: Run, start: Start, number: signal.Signals, status: int
) -> None:
    process = start("users", "import", "-")
    assert process.stdin
    process.stdin.write(many(10_000))  # a pipe holds 64 KiB of these 350: most of them are read when this returns
    process.stdin.flush()

    process.send_signal(number)
    _, complaint = process.communicate(timeout=20)

    assert (process.returncode, complaint) == (status, b"")
    assert names(run) == []


# ---- export -------------------------------------------------------------------------------------------------------


def test_an_export_that_fails_leaves_the_file_that_was_there(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = write("the export of yesterday")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")

    assert run("users", "export", file).exit_code == 1

    assert file.read_text() == "the export of yesterday"
    assert list(tmp_path.glob("*.part")) == []


def test_an_export_leaves_a_file_as_private_as_it_was(run: Run, write: Write) -> None:
    file = write("the export of yesterday")
    file.chmod(0o600)

    run("users", "export", file)

    assert oct(file.stat().st_mode & 0o777) == "0o600"


def test_an_export_to_a_named_pipe_goes_through_it(run: Run, write: Write, tmp_path: Path) -> None:
    run("users", "import", write(HEADER + JOHN))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    run("users", "export", pipe, "--columns", "name,age,email")
    exported = os.read(reader, 10_000).decode()
    os.close(reader)

    assert exported == HEADER + JOHN


def test_an_export_whose_reader_has_gone_ends_quietly(run: Run, start: Start, write: Write) -> None:
    run("users", "import", write(many(5_000)))
    process = start("users", "export")
    assert process.stdout
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None

    _, complaint = process.communicate(timeout=20)

    assert (process.returncode, complaint) == (1, b"")


def test_a_column_that_users_do_not_have_is_wrong_usage(run: Run) -> None:
    result = run("users", "export", "--columns", "name,nick")

    assert result.exit_code == 2
    assert "no nick in id,name,age,email,version" in result.stderr


def test_a_column_that_is_named_twice_is_refused_at_once(run: Run) -> None:
    result = run("users", "export", "--columns", "name,age,name")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "name,age,name names a column twice" in result.stderr


def test_a_file_that_cannot_be_written_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    result = run("users", "export", tmp_path / "none" / "users.csv")

    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


# ---- progress -----------------------------------------------------------------------------------------------------


def on_terminal(start: Start, *arguments: Any) -> str:
    terminal, inside = pty.openpty()
    start(*arguments, stderr=inside).communicate(timeout=20)
    os.write(inside, b"end")
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    os.close(inside)
    return shown


def test_progress_is_shown_on_a_terminal(
    start: Start, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")

    assert "Reading" in on_terminal(start, "users", "import", write(many(100)))
    assert "Writing" in on_terminal(start, "users", "export", tmp_path / "out.csv")


def test_no_progress_is_shown_in_a_pipe(run: Run, write: Write) -> None:
    assert run("users", "import", write(many(10))).stderr == ""


def test_a_line_of_the_longest_kind_is_still_read(run: Run, write: Write) -> None:
    row = b"John,30," + b" " * (MAX_LINE - 20) + b"\n"

    assert run("users", "import", write(HEADER.encode() + row), "--skip-invalid").exit_code == 0
