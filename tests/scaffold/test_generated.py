"""What the scaffold writes passes every gate unedited, and goes again without a trace: in a copy of the house."""

import ast
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold.changes import write
from scaffold.checkout import git
from scaffold.house import RECORD, record, recorded
from scaffold.language import tokens
from scaffold.planning import planned
from scaffold.registering import PAGES, registered
from scaffold.rehearsal import commit, ended
from service_layer.seedwork.details import Details
from tests.scaffold.updating import REVISION
from tests.seedwork.bare import copy_project

GROUP = "name:str(1):unique number:int(1000..9999):index boss:ref(group):optional:unique"
ORDER = (
    "status:enum(draft,placed,sent):default=draft group:ref(group) other:ref(group):optional:unique"
    " big:int(0..9000000000) code:str(2) at:datetime note:email:optional mail:email:unique ext:uuid"
    " token:uuid:optional data:json extra:json:optional rate:decimal(3,0) tiny:decimal(2,2):optional"
    " vip:bool:default=false label:str(50):default=none day_sent:date unique(code,rate)"
    " items:parts(sku:str(20):unique quantity:int(1..):default=1 price:decimal(7,2) kind:enum(a,b)"
    " made:date:optional)"
)
MORE = (
    "urgent:bool:default=false seen:datetime:optional tag:str(9):optional:unique score:int(0..9):default=3:index"
    " boss:ref(group):optional external:uuid:optional:unique stops:parts(day:date)"
)
TESTS = [
    *(f"tests/{folder}/test_{name}.py" for folder, name in (("unit", "group"), ("unit", "order"))),
    *(f"tests/{folder}/test_{name}.py" for folder in ("contract", "e2e") for name in ("groups", "orders")),
    *("tests/seedwork/contract/test_every_aggregate.py", "tests/seedwork/e2e/test_registration.py"),
]


KILLED = """
import os, sys
from scaffold import changes
from scaffold.__main__ import main

left = int(sys.argv.pop(1))

def counting(*words, **options):
    global left
    left -= 1
    if not left:
        os._exit(9)

changes.print = counting
main()
"""
"""Runs a command that is killed after it has written so many files."""


def test_a_part_has_what_is_required_behind_a_default_too() -> None:
    _, files = planned("visit", "steps:parts(floor:int:default=1 lift:int:optional name:str(5))")
    classes = [node for node in ast.parse(files["service_layer/visits.py"]).body if isinstance(node, ast.ClassDef)]
    names: dict[str, Any] = {"dataclass": dataclass, "Details": Details}
    exec(compile(ast.Module([classes[0]], []), "visits.py", "exec"), names)

    assert asdict(names["VisitStepDetails"](name="up")) == {"floor": 1, "lift": None, "name": "up"}


@pytest.mark.parametrize(
    ("limits", "column"),
    [
        ("-2147483648..2147483647", "sa.Integer"),
        ("0..2147483648", "sa.BigInteger"),
        ("-2147483649..0", "sa.BigInteger"),
    ],
)
def test_a_column_holds_each_number_that_the_rule_allows(limits: str, column: str) -> None:
    _, files = planned("visit", f"number:int({limits})")

    assert f"number: sa.Named[int] = sa.Column({column})" in files["adapters/visits.py"]


def test_a_key_is_of_the_field_that_has_the_name_itself() -> None:
    _, files = planned("visit", "seat:int hall:int hall_id:uuid unique(seat,hall)")

    assert 'sa.UniqueConstraint("seat", "hall", ' in files["adapters/visits.py"]


def test_two_branches_that_each_add_an_aggregate_are_merged(tmp_path: Path) -> None:
    fields = "label:str(20)"
    added = {
        name: registered(planned(name, fields)[0]) | {RECORD: record({name: fields}) or ""}
        for name in ("hall", "visit")
    }
    git(tmp_path, "init", "--quiet")
    write(tmp_path, {page: (PROJECT / page).read_text() for page in (*PAGES, ".gitattributes")})
    commit(tmp_path, "all of it")
    before = git(tmp_path, "rev-parse", "HEAD").strip()
    for name, pages in added.items():
        git(tmp_path, "checkout", "--quiet", "-b", name, before)
        write(tmp_path, pages)
        commit(tmp_path, "all of it")
    git(tmp_path, "merge", "--quiet", "hall")

    for page, text in added["hall"].items():
        lines = (tmp_path / page).read_text().splitlines()
        assert {*text.splitlines(), *added["visit"][page].splitlines()} == {*lines}
    subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", "--fix", *PAGES], cwd=tmp_path, check=True)


