"""The console: what is typed at the prompt is undone, unless its user says otherwise."""

import sys
from types import ModuleType

import pytest

from tests.seedwork.command_line import PROGRAM, Run, printed

ADD = "from tests.seedwork.ordering import Order\nuow.orders.add(Order(number='A1'))\n"


def numbers(run: Run) -> list[str]:
    return [order["number"] for order in printed(run("orders", "list", "--json"))]


def test_what_is_typed_is_run_inside_a_block_that_is_undone(run: Run) -> None:
    session = run("console", stdin=ADD + "uow.orders.count()\n")

    assert ">>> 1\n" in session.stdout
    assert session.exit_code == 0
    assert numbers(run) == []


@pytest.mark.parametrize("end", ["", "exit()\n"], ids=["end of input", "exit()"])
def test_what_is_typed_is_saved_if_its_user_says_so(run: Run, end: str) -> None:
    session = run("console", "--commit", stdin=ADD + end)

    assert session.exit_code == 0
    assert numbers(run) == ["A1"]


def test_the_use_cases_are_names_at_the_prompt(run: Run) -> None:
    named = run("console", stdin="").stderr.partition("At hand: ")[2]

    assert {"UUID", "container", "unit_of_work", "uow"} <= {*named.strip().split(", ")}


@pytest.mark.parametrize(
    ("library", "binding"), [("GNU readline", "tab: complete"), ("libedit readline", "bind ^I rl_complete")]
)
def test_the_names_are_completed_with_tab_by_either_library(
    run: Run, monkeypatch: pytest.MonkeyPatch, library: str, binding: str
) -> None:
    bound: list[str] = []
    readline = ModuleType("readline", f"Importing this module enables command line editing using {library}.")
    vars(readline).update(parse_and_bind=bound.append, set_completer=lambda _: None)
    monkeypatch.setitem(sys.modules, "readline", readline)

    assert run("console", stdin="").exit_code == 0
    assert bound == [binding]


def test_a_block_at_the_prompt_may_be_idle_longer_than_one_of_a_program(run: Run) -> None:
    assert "3600.0" in run("console", stdin="container.settings.database_idle_timeout_s\n").stdout


def test_a_limit_for_idle_blocks_that_is_set_holds_for_commands_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_IDLE_TIMEOUT_S", "7")

    assert "7.0" in run("console", stdin="container.settings.database_idle_timeout_s\n").stdout


def test_a_block_that_its_user_has_ended_is_left_as_it_is(run: Run) -> None:
    assert run("console", stdin=ADD + "uow.commit()\n").exit_code == 0
    assert run("console", "--commit", stdin=ADD.replace("A1", "A2") + "uow.rollback()\n").exit_code == 0

    assert numbers(run) == ["A1"]


def test_what_failed_in_the_block_cannot_be_saved(run: Run) -> None:
    mistake = "from sqlalchemy import text\nuow.session.execute(text('SELECT nothing'))\n"

    session = run("console", "--commit", stdin=ADD + mistake)

    assert session.stderr.splitlines()[-1].startswith(f"{PROGRAM}: uow.commit() after a failure in the same block")
    assert session.exit_code == 1
    assert numbers(run) == []
