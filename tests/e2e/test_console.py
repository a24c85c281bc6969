"""The use cases of users at the prompt."""

import pytest

from tests.seedwork.command_line import Run, printed

REGISTER = "john = users.register_user(uow, name='John Doe', age=30)\n"


@pytest.mark.parametrize(("option", "saved"), [((), []), (("--commit",), ["John Doe"])], ids=["undone", "saved"])
def test_a_use_case_is_run_inside_the_block_of_the_prompt(run: Run, option: tuple[str, ...], saved: list[str]) -> None:
    session = run("console", *option, stdin=REGISTER + "users.get_user(uow, UUID(str(john.id))).age\n")

    assert ">>> 30\n" in session.stdout
    assert [user["name"] for user in printed(run("users", "list", "--json"))] == saved
