"""The rarer ways of an update: which commit it takes, from where, and what else becomes of files and revisions."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from scaffold import writing
from scaffold.checkout import Refused, git
from scaffold.rehearsal import commit, run
from scaffold.update import main
from tests.scaffold.updating import ERRORS, GONE, NEW, TYPES, append, changed, edit, noted, revision, update

pytestmark = pytest.mark.rehearsal


def test_a_second_update_has_nothing_to_do(fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    update(fork, newer)
    commit(fork, "update")
    capfd.readouterr()

    main(fork, [])

    assert capfd.readouterr().out.startswith("Nothing to do: this fork stands on ")
    assert changed(fork) == {}


def test_an_edit_of_yours_in_seedwork_is_merged(fork: Path, newer: Path) -> None:
    edit(fork, ERRORS, '"""', '"""Mine. ')
    commit(fork, "edit seedwork")

    update(fork, newer)

    text = (fork / ERRORS).read_text()
    assert text.startswith('"""Mine. ')
    assert text.endswith("NEW = 1\n")


def test_a_file_that_moved_takes_your_edit_along(fork: Path, groundwork: Path) -> None:
    edit(fork, ERRORS, '"""', '"""Mine. ')
    run(fork, "chmod", "+x", ERRORS)
    commit(fork, "edit seedwork")
    run(groundwork, "git", "mv", ERRORS, "domain/seedwork/refusals.py")
    commit(groundwork, "move it")

    update(fork, groundwork)

    assert (fork / "domain" / "seedwork" / "refusals.py").read_text().startswith('"""Mine. ')
    assert os.access(fork / "domain" / "seedwork" / "refusals.py", os.X_OK)
    assert not (fork / ERRORS).exists()


@pytest.mark.parametrize("new", ["", "New. "])
def test_so_does_one_of_yours(fork: Path, groundwork: Path, new: str) -> None:
    old, moved = "docs/demo.py", "docs/show.py"
    edit(fork, old, '"""', '"""Mine. ')
    commit(fork, "edit it")
    edit(groundwork, old, '"""', f'"""{new}')
    run(groundwork, "git", "mv", old, moved)
    commit(groundwork, "move it")

    update(fork, groundwork)

    assert changed(fork) == {f"{old} -> {moved}": "R ", "pyproject.toml": "M "}
    assert (fork / moved).read_text().startswith('"""Mine. ')


def test_your_readme_does_not_move(fork: Path, groundwork: Path) -> None:
    run(fork, "git", "checkout", "HEAD~1", "README.md")
    append(fork, "README.md", "Mine.\n")
    commit(fork, "have the whole page")
    run(groundwork, "git", "mv", "README.md", "docs/readme.md")
    commit(groundwork, "move it")

    update(fork, groundwork)

    assert changed(fork) == {"docs/readme.md": "A ", "pyproject.toml": "M "}


