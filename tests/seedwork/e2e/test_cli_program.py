"""What every command shares: one line for each refusal, the program's name, and output that may fail."""

import json
import re
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text

from domain.seedwork.entity import new_id
from tests.seedwork.command_line import PROGRAM, Run, Start, finished, needs_a_full_disk, on_terminal, printed, refusal

ID = "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"


def numbers(run: Run) -> list[str]:
    return [order["number"] for order in printed(run("orders", "list", "--json"))]


# ---- the program's name -------------------------------------------------------------------------------------------


def test_help_names_the_program_as_it_was_called(run: Run) -> None:
    assert f"$ {PROGRAM} orders list" in run("--help").stdout
    assert f"$ {PROGRAM} orders add A1" in run("orders", "add", "--help").stdout
    assert f"$ {PROGRAM} db status" in run("db", "status", "--help").stdout
    assert f"$ {PROGRAM} console" in run("console", "--help").stdout


def test_a_bare_group_shows_its_help(run: Run) -> None:
    assert "export" in run("orders").stdout


def test_help_is_printed_without_loading_the_application(start: Start) -> None:
    _, _, imports = finished(start("--help", env={"PYTHONPROFILEIMPORTTIME": "1"}))

    assert "typer" in imports
    assert "adapters.seedwork.sqlalchemy.schema" not in imports


def test_a_command_on_an_up_to_date_database_imports_no_alembic_no_web_framework_and_no_other_database(
    start: Start,
) -> None:
    status, _, imports = finished(start("orders", "add", "A1", env={"PYTHONPROFILEIMPORTTIME": "1"}))

    assert status == 0
    assert "adapters.seedwork.sqlalchemy.schema" in imports
    assert not re.search(r"\| +(alembic|fastapi|werkzeug)$", imports, re.MULTILINE)
    importer = importer_of("sqlalchemy.dialects.postgresql", imports)
    assert "seedwork" not in importer, "only a table of yours, by a type or an option, may import it"


TREE = """
import time:   9 |    9 |       {}
import time:   9 |    9 |     library
import time:   9 |    9 |     domain.parcel
import time:   9 |    9 |   {}
import time:   9 |    9 | adapters.mappers
import time:   9 |    9 | {}
"""


@pytest.mark.parametrize(
    ("modules", "importer"),
    [
        (("looked_for", "adapters.parcels", "other"), "adapters.parcels"),
        (("looked_for", "adapters.seedwork.keys", "other"), "adapters.seedwork.keys"),
        (("other", "adapters.parcels", "looked_for"), "a call of seedwork"),
        (("other", "adapters.parcels", "another"), ""),
    ],
)
def test_the_importer_is_the_first_module_of_the_project_around_an_import(
    modules: tuple[str, str, str], importer: str
) -> None:
    assert importer_of("looked_for", TREE.format(*modules)) == importer


def importer_of(module: str, imports: str) -> str:
    """Return which module of the project imported another one; "" if none did. An importer comes later, less deep."""
    lines: list[tuple[int, str]] = [
        (len(depth), name) for depth, name in re.findall(r"\|( +)([\w.]+)$", imports, re.MULTILINE)
    ]
    places = [place for place, (_, name) in enumerate(lines) if name == module]
    if not places:
        return ""
    lowest = lines[places[0]][0]
    for depth, name in lines[places[0] + 1 :]:
        if depth < lowest:
            lowest = depth
            if name.startswith(("adapters.", "service_layer.", "domain.", "tests.")):
                return name
    return "a call of seedwork"


# ---- refusals -----------------------------------------------------------------------------------------------------