def test_a_record_in_which_a_merge_repeats_a_line_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scaffold").mkdir()
    mine = {"hall": "a:bool", "visit": "b:bool", "ward": "c:bool"}
    theirs = {"room": "d:bool", "visit": "b:bool", "zone": "e:bool"}
    for name, aggregates in {"base": {"visit": "b:bool"}, "mine": mine, "theirs": theirs}.items():
        (tmp_path / name).write_text(record(aggregates) or "")
    merged = git(tmp_path, "merge-file", "--union", "--stdout", "mine", "base", "theirs")
    (tmp_path / RECORD).write_text(merged)
    monkeypatch.setattr("scaffold.house.PROJECT", tmp_path)

    assert merged.count("\nvisit =") == 2
    assert recorded() == mine | theirs


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the house, committed to a repository of its own."""
    tree = tmp_path / "house"
    copy_project(tree)
    (tree / ".gitignore").write_text("*.db*\n__pycache__/\n")
    git(tree, "init", "--quiet")
    commit(tree, "all of it")
    return tree


def run(tree: Path, *arguments: str) -> tuple[int, str]:
    """Run a module in the copy; return its exit code and what it says."""
    done = ended(tree, sys.executable, "-m", *arguments)
    return done.returncode, done.stdout + done.stderr


def passed(tree: Path, *arguments: str) -> str:
    """Run a module in the copy, and return what it says."""
    code, said = run(tree, *arguments)
    assert code == 0, said
    return said


@pytest.mark.rehearsal
def test_what_is_generated_passes_every_gate_unedited_and_is_removed_by_a_revision(house: Path) -> None:
    passed(house, "scaffold", "aggregate", "group", GROUP)
    passed(house, "scaffold", "aggregate", "order", ORDER)
    new = [path for path in git(house, "ls-files", "--others", "--exclude-standard").split() if path.endswith(".py")]

    assert len(new) == 16
    assert "TODO" not in "".join((house / path).read_text() for path in new)
    passed(house, "ruff", "check", "--no-cache")
    passed(house, "ruff", "format", "--check", "--no-cache")
    passed(house, "mypy", *new)
    passed(
        house, "basedpyright", "--pythonpath", sys.executable, *(path for path in new if not path.startswith("tests/"))
    )
    passed(house, "migrations.seedwork.lint")
    passed(house, "pytest", "-q", "-p", "no:cacheprovider", "-k", "not postgresql and not house", *TESTS)

    commit(house, "orders")
    passed(house, "alembic", "upgrade", "head")
    code, said = run(house, "scaffold", "field", "order", "late:date key:uuid:unique status:int vip:str(3):optional")
    assert (code, "late would be missing in the rows that are there" in said) == (1, True)
    assert ("status is a field already" in said, "vip is a field already" in said) == (True, True)
    passed(house, "scaffold", "field", "order", MORE)
    passed(house, "mypy", *new)
    passed(house, "migrations.seedwork.lint")
    passed(house, "alembic", "upgrade", "head")
    passed(house, "alembic", "check")
    passed(house, "pytest", "-q", "-p", "no:cacheprovider", "-k", "not postgresql and not house", *TESTS)
    again = passed(house, "scaffold", "field", "order", MORE)
    assert (again.count("identical  "), "Next" in again) == (8, False)

    commit(house, "all of it")
    assert "order refers to group. Try first: make remove name=order" in run(house, "scaffold", "remove", "group")[1]
    passed(house, "scaffold", "remove", "order")
    passed(house, "migrations.seedwork.lint")
    passed(house, "alembic", "upgrade", "head")
    passed(house, "alembic", "check")
    passed(house, "alembic", "downgrade", "-1")
    assert len(git(house, "ls-files", "--others", "--exclude-standard", "migrations").split()) == 1


@pytest.mark.rehearsal
def test_what_was_removed_by_a_revision_can_be_generated_again(house: Path) -> None:
    passed(house, "scaffold", "aggregate", "visit", "label:str(20)")
    commit(house, "all of it")
    passed(house, "scaffold", "remove", "visit")
    again = passed(house, "scaffold", "aggregate", "visit", "reason:str(50)")

    assert len(re.findall(r"create  migrations/versions/.*_create_visits\.py", again)) == 1
    passed(house, "alembic", "upgrade", "head")
    passed(house, "alembic", "check")


@pytest.mark.rehearsal
def test_what_is_generated_goes_again_without_a_trace(house: Path) -> None:
    fields = "label:str(20):unique boss:ref(visit):optional steps:parts(name:str(5))"
    passed(house, "alembic", "upgrade", "head")
    created = passed(house, "scaffold", "aggregate", "visit", fields)
    before = git(house, "status", "--porcelain")
    again = passed(house, "scaffold", "aggregate", "visit", fields)
    passed(house, "alembic", "upgrade", "head")

    assert (created.count("   create  "), created.count("     edit  ")) == (9, 4)
    assert created.endswith("The commands: groundwork visits --help\n")
    assert (again.count("identical  "), git(house, "status", "--porcelain")) == (13, before)

    code, said = run(house, "scaffold", "aggregate", "visit", "label:int")
    assert (code, "make remove name=visit" in said) == (1, True)

    page = house / "domain" / "visit.py"
    page.write_text(page.read_text() + "\nLIMIT = 3\n")
    (house / "domain" / "report.py").write_text("from domain.visit import Visit\n\n__all__ = ['Visit']\n")
    code, said = run(house, "scaffold", "remove", "visit")
    assert (code, "domain/report.py uses visit" in said, "domain/visit.py is not as" in said) == (1, True, True)

    (house / "domain" / "report.py").unlink()
    (house / "domain" / ".#visit.py").symlink_to("ann@house.17")  # by which Emacs says that a file is being edited
    removed = passed(house, "scaffold", "remove", "visit", "--force")
    assert (removed.count("   remove  "), removed.count("     edit  ")) == (9, 4)
    assert git(house, "status", "--porcelain") == "?? domain/.#visit.py\n"
    assert "b203ca35a206" in passed(house, "alembic", "current")


def killed(tree: Path, after: int, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(after), *arguments], cwd=tree, check=False)
    assert done.returncode == 9


@pytest.mark.parametrize("after", [1, 12])
@pytest.mark.rehearsal
def test_a_generation_that_was_killed_is_taken_back_or_repeated(house: Path, after: int) -> None:
    killed(house, after, "aggregate", "visit", "label:str(20)")

    assert "Try first: make remove name=visit" in run(house, "scaffold", "aggregate", "visit", "reason:str(50)")[1]
    passed(house, "scaffold", "aggregate", "visit", "label:str(20)")
    passed(house, "alembic", "upgrade", "head")
    passed(house, "alembic", "check")
    passed(house, "scaffold", "remove", "visit")
    assert git(house, "status", "--porcelain") == ""

    killed(house, after, "aggregate", "visit", "label:str(20)")
    passed(house, "scaffold", "remove", "visit")
    assert git(house, "status", "--porcelain") == ""


@pytest.mark.parametrize("after", [1, 11])
@pytest.mark.rehearsal
def test_a_removal_that_was_killed_is_repeated(house: Path, after: int) -> None:
    passed(house, "scaffold", "aggregate", "visit", "label:str(20)")
    commit(house, "all of it")
    killed(house, after, "remove", "visit")
    passed(house, "scaffold", "remove", "visit")

    passed(house, "alembic", "upgrade", "head")
    passed(house, "alembic", "check")
    assert len(git(house, "ls-files", "--others", "--exclude-standard").split()) == 1
    assert "visit" not in (house / "adapters" / "cli" / "__init__.py").read_text()


@pytest.mark.rehearsal
def test_two_heads_are_refused_in_one_sentence(house: Path) -> None:
    for id in ("111111111111", "222222222222"):
        file = house / "migrations" / "versions" / f"20300101_0000_{id}_create.py"
        file.write_text(REVISION.format(id=id, before='"b203ca35a206"', table=f"table_{id}"))

    code, said = run(house, "scaffold", "aggregate", "visit", "label:str(20)")

    assert (code, said.splitlines()) == (
        1,
        [
            "Nothing is written, since scaffold.revision create visits fails:",
            "The revisions have 2 heads: 111111111111 and 222222222222. Write first: alembic merge heads",
            "",
        ],
    )


@pytest.mark.rehearsal
def test_the_revision_of_each_field_alone_passes_the_gates(house: Path) -> None:
    passed(house, "scaffold", "aggregate", "group", GROUP)
    passed(house, "scaffold", "aggregate", "order", "code:str(2)")
    commit(house, "all of it")
    for field in tokens(MORE):
        passed(house, "scaffold", "field", "order", field)
        (revision,) = git(house, "ls-files", "--others", "--exclude-standard", "migrations").split()
        passed(house, "ruff", "format", "--check", revision)
        passed(house, "ruff", "check", revision)
        passed(house, "migrations.seedwork.lint")
        commit(house, "all of it")


@pytest.mark.rehearsal
def test_a_test_that_an_older_release_wrote_leaves_the_field_its_revision(house: Path) -> None:
    passed(house, "scaffold", "aggregate", "visit", "label:str(20) born:date")
    page = house / "tests" / "unit" / "test_visit.py"
    page.write_text('"""The rules of a visit."""\n\n\ndef test_a_visit() -> None:\n    pass\n')
    commit(house, "all of it")

    code, said = run(house, "scaffold", "field", "visit", "vip:bool:default=false")

    assert (code, said.partition("\nThe rest is yours to write. ")[2].splitlines()[1:]) == (
        1,
        [
            "",
            "tests/unit/test_visit.py",
            "  below",
            '            born=["2026-02-03"],',
            "  write",
            '            vip=["true"],',
            "",
            "Then:",
            "  alembic upgrade head",
            "  make check",
        ],
    )
    passed(house, "alembic", "upgrade", "head")
    passed(house, "alembic", "check")
    passed(house, "migrations.seedwork.lint")