def test_a_subject_that_the_terminal_cannot_show_stops_no_update(
    fork: Path, groundwork: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    append(groundwork, ERRORS, "\n\nNEW = 1\n")
    commit(groundwork, "raise to ≥ 1")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii:strict")

    update(fork, groundwork)

    assert r" raise to \u2265 1" in capfd.readouterr().out
    assert "NEW = 1" in (fork / ERRORS).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes a name of any encoding")
def test_a_fork_with_a_file_whose_name_is_of_another_encoding_is_updated(fork: Path, newer: Path) -> None:
    file = fork / os.fsdecode(b"caf\xe9.txt")
    file.write_text("mine\n")
    with pytest.raises(Refused, match=r"^Not committed.*: caf\udce9\.txt\."):
        update(fork, newer)
    commit(fork, "add a file")

    update(fork, newer)

    assert file.read_text() == "mine\n"
    assert "NEW = 1" in (fork / ERRORS).read_text()


def test_a_file_in_whose_place_a_folder_comes_is_renewed_as_any_other(fork: Path, groundwork: Path) -> None:
    (groundwork / "docs" / "notes").write_text("A note.\n")
    commit(groundwork, "note")
    update(fork, groundwork)
    commit(fork, "update")
    (groundwork / "docs" / "notes").unlink()
    (groundwork / "docs" / "notes").mkdir()
    (groundwork / "docs" / "notes" / "first.md").write_text("A note.\n")
    commit(groundwork, "have many notes")

    update(fork, groundwork)

    assert (fork / "docs" / "notes" / "first.md").exists()
    assert changed(fork) == {"docs/notes -> docs/notes/first.md": "R ", "pyproject.toml": "M "}


def test_a_program_of_yours_stays_one_and_a_new_one_of_groundworks_becomes_one(fork: Path, newer: Path) -> None:
    run(fork, "chmod", "+x", ERRORS)
    commit(fork, "run it")
    run(newer, "chmod", "+x", TYPES)
    commit(newer, "run it")

    update(fork, newer)

    modes = [line.split()[0] for line in git(fork, "ls-files", "--stage", ERRORS, TYPES, NEW).splitlines()]
    assert modes == ["100644", "100755", "100755"]  # of NEW, TYPES and ERRORS


@pytest.mark.parametrize("edited", ["", "\n\nMINE = 2\n"])
def test_so_it_is_where_nothing_else_has_changed(edited: str, fork: Path, groundwork: Path) -> None:
    names = [ERRORS, "docs/demo.py"]
    for name in names:
        append(fork, name, edited)
    commit(fork, "edit them")
    run(groundwork, "chmod", "+x", *names)
    commit(groundwork, "run them")

    update(fork, groundwork)

    assert set(changed(fork)) == {*names, "pyproject.toml"}
    assert all(os.access(fork / name, os.X_OK) for name in names)


def test_a_program_is_one_in_a_conflict_too(fork: Path, newer: Path) -> None:
    append(fork, ERRORS, "\n\nMINE = 2\n")
    append(fork, TYPES, "\n\nMINE = 2\n")
    run(fork, "chmod", "+x", ERRORS)
    commit(fork, "run mine")
    run(newer, "chmod", "+x", TYPES)
    commit(newer, "run it")

    with pytest.raises(SystemExit):
        update(fork, newer)

    staged = git(fork, "ls-files", "--stage", TYPES, ERRORS).splitlines()
    assert [line.split()[0][-3:] for line in staged] == ["644", "644", "755", "644", "755", "644"]
    assert os.access(fork / ERRORS, os.X_OK)
    assert os.access(fork / TYPES, os.X_OK)


def test_what_a_link_of_yours_leads_to_is_not_written(
    fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = fork / "domain" / "mine.py"
    mine.write_text("MINE = 2\n")
    for name in (ERRORS, "domain/user.py"):
        (fork / name).unlink()
        (fork / name).symlink_to(mine)
    commit(fork, "have errors of mine")

    with pytest.raises(SystemExit):
        update(fork, newer)

    assert mine.read_text() == "MINE = 2\n"
    assert changed(fork)[ERRORS] == "UU"
    assert "NEW = 1" in (fork / ERRORS).read_text()
    assert "    yours  domain/user.py: you made it a link\n" in capfd.readouterr().out
    assert "domain/user.py" not in changed(fork)


def test_nor_does_one_become_a_file_where_what_it_replaced_has_moved(
    fork: Path, groundwork: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (fork / "docs" / "demo.py").unlink()
    (fork / "docs" / "demo.py").symlink_to("mine.py")
    commit(fork, "have a demo of mine")
    run(groundwork, "git", "mv", "docs/demo.py", "docs/show.py")
    commit(groundwork, "move it")

    update(fork, groundwork)

    assert (fork / "docs" / "demo.py").is_symlink()
    assert "    yours  docs/demo.py: it goes in Groundwork, and you changed it\n" in capfd.readouterr().out


def test_a_new_file_does_not_come_into_a_folder_that_you_removed(
    fork: Path, groundwork: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(fork, "git", "rm", "-r", "--quiet", "scaffold/checks")
    commit(fork, "let it go")
    for name in ("scaffold/checks/clock.py", "scaffold/clocks/clock.py"):
        (groundwork / name).parent.mkdir(exist_ok=True)
        (groundwork / name).write_text('"""A clock."""\n')
    commit(groundwork, "add clocks")

    update(fork, groundwork)

    assert "    yours  scaffold/checks/clock.py: you removed its folder\n" in capfd.readouterr().out
    assert set(changed(fork)) == {"scaffold/clocks/clock.py", "pyproject.toml"}


def test_it_says_what_a_fork_has_to_do(fork: Path, groundwork: Path, capfd: pytest.CaptureFixture[str]) -> None:
    changelog = groundwork / "CHANGELOG.md"
    head, line, rest = changelog.read_text().partition("\n## ")
    changelog.write_text(f"{head}\n## [9.9.9] - 2030-01-01\n\n### In your fork\n\n- Write a line.\n{line}{rest}")
    commit(groundwork, "note it")

    update(fork, groundwork, "--dry-run")

    assert "\nIn your fork:\n  [9.9.9] - 2030-01-01\n  - Write a line.\n\n" in capfd.readouterr().out


def test_what_else_you_note_of_groundwork_stays(fork: Path, newer: Path) -> None:
    own = "# mine\nmine = [\n    1,\n]\n\n# a table\n[tool.mine]\nuse = true\n"
    append(fork, "pyproject.toml", own)
    commit(fork, "note more")

    update(fork, newer)

    text = (fork / "pyproject.toml").read_text()
    assert re.findall(r"^# mine\nmine = \[\n    1,\n\]$|^# a table\n\[tool.mine\]\nuse = true$", text, re.MULTILINE)[1:]
    assert noted(fork) == {"mine": [1], "source": str(newer), "commit": git(newer, "rev-parse", "HEAD").strip()}


def test_one_command_undoes_it(fork: Path, newer: Path) -> None:
    append(fork, ERRORS, "\n\nMINE = 2\n")
    append(fork, TYPES, "\n\nMINE = 2\n")
    commit(fork, "edit seedwork")
    (newer / "adapters" / "seedwork" / "kinds").mkdir()
    run(newer, "git", "mv", TYPES, "adapters/seedwork/kinds/kinds.py")  # a conflict in a file that the fork never had
    commit(newer, "move it")
    with pytest.raises(SystemExit):
        update(fork, newer)
    assert "MINE = 2" in (fork / "adapters" / "seedwork" / "kinds" / "kinds.py").read_text()

    run(fork, *writing.UNDO.split())

    assert changed(fork) == {}


def test_the_new_groundworks_own_code_does_it(fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    edit(newer, "scaffold/renew.py", '"""Run it."""', '"""Run it."""\n    print("The new code.")')
    commit(newer, "say so")

    update(fork, newer, "--dry-run")

    assert capfd.readouterr().out.startswith("The new code.\n")


def test_without_a_word_the_newest_release_is_taken(fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for tag in ("v1.9.0", "v1.10.0", "nightly"):
        git(newer, "tag", tag)
    append(newer, ERRORS, "\n\nUNRELEASED = 1\n")
    commit(newer, "go on")

    update(fork, newer)

    assert " to v1.10.0 (" in capfd.readouterr().out
    assert "UNRELEASED" not in (fork / ERRORS).read_text()
    commit(fork, "update")
    for word in ("HEAD", "main", git(newer, "rev-parse", "HEAD")[:8]):
        update(fork, newer, "--to", word)
        assert "UNRELEASED" in (fork / ERRORS).read_text()
        run(fork, *writing.UNDO.split())


def test_a_release_may_be_named_in_short(fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    git(newer, "tag", "v1.3.1", "HEAD~1")
    git(newer, "tag", "v1.3.2")

    update(fork, newer, "--to", "1.3", "--dry-run")

    assert " to v1.3.2 (" in capfd.readouterr().out


def test_a_fork_after_the_newest_release_is_not_taken_back(
    fork: Path, groundwork: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    git(groundwork, "tag", "v0.0.1", "HEAD~3")

    update(fork, groundwork)

    assert "stands on a commit after the newest release, v0.0.1" in capfd.readouterr().out
    assert changed(fork) == {}


def test_a_fork_without_the_history_is_updated_too(fork: Path, newer: Path) -> None:
    shutil.rmtree(fork / ".git")
    for name in git(newer, "ls-tree", "-r", "--name-only", "HEAD~1").splitlines():
        (fork / name).parent.mkdir(parents=True, exist_ok=True)
        (fork / name).write_text(git(newer, "show", f"HEAD~1:{name}"))
    run(fork, "git", "init", "--quiet")
    commit(fork, "from a template")
    run(fork, "chmod", "+x", ".ci/run")
    run(fork, "git", "commit", "--all", "--amend", "--no-edit", "--quiet")
    run(fork, "python", "-m", "scaffold", "fork", "clinic")
    commit(fork, "fork clinic")

    update(fork, newer)

    assert "NEW = 1" in (fork / ERRORS).read_text()
    assert set(changed(fork)) == {ERRORS, TYPES, NEW, GONE, "Makefile", "domain/user.py", "pyproject.toml"}


@pytest.mark.parametrize("begin", [[], ["--orphan", "mine"]], ids=["with the history", "without it"])
def test_what_was_committed_before_the_fork_was_begun_stays(
    begin: list[str], groundwork: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fork = tmp_path / "clinic"
    run(tmp_path, "git", "clone", "--quiet", str(groundwork), str(fork))
    run(fork, "git", "checkout", "--quiet", *begin)
    commit(fork, "all files of Groundwork")
    (fork / "domain" / "patient.py").write_text('"""Mine."""\n')
    append(fork, ERRORS, "\n\nMINE = 2\n")
    commit(fork, "begin with something of mine")
    run(fork, "python", "-m", "scaffold", "fork", "clinic")
    commit(fork, "fork clinic")
    edit(groundwork, ERRORS, '"""', '"""New. ')
    commit(groundwork, "change errors")

    update(fork, groundwork)

    assert set(changed(fork)) == {ERRORS, "pyproject.toml"}
    text = (fork / ERRORS).read_text()
    assert text.startswith('"""New. ')
    assert text.endswith("MINE = 2\n")
    assert "1 change\n" in capfd.readouterr().out


def test_where_nothing_that_was_committed_before_it_is_groundworks_the_nearest_is_shown(
    groundwork: Path, tmp_path: Path
) -> None:
    fork = tmp_path / "clinic"
    run(tmp_path, "git", "clone", "--quiet", str(groundwork), str(fork))
    run(fork, "git", "checkout", "--quiet", "--orphan", "mine")
    (fork / "domain" / "patient.py").write_text('"""Mine."""\n')
    commit(fork, "begin with something of mine")
    run(fork, "python", "-m", "scaffold", "fork", "clinic")
    commit(fork, "fork clinic")
    begun = git(groundwork, "rev-parse", "HEAD")[:12]

    with pytest.raises(Refused, match=rf"has no commit \w+\. Write: make update from={begun}"):
        update(fork, groundwork)


def test_a_commit_that_groundwork_has_taken_back_is_still_the_one_to_begin_from(fork: Path, newer: Path) -> None:
    update(fork, newer)
    commit(fork, "update")
    run(newer, "git", "commit", "--quiet", "--amend", "--message", "the same, again")
    append(newer, ERRORS, "\n\nNEWER = 2\n")
    commit(newer, "change errors")

    update(fork, newer)

    assert set(changed(fork)) == {ERRORS, "pyproject.toml"}


def test_a_fork_that_notes_nothing_is_shown_the_nearest_commit_and_updated_from_it(fork: Path, newer: Path) -> None:
    begun = noted(fork)["commit"]
    text = (fork / "pyproject.toml").read_text()
    (fork / "pyproject.toml").write_text(text.partition("\n# The commit of Groundwork")[0] + "\n")
    commit(fork, "note nothing")

    with pytest.raises(Refused, match="does not note where Groundwork is. Write: make update source=URL"):
        main(fork, [])
    with pytest.raises(Refused, match=f"does not note on which commit.*Write: make update from={begun[:12]}"):
        update(fork, newer)
    update(fork, newer, "--from", begun[:12])

    assert noted(fork)["commit"] == git(newer, "rev-parse", "HEAD").strip()


def test_a_checkout_of_groundwork_updates_a_fork_that_has_no_such_command(fork: Path, newer: Path) -> None:
    main(newer, ["--in", str(fork), "--source", str(newer)])

    assert "NEW = 1" in (fork / ERRORS).read_text()


def test_new_revisions_of_groundwork_come_behind_yours(
    without_sample: Path, groundwork: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fork = Path(shutil.copytree(without_sample, tmp_path / "ward"))
    mine = revision(fork, "111111111111", '"b203ca35a206"', "invoices")
    first = revision(groundwork, "aaaaaaaaaaaa", '"b203ca35a206"', "parcels")
    second = revision(groundwork, "bbbbbbbbbbbb", '"aaaaaaaaaaaa"', "letters")

    update(fork, groundwork)

    versions = mine.parent
    assert 'down_revision: str | None = "111111111111"' in (versions / first.name).read_text()
    assert (versions / second.name).read_text() == second.read_text()
    assert f"create  migrations/versions/{first.name}: behind 111111111111\n" in capfd.readouterr().out
    assert 'down_revision: str | None = "b203ca35a206"' in mine.read_text()
    commit(fork, "update")
    revision(groundwork, "cccccccccccc", '"bbbbbbbbbbbb"', "stamps")
    update(fork, groundwork)
    assert set(changed(fork)) == {"migrations/versions/20300101_0000_cccccccccccc_create_stamps.py", "pyproject.toml"}


def test_a_revision_whose_file_has_another_name_is_not_lost(fork: Path, groundwork: Path) -> None:
    folder = Path("migrations/versions")
    old = next(folder / file.name for file in (fork / folder).glob("*_create_outbox.py"))
    new = folder / "20300101_0000_create_outbox.py"
    run(groundwork, "git", "mv", str(old), str(new))
    commit(groundwork, "rename it")

    update(fork, groundwork)

    assert changed(fork) == {f"{old} -> {new}": "R ", "pyproject.toml": "M "}
