"""A fork takes what is new in Groundwork by one command, and nothing of its own is lost."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold import writing
from scaffold.checkout import Refused, git
from scaffold.rehearsal import commit, ended, run
from scaffold.renewal import planned
from scaffold.settling import with_pins
from scaffold.snapshot import LISTS, Fork, as_in, snapshot
from scaffold.source import Note, without_note
from tests.scaffold.updating import ERRORS, GONE, NEW, TYPES, append, changed, edit, noted, update


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def killed_before_the_files(tree: Path, *arguments: str, fed: str | None = None) -> str:
    if "checkout-index" in arguments:
        killed()
    return git(tree, *arguments, fed=fed)


@pytest.mark.parametrize("kind", ["begun", "without_sample"])
def test_a_fork_that_was_not_edited_is_what_an_update_takes_it_for(kind: str, request: pytest.FixtureRequest) -> None:
    tree: Path = request.getfixturevalue(kind)
    ours, base = snapshot(tree, "HEAD"), snapshot(tree, noted(tree)["commit"])
    # but for the pins that it needs no longer
    pyproject = with_pins(without_note(ours.read("pyproject.toml")), base.read("constraints.txt"))
    ours.write("pyproject.toml", pyproject)

    taken = as_in(Fork.of(ours, base, base.read(LISTS)), base, base.read(LISTS))

    differing = {name for name in {*ours.names(), *taken.names()} if ours.texts.get(name) != taken.texts.get(name)}
    assert differing == {"LICENSE", "README.md", "constraints.txt"}


def test_what_is_groundworks_is_renewed_and_what_is_yours_is_not_looked_at(fork: Path, newer: Path) -> None:
    append(fork, "README.md", "Mine.\n")
    edit(fork, "pyproject.toml", '"tenacity', '"httpx~=1.0",\n    "tenacity')
    (fork / "domain" / "patient.py").write_text('"""Patients."""\n')
    commit(fork, "a patient")

    update(fork, newer)

    assert changed(fork) == {
        ERRORS: "M ",
        TYPES: "M ",
        NEW: "A ",
        GONE: "D ",
        "Makefile": "M ",
        "domain/user.py": "M ",
        "pyproject.toml": "M ",
    }
    project = (fork / "pyproject.toml").read_text()
    assert re.findall(r'^version = .*|.*"alembic~.*|.*"httpx~.*', project, re.MULTILINE) == [
        f'version = "{re.findall(r"version = .(.*).$", git(fork, "show", "HEAD:pyproject.toml"), re.MULTILINE)[0]}"',
        '    "alembic~=1.21",',
        '    "httpx~=1.0",',
    ]
    assert noted(fork) == {"source": str(newer), "commit": git(newer, "rev-parse", "HEAD").strip()}


def test_files_that_were_written_on_windows_are_merged_as_any_others(fork: Path, newer: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        (fork / name).write_text((fork / name).read_text(), newline="\r\n")
    append(fork, "README.md", "Mine.\n")
    commit(fork, "written on Windows")

    update(fork, newer)

    assert noted(fork) == {"source": str(newer), "commit": git(newer, "rev-parse", "HEAD").strip()}
    assert changed(fork)["Makefile"] == "M "


def test_so_are_those_that_were_committed_with_the_ends_of_lines_of_windows(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (fork / ".gitattributes").unlink()
    commit(fork, "as it was")
    edit(fork, ERRORS, '"""', '"""Mine. ')
    for name in ("Makefile", "pyproject.toml", ERRORS, TYPES):
        (fork / name).write_text((fork / name).read_text(), newline="\r\n")
    commit(fork, "written on Windows")

    update(fork, newer)

    assert " yours " not in capfd.readouterr().out
    assert noted(fork) == {"source": str(newer), "commit": git(newer, "rev-parse", "HEAD").strip()}
    assert {changed(fork)[name] for name in ("Makefile", "pyproject.toml", ERRORS, TYPES)} == {"M "}
    assert "Mine. " in (fork / ERRORS).read_text()


def test_a_fork_that_let_the_tests_of_seedwork_go_is_updated_and_looked_at(fork: Path) -> None:
    imported = "import sys, scaffold.update, scaffold.doctor; print([name for name in sys.modules if 'tests' in name])"

    assert run(fork, sys.executable, "-c", imported) == "[]\n"


def test_where_they_are_gone_a_command_that_needs_them_names_what_brings_them_back(fork: Path) -> None:
    run(fork, "git", "rm", "-r", "--quiet", "tests/seedwork")
    commit(fork, "let them go")
    (fork / "tests" / "seedwork" / "__pycache__").mkdir(parents=True, exist_ok=True)  # as it is left
    # the environment is that of the checkout, whose tests Python would find instead
    elsewhere = f"import sys; sys.path = [path for path in sys.path if path != {str(PROJECT)!r}]; "
    aggregate = (
        sys.executable,
        "-c",
        f"{elsewhere}from scaffold.__main__ import main; main()",
        "aggregate",
        "x",
        "n:int",
    )

    said = ended(fork, *aggregate).stderr

    restore = f"git restore --source={noted(fork)['commit'][:12]} -- tests/seedwork"
    assert said.splitlines() == [f"This needs tests.seedwork, which is gone. Run: {restore}"]
    run(fork, *restore.split())
    run(fork, *aggregate)


def test_afterwards_uv_is_given_the_pins_that_pip_is_given(fork: Path, newer: Path) -> None:
    pyproject = fork / "pyproject.toml"
    pyproject.write_text(with_pins(pyproject.read_text(), "tenacity==1.0"))
    commit(fork, "pin for uv alone")

    update(fork, newer)

    pinned = (fork / "constraints.txt").read_text().splitlines()
    assert tomllib.loads(pyproject.read_text())["tool"]["uv"]["constraint-dependencies"] == pinned


def test_a_fork_that_has_no_constraints_keeps_what_uv_is_given(fork: Path, newer: Path) -> None:
    (fork / "constraints.txt").unlink()
    commit(fork, "pin for uv alone")
    before = tomllib.loads((fork / "pyproject.toml").read_text())["tool"]["uv"]

    update(fork, newer)

    assert tomllib.loads((fork / "pyproject.toml").read_text())["tool"]["uv"] == before


def test_a_fork_has_the_sample_where_all_of_it_has_other_names_now(begun: Path) -> None:
    ours, base = snapshot(begun, "HEAD"), snapshot(begun, noted(begun)["commit"])

    assert Fork.of(ours, base, 'sample = ["domain/account.py"]').has_sample


def test_what_left_the_fork_does_not_come_back(without_sample: Path, newer: Path, tmp_path: Path) -> None:
    fork = Path(shutil.copytree(without_sample, tmp_path / "ward"))

    update(fork, newer)

    assert set(changed(fork)) == {ERRORS, TYPES, NEW, GONE, "Makefile", "pyproject.toml"}
    makefile = (fork / "Makefile").read_text()
    assert re.findall(r"^(?:new|newest|bench|drop-sample):", makefile, re.MULTILINE) == ["new:"]
    assert re.findall(r"\b(?:bench|mutants|drop-sample)\b", makefile) == []


def test_a_place_that_both_have_changed_is_a_conflict_as_git_has_them_and_the_only_one(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    append(fork, ERRORS, "\n\nMINE = 2\n")
    append(fork, TYPES, "\n\nMINE = 2\n")
    commit(fork, "edit seedwork")

    with pytest.raises(SystemExit) as exit:
        update(fork, newer)

    assert exit.value.code == 1
    said, wrong = capfd.readouterr()
    assert wrong == ""
    assert f"2 to merge by hand, as after git merge: {TYPES} {ERRORS}" in said
    assert {name for name, letters in changed(fork).items() if letters == "UU"} == {ERRORS, TYPES}
    assert re.findall(r"^(?:<{7}|\|{7}|={7}|>{7}|MINE|NEW).*", (fork / ERRORS).read_text(), re.MULTILINE) == [
        "<<<<<<< yours",
        "MINE = 2",
        "||||||| Groundwork before",
        "=======",
        "NEW = 1",
        f">>>>>>> {git(newer, 'rev-parse', 'HEAD')[:12]}",
    ]
    assert noted(fork)["commit"] == git(newer, "rev-parse", "HEAD").strip()


def test_in_a_file_of_yours_your_lines_stay_and_the_others_are_named(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(fork, "pyproject.toml", '"alembic~=1.20"', '"alembic==1.20.0"')
    (fork / "domain" / "user.py").unlink()
    commit(fork, "pin alembic")

    update(fork, newer)

    said = capfd.readouterr().out
    assert "    yours  pyproject.toml: 1 place that both have changed\n" in said
    assert "    yours  domain/user.py: you removed it\n" in said
    assert re.search(r"git diff [0-9a-f]+ [0-9a-f]+ -- domain/user\.py pyproject\.toml\n", said)
    assert '"alembic==1.20.0"' in (fork / "pyproject.toml").read_text()
    assert "domain/user.py" not in changed(fork)


def test_a_file_that_both_have_written_stays_yours_and_is_named(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for tree, text in ((fork, '"""Mine."""\n\nMINE = 2\n'), (newer, '"""New."""\n\nNEW = 1\n')):
        (tree / "adapters" / "mail.py").write_text(text)
        commit(tree, "send mail")

    update(fork, newer)

    said = "    yours  adapters/mail.py: you wrote it, and Groundwork has a new one of this name\n"
    assert said in capfd.readouterr().out
    assert "adapters/mail.py" not in changed(fork)


def test_a_file_that_you_renamed_is_named_with_its_new_place(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(fork, "git", "mv", "domain/user.py", "domain/person.py")
    append(fork, "domain/person.py", "\n\nMINE = 2\n")
    commit(fork, "rename it")

    update(fork, newer)

    assert "    yours  domain/user.py: you moved it to domain/person.py\n" in capfd.readouterr().out


def test_a_dry_run_shows_all_of_it_and_writes_nothing(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (git(fork, "rev-parse", "HEAD"), noted(fork))

    update(fork, newer, "--dry-run")

    said = capfd.readouterr().out
    assert re.search(
        r"^From [0-9a-f]{12} to [0-9a-f]{12}: 1 change\n  [0-9a-f]{12} change a file of each kind$", said, re.MULTILINE
    )
    assert f"  replace  {ERRORS}\n" in said
    assert f"   create  {NEW}\n" in said
    assert said.endswith("This was a dry run: nothing is written.\n")
    assert (git(fork, "rev-parse", "HEAD"), noted(fork)) == before
    assert changed(fork) == {}


@pytest.mark.parametrize(
    ("function", "instead"), [("git", killed_before_the_files), ("remove_empty_folders", killed)], ids=["early", "late"]
)
def test_an_update_that_is_killed_is_undone_by_the_same_command(
    fork: Path, newer: Path, function: str, instead: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(fork, "git", "config", "diff.external", "true")  # shows nothing
    run(fork, "git", "config", "color.ui", "always")
    update(fork, newer, "--dry-run")  # fetches
    ours, base, theirs = (snapshot(fork, name) for name in ("HEAD", "HEAD~1", "refs/groundwork/heads/main"))
    steps = planned(ours, base, theirs, Note(str(newer), "abc"), "new", {})
    monkeypatch.setattr(writing, function, instead)
    with pytest.raises(KeyboardInterrupt):
        writing.write(fork, steps, ours, base, theirs)
    assert NEW in changed(fork)

    with pytest.raises(Refused, match=f"git stash .*, or commit; or, if an update was interrupted: {writing.UNDO}"):
        update(fork, newer)
    run(fork, *writing.UNDO.split())

    assert changed(fork) == {}
