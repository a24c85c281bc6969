"""``groundwork console``: what is typed at the prompt is undone, unless its user says otherwise."""

import pytest

from tests.e2e.conftest import Run, printed

REGISTER = "john = users.register_user(uow, name='John Doe', age=30)\n"


def names(run: Run) -> list[str]:
    return [user["name"] for user in printed(run("users", "list", "--json"))]


def test_what_is_typed_is_run_inside_a_block_that_is_undone(run: Run) -> None:
    session = run("console", stdin=REGISTER + "uow.users.count()\n")

    assert ">>> 1\n" in session.stdout
    assert session.exit_code == 0
    assert names(run) == []


@pytest.mark.parametrize("end", ["", "exit()\n"], ids=["end of input", "exit()"])
def test_what_is_typed_is_saved_if_its_user_says_so(run: Run, end: str) -> None:
    session = run("console", "--commit", stdin=REGISTER + end)

    assert session.exit_code == 0
    assert names(run) == ["John Doe"]


def test_a_person_may_think_longer_than_a_program(run: Run) -> None:
    assert "3600.0" in run("console", stdin="container.settings().database_idle_timeout_s\n").stdout


def test_a_block_that_its_user_has_ended_is_left_as_it_is(run: Run) -> None:
    assert run("console", stdin=REGISTER + "uow.commit()\n").exit_code == 0
    assert run("console", "--commit", stdin=REGISTER + "uow.rollback()\n").exit_code == 0

    assert names(run) == ["John Doe"]


def test_what_failed_in_the_block_cannot_be_saved(run: Run) -> None:
    mistake = "from sqlalchemy import text\nuow.session.execute(text('SELECT nothing'))\n"

    session = run("console", "--commit", stdin=REGISTER + mistake)

    assert session.stderr.splitlines()[-1].startswith("groundwork: uow.commit() after a failure in the same block")
    assert session.exit_code == 1
    assert names(run) == []
