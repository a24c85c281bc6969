"""Lists in files that Groundwork and a fork both change: each entry stands for itself."""

import tomllib

import pytest

from scaffold.settling import with_pins
from scaffold.texts import without_lost_targets
from scaffold.three_way import Merged, merge, merge_into_yours

PYPROJECT = """
dependencies = [
    "alembic~=1.20",
    "tenacity~=9.2",
]
dev = [
    # tests
    "pytest~=9.2",
]
"""


def requirements(*changes: tuple[str, str]) -> str:
    """The list above, with other texts in it."""
    text = PYPROJECT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


TENACITY = '    "tenacity~=9.2",\n'
OWN = (TENACITY, f'{TENACITY}    "httpx~=1.0",\n')


@pytest.mark.parametrize(
    ("now", "mine", "merged"),
    [
        ([("tenacity~=9.2", "tenacity~=9.3")], [OWN], [(TENACITY, '    "tenacity~=9.3",\n    "httpx~=1.0",\n')]),
        (
            [(TENACITY, f'{TENACITY}    "rich~=15.0",\n')],
            [OWN],
            [(TENACITY, TENACITY + '    "rich~=15.0",\n    "httpx~=1.0",\n')],
        ),
        ([(TENACITY, "")], [OWN], [(TENACITY, '    "httpx~=1.0",\n')]),
        ([("tenacity~=9.2", "tenacity~=9.3")], [(TENACITY, "")], [(TENACITY, "")]),
        ([(TENACITY, f'{TENACITY}    "httpx~=1.0",\n')], [OWN], [OWN]),
    ],
    ids=["changed", "added", "removed", "changed where you removed it", "added by both"],
)
def test_a_requirement_of_groundworks_is_taken_beside_one_of_yours(
    now: list[tuple[str, str]], mine: list[tuple[str, str]], merged: list[tuple[str, str]]
) -> None:
    found = merge_into_yours("pyproject.toml", PYPROJECT, requirements(*mine), requirements(*now))

    assert found == Merged(requirements(*merged))


def test_a_requirement_that_both_have_changed_stays_as_you_have_it_and_is_counted() -> None:
    mine, now = requirements(("alembic~=1.20", "alembic==1.20.1")), requirements(("alembic~=1.20", "alembic~=1.21"))

    assert merge_into_yours("pyproject.toml", PYPROJECT, mine, now) == Merged(mine, conflicts=1)


def test_a_requirement_that_finds_no_place_in_yours_is_counted() -> None:
    mine, now = (
        requirements(('    "pytest~=9.2",\n', "")),
        requirements(("pytest~=9.2", 'tox~=4.0",\n    "pytest~=9.2')),
    )

    assert merge_into_yours("pyproject.toml", PYPROJECT, mine, now) == Merged(mine, conflicts=1)
    new = f'{PYPROJECT}cli = [\n    "typer~=1.0",\n]\n'
    assert merge_into_yours("pyproject.toml", PYPROJECT, PYPROJECT, new) == Merged(new)


def test_a_table_that_groundwork_moved_and_you_edited_does_not_stand_twice() -> None:
    mypy, ruff = "[tool.mypy]\nstrict = true\n\n", "[tool.ruff]\nline-length = 120\n\n"
    between = "".join(f"[tool.other{number}]\nuse = true\n\n" for number in range(3))
    mine = f"{mypy.replace('true', 'false')}{between}{ruff}"

    merged = merge_into_yours("pyproject.toml", f"{mypy}{between}{ruff}", mine, f"{between}{ruff}{mypy}")

    assert merged == Merged(mine, conflicts=1)


def test_pins_are_taken_line_by_line() -> None:
    base = "alembic==1.20.1\nDjango==5.2\nmako==1.4\nSQLAlchemy==2.1.9\nzope==1\n"
    mine = "alembic==1.20.1\nhttpx==1.0\nmako==1.4\nSQLAlchemy==2.1.8\nzope==1\n"
    now = "alembic==1.20.2\nDjango==5.3\nmako==1.5\nnew_one==1\nSQLAlchemy==2.1.9\n"

    merged = merge_into_yours("constraints.txt", base, mine, now)

    assert merged == Merged("alembic==1.20.2\nhttpx==1.0\nmako==1.5\nnew_one==1\nSQLAlchemy==2.1.8\n")


def test_another_order_of_groundworks_changes_no_pin_and_no_requirement() -> None:
    base = "alembic==1\nDjango==1\nmako==1\npytest==1\nSQLAlchemy==1\n"
    mine = "alembic==1\nDjango==9\nhttpx==3\nmako==1\npytest==1\nSQLAlchemy==1\nzope==1\n"
    now = "tenacity==2\nSQLAlchemy==1\npytest==2\nmako==1\nDjango==1\nalembic==1\n"

    merged = merge_into_yours("constraints.txt", base, mine, now)

    pins = "tenacity==2\nalembic==1\nDjango==9\nhttpx==3\nmako==1\npytest==2\nSQLAlchemy==1\nzope==1\n"
    assert merged == Merged(pins)
    alembic = '    "alembic~=1.20",\n'
    theirs = requirements((f"{alembic}{TENACITY}", f"{TENACITY}{alembic}"), ("pytest~=9.2", "pytest~=9.3"))
    found = merge_into_yours("pyproject.toml", PYPROJECT, requirements(OWN), theirs)
    assert found == Merged(requirements(OWN, ("pytest~=9.2", "pytest~=9.3")))