def test_a_refused_request_is_reported_in_one_line(run: Run) -> None:
    run("orders", "add", "A1")

    assert refusal(run("orders", "add", "A1")) == (1, "This number belongs to another order already.")
    assert refusal(run("orders", "add", "")) == (1, "number '' is not allowed: it must be 1 to 50 characters.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("order",), f"No such command 'order'. Did you mean 'orders'? Try: {PROGRAM} --help"),
        (("orders", "add"), f"Missing argument 'number'. Try: {PROGRAM} orders add --help"),
        (("orders", "add", "A1", "--id", f"{{{ID}}}"), "Invalid value for '--id': write it like 019aa9b2"),
        (("events", "list", "--after", 2**63), "Invalid value for '--after': Input should be less than or equal"),
        (("orders", "add", "A1", "--id", "0_" + ID[2:]), "Invalid value for '--id': write it like 019aa9b2"),
    ],
    ids=str,
)
def test_wrong_usage_is_reported_in_one_line(run: Run, arguments: tuple[object, ...], message: str) -> None:
    status, line = refusal(run(*arguments))

    assert status == 2
    assert message in line


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///{folder}/new.db", "un: alembic upgrade head"),
        ("postgresql://me:secret@127.0.0.1:1/app", "If nothing runs there, start it, then: alembic upgrade head"),
        ("mysql://me:secret@127.0.0.1/app", "DATABASE_URL: write it like sqlite:///app.db or postgresql://"),
    ],
    ids=["not migrated", "not there", "of no known kind"],
)
def test_a_database_that_cannot_be_used_is_reported_with_what_to_do_and_without_the_password(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, message: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url.format(folder=tmp_path))

    status, line = refusal(run("orders", "list"))

    assert status == 1
    assert message in line
    assert "secret" not in line


