"""Users imported from files and exported to them. What is true of every file stands in ``tests/seedwork``."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.seedwork.command_line import PROGRAM, Run, Start, printed

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


# ---- export and import --------------------------------------------------------------------------------------------


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
{file}, line 9: This e-mail address belongs to another user already: use another one, or change that user's first.
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
    assert last == f"{PROGRAM}: Nothing is imported. Refused rows: 7; --skip-invalid imports the others.\n"
    assert (result.stdout, result.exit_code) == ("", 1)
    assert names(run) == ["Bob"]


def test_the_good_rows_can_be_imported_and_the_bad_ones_listed(run: Run, write: Write, bob: None) -> None:
    file = write(BAD)

    result = run("users", "import", file, "--skip-invalid", "--json")

    assert printed(result) == [{"imported": 2, "refused": 7}]
    assert result.stderr == REPORT.format(file=file)
    assert names(run) == ["Bob", "John Doe", "Ann"]


def test_a_bad_row_on_postgresql_is_reported_without_words_of_the_driver(
    run: Run, write: Write, postgresql_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgresql_url)
    file = write(HEADER + JOHN + JOHN + "Jane Roe,28,\n" * 190)

    result = run("users", "import", file, "--skip-invalid", "--json")

    assert printed(result) == [{"imported": 191, "refused": 1}]
    assert caplog.messages == []


def test_an_id_that_is_no_uuid_is_a_bad_row(run: Run) -> None:
    result = run("users", "import", "-", stdin="id,name,age\n17,John,30")

    assert "is not allowed: it must be a UUID." in result.stderr


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


def test_a_column_that_users_do_not_have_is_wrong_usage(run: Run) -> None:
    result = run("users", "export", "--columns", "name,nick")

    assert result.exit_code == 2
    assert "no nick in id,name,age,email,version" in result.stderr


def test_a_column_that_is_named_twice_is_refused_at_once(run: Run) -> None:
    result = run("users", "export", "--columns", "name,age,name")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "name,age,name names a column twice" in result.stderr


def test_a_name_that_is_a_formula_is_exact_by_default_and_a_text_for_a_spreadsheet(run: Run) -> None:
    run("users", "register", "--name", "=1+1", "--age", 30)

    assert run("users", "export", "--columns", "name,age").stdout == "name,age\n=1+1,30\n"
    assert run("users", "export", "--columns", "name,age", "--spreadsheet").stdout == "name,age\n'=1+1,30\n"


def test_only_csv_is_for_a_spreadsheet(run: Run) -> None:
    result = run("users", "export", "--spreadsheet", "--format", "jsonl")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "only a CSV file is opened in a spreadsheet" in result.stderr