def test_a_new_entry_comes_behind_a_last_one_that_has_no_comma_or_no_end_of_line() -> None:
    now = requirements((TENACITY, f'{TENACITY}    "rich~=15.0",\n'))
    mine = requirements((TENACITY, '    "tenacity~=9.2"  # again\n'))

    merged = merge_into_yours("pyproject.toml", PYPROJECT, mine, now)

    assert merged == Merged(requirements((TENACITY, '    "tenacity~=9.2",  # again\n    "rich~=15.0",\n')))
    pins = merge_into_yours("constraints.txt", "a==1\nz==1\n", "a==1\nz==1", "a==1\nz==1\nzope==1\n")
    assert pins == Merged("a==1\nz==1\nzope==1\n")


def test_targets_of_both_are_phony() -> None:
    base, mine, now = (f".PHONY: help {words}\n\nhelp:\n" for words in ("test old", "test old deploy", "test update"))

    assert merge_into_yours("Makefile", base, mine, now) == Merged(".PHONY: help test deploy update\n\nhelp:\n")


def test_so_are_those_of_a_line_that_you_have_broken() -> None:
    base, mine = ".PHONY: help test old\n\nhelp:\n", ".PHONY: help \\\n  test old deploy\n\nhelp:\n"

    same = merge_into_yours("Makefile", base, mine, base.replace("help:", "# new\nhelp:"))
    more = merge_into_yours("Makefile", base, mine, base.replace("old", "update"))

    assert same == Merged(mine.replace("help:", "# new\nhelp:"))
    assert more == Merged(".PHONY: help test deploy update\n\nhelp:\n")


@pytest.mark.parametrize(
    ("phony", "left"),
    [
        ("help gone test", "help test"),
        ("gone help \\\n\ttest gone", "help \\\n\ttest"),
        ("help test \\\n  gone", "help test"),
        ("help $(SERVICES) test-% gone", "help $(SERVICES) test-%"),
        ("up down gone", "up down"),
    ],
)
def test_a_target_that_is_gone_is_phony_no_longer_and_every_other_is(phony: str, left: str) -> None:
    rules = "\nhelp: up\n\techo gone: help\ntest:\nup down:\n"

    assert without_lost_targets(f".PHONY: {phony}\n{rules}") == f".PHONY: {left}\n{rules}"


def test_lines_that_both_have_added_at_one_place_all_stay() -> None:
    merged = merge_into_yours("app.py", "a\nz\n", "a\nmine,\nshared,\nz\n", "a\nshared,\ntheirs,\nz\n")

    assert merged == Merged("a\nmine,\nshared,\ntheirs,\nz\n")


@pytest.mark.parametrize(
    "added",
    [
        "\n\ndef {}() -> int:\n    return 1\n",
        "\n\n@cache\ndef {}() -> int:\n    return 1\n",
        "\n{}: ## Show it\n\t@echo it\n",
        "\n## {}\n\nRun it:\n\n```console\n$ make it\n```\n",
        "\n[tool.{}]\nuse = true\n",
        "[tool.{}]\nuse = true\nstrict = true\n",
        "```console\n$ make {}\n```\n",
        "count({})\nlog(count)\n",
    ],
)
def test_what_both_have_added_as_a_whole_loses_no_line_that_stands_in_the_others_too(added: str) -> None:
    mine, new = added.format("mine"), added.format("new")

    assert merge_into_yours("docs/demo.py", "a\n", f"a\n{mine}", f"a\n{new}") == Merged(f"a\n{mine}{new}")
    assert merge_into_yours("docs/demo.py", "a\n", f"a\n{new}", f"a\n{new}{mine}") == Merged(f"a\n{new}{mine}")
    assert merge_into_yours("docs/demo.py", "a\n", f"a\n{mine}{new}", f"a\n{new}") == Merged(f"a\n{mine}{new}")


def test_what_both_have_written_in_the_place_of_pass_all_stays() -> None:
    base, mine, now = (f"class Unit:\n    {line}\n" for line in ("pass", "patients = 1", "handlers = 2"))

    merged = merge_into_yours("adapters/unit_of_work.py", base, mine, now)

    assert merged == Merged("class Unit:\n    patients = 1\n    handlers = 2\n")


def test_in_what_is_yours_a_line_that_both_have_changed_stays_yours_and_the_rest_is_taken() -> None:
    base = "one\n2\n3\n4\n5\n6\nseven\n"
    mine, now = base.replace("one", "mine"), base.replace("one", "theirs").replace("seven", "new")

    merged = merge_into_yours("docs/mapping.md", base, mine, now)

    assert merged == Merged(base.replace("one", "mine").replace("seven", "new"), conflicts=1)


def test_in_what_is_shared_a_line_that_both_have_changed_is_a_conflict() -> None:
    merged = merge("one\n", "mine\n", "theirs\n", "v1.3")

    assert merged.text.splitlines() == [
        "<<<<<<< yours",
        "mine",
        "||||||| Groundwork before",
        "one",
        "=======",
        "theirs",
        ">>>>>>> v1.3",
    ]
    assert merged.conflicts == 1


def test_what_is_no_text_is_never_mixed() -> None:
    assert merge_into_yours("logo.png", "a\0", "b\0", "c\0") == Merged("b\0", conflicts=1)


def test_uv_is_given_each_pin_as_pip_reads_it() -> None:
    constraints = """# the web
fastapi==0.140.0  # until the next one

-c constraints-of-ours.txt
uvloop==0.22.1; sys_platform != "win32"
"""

    pyproject = with_pins('constraint-dependencies = [\n    "fastapi==0.1",\n]\n', constraints)

    assert tomllib.loads(pyproject) == {
        "constraint-dependencies": ["fastapi==0.140.0", 'uvloop==0.22.1; sys_platform != "win32"']
    }