def test_a_statement_that_the_database_refuses_is_reported_in_one_line(run: Run, sqlite_url: str) -> None:
    execute(
        sqlite_url, "ALTER TABLE house_orders RENAME TO requests", "CREATE VIEW house_orders AS SELECT * FROM requests"
    )

    assert refusal(run("orders", "add", "A1")) == (
        1,
        "The database refused a statement: cannot modify house_orders because it is a view",
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [(ConnectionError("the printer is away"), "the printer is away"), (TimeoutError(), "TimeoutError")],
)
def test_another_service_that_is_away_is_reported_in_one_line(
    run: Run, error: OSError, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(order: object) -> None:
        raise error

    run("orders", "add", "A1")
    monkeypatch.setattr("tests.seedwork.order_commands.OrderDetails.of", fail)

    assert refusal(run("orders", "list")) == (1, line)


# ---- output -------------------------------------------------------------------------------------------------------


def test_a_table_in_a_pipe_is_neither_coloured_nor_broken_into_lines(run: Run) -> None:
    number = "[b]" + "Long Number " * 3 + "End"

    output = run("orders", "add", number).stdout

    assert number in output
    assert "\x1b" not in output
    assert output.split()[0] == "id"


def test_what_a_terminal_would_obey_is_shown_in_a_table_and_not_obeyed(run: Run, sqlite_url: str) -> None:
    run("orders", "add", "A1")
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:  # as another program may have stored it, which has no rules
        stored = "\x1b[2J\x9b1m\u202eneerg\a\u200cی\tend"
        connection.execute(text("UPDATE house_orders SET number = :stored"), {"stored": stored})
    engine.dispose()

    output = run("orders", "list").stdout

    assert r"\x1b[2J\x9b1m\u202eneerg\x07" + "\u200cی" in output


def test_a_table_is_coloured_on_a_terminal(start: Start) -> None:
    output = on_terminal(start, "stdout", "orders", "add", "A1")

    assert "\x1b[1m" in output
    assert "A1" in output


def test_statements_that_are_logged_stay_out_of_what_programs_read(start: Start) -> None:
    _, output, errors = finished(start("orders", "add", "A1", "--json", env={"DATABASE_ECHO": "true"}))

    assert json.loads(output)["number"] == "A1"
    assert "INSERT INTO house_orders" in errors


def test_what_the_output_cannot_encode_is_replaced_for_people(run: Run, start: Start) -> None:
    status, output, complaint = finished(start("orders", "add", "Dvořák", env={"PYTHONIOENCODING": "ascii"}))

    assert (status, complaint) == (0, "")
    assert "Dvo??k" in output
    assert numbers(run) == ["Dvořák"]


def test_what_the_output_cannot_encode_is_escaped_for_programs(start: Start) -> None:
    status, output, _ = finished(start("orders", "add", "Dvořák", "--json", env={"PYTHONIOENCODING": "ascii"}))

    assert status == 0
    assert json.loads(output)["number"] == "Dvořák"


@needs_a_full_disk
@pytest.mark.parametrize("option", [(), ("--json",)], ids=["table", "json"])
def test_what_is_saved_and_cannot_be_printed_is_no_failure(run: Run, start: Start, option: tuple[str, ...]) -> None:
    status, _, complaint = finished(start("orders", "add", "A1", *option, shell="> /dev/full"))

    assert status == 0
    assert complaint.startswith(f"{PROGRAM}: It is saved, and only printing it failed (No space left on device): ")
    assert json.loads(complaint[complaint.index("{") :]) == printed(run("orders", "list", "--json"))[0]


@needs_a_full_disk
def test_what_is_saved_is_no_failure_where_nothing_can_be_printed(run: Run, start: Start) -> None:
    assert finished(start("orders", "add", "A1", shell="> /dev/full 2>&1"))[0] == 0
    assert numbers(run) == ["A1"]


def test_what_is_saved_is_no_failure_for_a_reader_who_has_gone(run: Run, start: Start) -> None:
    process = start("orders", "add", "A1")
    assert process.stdout
    process.stdout.close()
    process.stdout = None

    status, _, complaint = finished(process)

    assert (status, complaint.partition(": {")[0]) == (
        0,
        f"{PROGRAM}: It is saved, and only printing it failed (Broken pipe)",
    )
    assert numbers(run) == ["A1"]


@needs_a_full_disk
def test_what_is_only_shown_and_cannot_be_printed_is_a_failure(start: Start) -> None:
    assert finished(start("orders", "list", shell="> /dev/full")) == (1, "", f"{PROGRAM}: No space left on device\n")


def test_a_reader_who_has_gone_ends_a_command_quietly(start: Start) -> None:
    process = start("orders", "list")
    assert process.stdout
    process.stdout.close()
    process.stdout = None

    assert finished(process) == (1, "", "")


def test_without_standard_output_nothing_is_done(run: Run, start: Start) -> None:
    assert finished(start("orders", "add", "A1", shell=">&-")) == (
        1,
        "",
        f"{PROGRAM}: Standard output is closed, so nothing was done. Try: > /dev/null\n",
    )
    assert numbers(run) == []


def test_without_standard_error_a_command_does_its_work(run: Run, start: Start) -> None:
    assert finished(start("orders", "add", "A1", shell="2>&-"))[0] == 0
    assert finished(start("orders", "add", "A1", shell="2>&-"))[0] == 1
    assert numbers(run) == ["A1"]


def test_an_id_of_the_callers_own_is_used(run: Run) -> None:
    id = str(new_id())

    [order] = printed(run("orders", "add", "A1", "--id", id.upper(), "--json"))

    assert UUID(order["id"]) == UUID(id)


# ---- db status ----------------------------------------------------------------------------------------------------


def test_the_schema_of_the_database_is_shown(run: Run) -> None:
    assert "Pending   nothing" in run("db", "status").stdout
    assert printed(run("db", "status", "--json"))[0]["pending"] == []


def test_what_the_database_refuses_to_status_is_reported_in_one_line(run: Run, sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "DROP TABLE alembic_version",
        "CREATE VIEW alembic_version AS SELECT abs(-9223372036854775808) AS version_num",
    )

    assert refusal(run("db", "status")) == (1, "The database refused a statement: integer overflow")


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
