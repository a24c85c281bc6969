"""``groundwork users``: every use case from the command line, for people and for programs."""

import os
import pty
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from domain.seedwork.entity import new_id
from tests.e2e.conftest import Run, Start, printed

JOHN = ("--name", "John Doe", "--age", 30, "--email", "john@example.com")


@pytest.fixture
def john(run: Run) -> str:
    """The id of a user."""
    [user] = printed(run("users", "register", *JOHN, "--json"))
    return str(user["id"])


# ---- for programs -------------------------------------------------------------------------------------------------


def test_a_registered_user_can_be_shown_found_and_listed(run: Run, john: str) -> None:
    registered = [{"id": john, "name": "John Doe", "age": 30, "email": "john@example.com", "version": 1}]

    assert printed(run("users", "show", john, "--json")) == registered
    assert printed(run("users", "find", "JOHN@example.com", "--json")) == registered
    assert printed(run("users", "list", "--json")) == registered


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        (("rename", "Johnny"), {"name": "Johnny"}),
        (("change-age", 31), {"age": 31}),
        (("change-email", "j@example.com"), {"email": "j@example.com"}),
        (("change-email", "--none"), {"email": None}),
    ],
    ids=str,
)
def test_a_change_is_saved(run: Run, john: str, command: tuple[object, ...], changed: dict[str, object]) -> None:
    name, *values = command
    before = printed(run("users", "show", john, "--json"))[0]

    after = printed(run("users", name, john, *values, "--expected-version", 1, "--json"))

    assert after == [before | changed | {"version": 2}]
    assert printed(run("users", "show", john, "--json")) == after


def test_a_removed_user_is_shown_and_gone(run: Run, john: str) -> None:
    assert printed(run("users", "remove", john, "--json"))[0]["id"] == john
    assert printed(run("users", "list", "--json")) == []


def test_a_registration_with_an_id_may_be_repeated(run: Run) -> None:
    command = ("users", "register", *JOHN, "--id", new_id(), "--json")

    assert printed(run(*command)) == printed(run(*command))


def test_the_last_id_of_a_page_is_where_the_next_begins(run: Run, john: str) -> None:
    [jane] = printed(run("users", "register", "--name", "Jane Roe", "--age", 28, "--json"))

    assert printed(run("users", "list", "--limit", 1, "--json"))[0]["id"] == john
    assert printed(run("users", "list", "--limit", 1, "--after", john, "--json")) == [jane]


def test_users_are_counted_by_age(run: Run, john: str) -> None:
    run("users", "register", "--name", "Jane Roe", "--age", 28)

    assert printed(run("reports", "users-by-age", "--years", 10, "--json")) == [
        {"from_age": 20, "to_age": 29, "users": 1},
        {"from_age": 30, "to_age": 39, "users": 1},
    ]


# ---- for people ---------------------------------------------------------------------------------------------------


def test_a_table_in_a_pipe_is_neither_coloured_nor_broken_into_lines(run: Run) -> None:
    name = "[b]" + "Long Name " * 9 + "End"

    result = run("users", "register", "--name", name, "--age", 30)

    assert name in result.stdout
    assert "\x1b" not in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines()][:1] == ["id"]


def test_a_table_is_coloured_on_a_terminal(start: Start, john: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, inside = pty.openpty()

    start("users", "list", stdout=inside).communicate(timeout=20)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    os.close(inside)

    assert "\x1b[1m" in shown
    assert "John Doe" in shown


def test_a_page_says_how_to_see_the_next(run: Run, john: str) -> None:
    run("users", "register", "--name", "Jane Roe", "--age", 28)

    first = run("users", "list", "--limit", 1)
    command = first.stderr.removeprefix("More: groundwork ").split()

    assert "Jane Roe" in run(*command).stdout


@pytest.mark.parametrize(
    "command", ["register", "show", "find", "list", "rename", "change-age", "change-email", "remove"]
)
def test_the_help_of_each_command_shows_an_example(run: Run, command: str) -> None:
    result = run("users", command, "--help")

    assert f"$ groundwork users {command}" in result.stdout


def test_the_help_is_what_a_bare_command_shows(run: Run) -> None:
    assert "register" in run("users").stdout


def test_the_shell_completes_commands(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_GROUNDWORK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "groundwork users re")
    monkeypatch.setenv("COMP_CWORD", "2")

    completed, _ = start().communicate(timeout=20)

    assert completed.split() == [b"register", b"rename", b"remove"]


def test_help_is_printed_without_loading_the_application(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")

    _, imports = start("--help").communicate(timeout=20)

    assert b"typer" in imports
    assert b"sqlalchemy" not in imports


# ---- refusals -----------------------------------------------------------------------------------------------------


def refusal(run: Run, *arguments: object) -> tuple[int, str]:
    result = run(*arguments)
    [line] = result.stderr.splitlines()
    assert result.stdout == ""
    return result.exit_code, line.removeprefix("groundwork: ")


def test_a_refused_request_is_told_in_one_line(run: Run, john: str) -> None:
    unknown = new_id()

    assert refusal(run, "users", "show", unknown) == (1, f"User {unknown} does not exist.")
    assert refusal(run, "users", "find", "x@y.org") == (1, "No user has the e-mail address x@y.org.")
    assert refusal(run, "users", "change-age", john, 151) == (
        1,
        "age 151 is not allowed: it must be a whole number from 0 to 150.",
    )
    assert refusal(run, "users", "rename", john, "Jim", "--expected-version", 7)[1].startswith(
        f"User {john} has version 1, not 7"
    )
    assert refusal(run, "users", "register", *JOHN)[1].startswith("This e-mail address belongs to another user")


ID = "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("user",), "No such command 'user'. Did you mean 'users'? Try: groundwork --help"),
        (("users", "show"), "Missing argument 'ID'. Try: groundwork users show --help"),
        (("users", "register", "--name", "x"), "Missing option '--age'. Try: groundwork users register --help"),
        (("users", "change-email", ID), "give either an address or --none"),
        (("users", "change-email", ID, "x@y.org", "--none"), "give either an address or --none"),
        (("users", "show", "john"), "Invalid value for 'ID'"),
    ],
    ids=str,
)
def test_wrong_usage_is_told_in_one_line(run: Run, arguments: tuple[object, ...], message: str) -> None:
    status, line = refusal(run, *arguments)

    assert status == 2
    assert message in line


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///{folder}/new.db", "Run: alembic upgrade head"),
        ("postgresql://me:secret@127.0.0.1:1/app", "If nothing runs there, start it, then: alembic upgrade head"),
        ("mysql://me:secret@127.0.0.1/app", "DATABASE_URL: write it like sqlite:///app.db or postgresql://"),
    ],
    ids=["not migrated", "not there", "of no known kind"],
)
def test_a_database_that_will_not_do_is_told_with_the_cure_and_without_the_password(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, message: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url.format(folder=tmp_path))

    status, line = refusal(run, "users", "export")  # which is not tried again

    assert status == 1
    assert message in line
    assert "secret" not in line


def test_a_statement_that_the_database_refuses_is_told_in_one_line(run: Run, sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE users RENAME TO people"))
        connection.execute(text("CREATE VIEW users AS SELECT * FROM people"))
    engine.dispose()

    assert refusal(run, "users", "register", *JOHN) == (
        1,
        "The database refused a statement: cannot modify users because it is a view",
    )


def test_a_closed_pipe_ends_a_command_quietly(start: Start, john: str) -> None:
    process = start("users", "list")
    assert process.stdout
    process.stdout.close()

    process.stdout = None
    _, complaint = process.communicate(timeout=20)

    assert complaint == b""
