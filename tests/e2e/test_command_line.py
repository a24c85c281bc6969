"""Every use case of users from the command line, for people and for programs."""

import json

import pytest
from sqlalchemy import create_engine, text

from adapters.cli import app
from domain.seedwork.entity import new_id
from tests.seedwork.command_line import PROGRAM, Run, Start, finished, needs_a_full_disk, on_full_disk, printed, refusal

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
    command = ("users", "register", *JOHN, "--user-id", new_id(), "--json")

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


def test_the_help_is_what_a_bare_command_shows(run: Run) -> None:
    assert "register" in run("users").stdout


def test_the_shell_completes_commands(start: Start) -> None:
    words = {f"_{PROGRAM.upper()}_COMPLETE": "complete_bash", "COMP_WORDS": f"{PROGRAM} users re", "COMP_CWORD": "2"}

    _, completed, _ = finished(start(env=words))

    assert completed.split() == ["register", "rename", "remove"]


def test_help_is_printed_without_loading_the_application(start: Start) -> None:
    _, _, imports = finished(start("--help", env={"PYTHONPROFILEIMPORTTIME": "1"}))

    assert "typer" in imports
    assert "sqlalchemy" not in imports


# ---- refusals -----------------------------------------------------------------------------------------------------


def test_a_refused_request_is_reported_in_one_line(run: Run, john: str) -> None:
    unknown = new_id()

    assert refusal(run("users", "show", unknown)) == (1, f"User {unknown} does not exist.")
    assert refusal(run("users", "find", "x@y.org")) == (1, "There is none with the email x@y.org.")
    assert refusal(run("users", "change-age", john, 151)) == (
        1,
        "age 151 is not allowed: it must be a whole number from 0 to 150.",
    )
    assert refusal(run("users", "rename", john, "Jim", "--expected-version", 7))[1].startswith(
        f"User {john} has version 1, not 7"
    )
    assert refusal(run("users", "register", *JOHN))[1].startswith("This e-mail address belongs to another user")


ID = "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("users", "change-email", ID), "give either an address or --none"),
        (("users", "change-email", ID, "x@y.org", "--none"), "give either an address or --none"),
        (("users", "list", "--after", f"{{{ID}}}"), "Invalid value for '--after': write it like 019aa9b2"),
    ],
    ids=str,
)
def test_wrong_usage_is_reported_in_one_line(run: Run, arguments: tuple[object, ...], message: str) -> None:
    status, line = refusal(run(*arguments))

    assert status == 2
    assert message in line


# ---- what is saved ------------------------------------------------------------------------------------------------


@needs_a_full_disk
@pytest.mark.parametrize(
    "command",
    [
        ("users", "register", "--name", "Jiří", "--age", "1"),
        ("users", "rename", "JOHN", "Jiří"),
        ("users", "change-age", "JOHN", "31"),
        ("users", "change-email", "JOHN", "--none"),
        ("users", "remove", "JOHN"),
    ],
    ids=lambda command: command[1],
)
def test_what_is_saved_and_cannot_be_printed_is_no_failure(john: str, command: tuple[str, ...]) -> None:
    arguments = [john if argument == "JOHN" else argument for argument in command]

    status, complaint = on_full_disk(app, *arguments)

    assert status == 0
    assert complaint.startswith(f"{PROGRAM}: It is saved, and only printing it failed (No space left on device): ")
    assert json.loads(complaint[complaint.index("{") :]).keys() == {"id", "name", "age", "email", "version"}


@needs_a_full_disk
def test_an_import_that_is_saved_and_cannot_be_printed_is_no_failure(run: Run, start: Start) -> None:
    process = start("users", "import", "-", shell="> /dev/full")
    assert process.stdin
    process.stdin.write(b"name,age\nJohn,30\n")

    status, _, complaint = finished(process)

    assert (status, complaint.partition(": {")[2]) == (0, '"imported": 1, "refused": 0}\n')
    assert len(printed(run("users", "list", "--json"))) == 1


@pytest.fixture
def jose(run: Run, john: str, sqlite_url: str) -> str:
    """The id of a user whose address was stored when the rule allowed it."""
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET email = 'josé@example.com'"))
    engine.dispose()
    return john


def test_what_is_stored_is_shown_whatever_the_rule_says_today(run: Run, jose: str) -> None:
    stored = [{"id": jose, "name": "John Doe", "age": 30, "email": "josé@example.com", "version": 1}]

    assert printed(run("users", "list", "--json")) == stored
    assert printed(run("users", "show", jose, "--json")) == stored
    assert "josé@example.com" in run("users", "list").stdout
    assert run("users", "export").stdout == f"id,name,age,email\n{jose},John Doe,30,josé@example.com\n"


def test_what_is_stored_is_changed_and_removed_whatever_the_rule_says_today(run: Run, jose: str) -> None:
    assert printed(run("users", "change-age", jose, 31, "--json"))[0]["age"] == 31
    assert printed(run("users", "remove", jose, "--json"))[0]["email"] == "josé@example.com"
    assert printed(run("users", "list", "--json")) == []
