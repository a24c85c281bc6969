"""What an update refuses, before it writes anything."""

import re
import sys
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold import INSTALL
from scaffold.checkout import Refused, git
from scaffold.rehearsal import commit, run
from scaffold.texts import laid_out
from scaffold.update import main
from tests.scaffold.updating import NEW, append, changed, revision, update


@pytest.mark.parametrize("file", ["README.md", "größe.txt"])
def test_a_tree_with_changes_is_refused(fork: Path, newer: Path, file: str) -> None:
    (fork / file).write_text("mine\n")

    said = rf"^Not committed.*: {file}\. Write: (git stash --include-untracked), or commit$"
    with pytest.raises(Refused, match=said) as refused:
        update(fork, newer)

    assert (fork / file).read_text() == "mine\n"
    found = re.match(said, str(refused.value))
    assert found
    run(fork, "git", *found[1].split()[1:])
    update(fork, newer)


@pytest.mark.parametrize(
    ("work", "head"), [("merge", "MERGE_HEAD"), ("cherry-pick", "CHERRY_PICK_HEAD"), ("revert", "REVERT_HEAD")]
)
def test_what_has_not_ended_is_refused_where_its_tree_is_clean(fork: Path, newer: Path, work: str, head: str) -> None:
    run(fork, "git", "update-ref", head, "HEAD")

    with pytest.raises(Refused, match=f"^A {work} has not ended, .* Write: git commit, or git {work} --abort$"):
        update(fork, newer)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file or directory"),
        ("[project", "Expected "),
        ('[project]\nname = "other"\n', "'tool'"),
    ],
    ids=["no file", "broken", "another's"],
)
def test_a_folder_that_is_no_fork_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)

    with pytest.raises(Refused, match=rf"pyproject\.toml can't be used: {said}.*Is {tmp_path} the folder of a fork\?"):
        main(PROJECT, ["--in", str(tmp_path)])


def test_a_source_that_is_not_there_is_refused_without_its_secret(fork: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"nowhere can't be read: .*\. Is the network there\?.*make update source=URL"):
        main(fork, ["--source", str(tmp_path / "nowhere")])
    with pytest.raises(Refused) as refused:
        main(fork, ["--source", "https://ann:secret@localhost:1/groundwork"])

    assert "https://localhost:1/groundwork can't be read" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert changed(fork) == {}


def test_a_source_that_is_not_groundwork_is_refused(fork: Path, begun: Path) -> None:
    with pytest.raises(Refused, match="is not Groundwork: its project has another name"):
        update(fork, begun)


def test_groundwork_itself_is_refused() -> None:
    with pytest.raises(Refused, match="This is Groundwork itself"):
        main(PROJECT, [])


@pytest.mark.rehearsal
def test_a_file_that_git_ignores_is_not_overwritten(fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]) -> None:
    append(fork, ".gitignore", "clock.py\n")
    commit(fork, "ignore it")
    (fork / NEW).write_text("mine\n")

    with pytest.raises(SystemExit):
        update(fork, newer)

    assert f"{NEW} would be overwritten: move it away first" in capfd.readouterr().err
    assert (fork / NEW).read_text() == "mine\n"
    assert changed(fork) == {}


@pytest.mark.rehearsal
@pytest.mark.parametrize(
    ("mine", "new"),
    [("docs/notes", "docs/notes/first.md"), ("docs/notes/first.md", "docs/notes")],
    ids=["file", "folder"],
)
def test_nor_is_what_stands_in_the_place_of_its_folder(
    mine: str, new: str, fork: Path, groundwork: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for tree, name in ((fork, mine), (groundwork, new)):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("mine\n")
        commit(tree, "note")

    with pytest.raises(SystemExit):
        update(fork, groundwork)

    assert capfd.readouterr().err.startswith("docs/notes would be overwritten: move it away first, by git mv")
    assert changed(fork) == {}


@pytest.mark.rehearsal
def test_nor_is_one_to_whose_place_an_edited_one_moves(
    fork: Path, groundwork: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    append(fork, ".gitignore", "local.py\n")
    append(fork, "docs/demo.py", "\n\nMINE = 2\n")
    commit(fork, "edit it")
    (fork / "docs" / "local.py").write_text("mine\n")
    run(groundwork, "git", "mv", "docs/demo.py", "docs/local.py")
    commit(groundwork, "move it")

    with pytest.raises(SystemExit):
        update(fork, groundwork)

    assert "docs/local.py would be overwritten" in capfd.readouterr().err
    assert (fork / "docs" / "local.py").read_text() == "mine\n"


@pytest.mark.rehearsal
@pytest.mark.parametrize("flag", ["skip-worktree", "assume-unchanged"])
def test_nor_is_a_change_that_git_is_told_to_overlook(
    flag: str, fork: Path, newer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(fork, "git", "update-index", f"--{flag}", "Makefile")
    append(fork, "Makefile", "# mine\n")
    before = (fork / "Makefile").read_text()

    with pytest.raises(SystemExit):
        update(fork, newer)

    assert "would be lost: Makefile. Write: git update-index --no-skip-worktree Makefile; " in capfd.readouterr().err
    assert (fork / "Makefile").read_text() == before


@pytest.mark.rehearsal
def test_a_word_that_stands_for_no_commit_is_refused_with_those_that_do(fork: Path, newer: Path) -> None:
    git(newer, "tag", "v1.3.0")

    with pytest.raises(Refused, match=r"has no v7\. It has: v1\.3\.0, main"):
        update(fork, newer, "--to", "v7")


@pytest.mark.rehearsal
def test_a_commit_that_the_source_does_not_have_is_refused(fork: Path, newer: Path) -> None:
    with pytest.raises(Refused, match=f"has no commit {'0' * 40}. Write: make update from="):
        update(fork, newer, "--from", "0" * 40)


@pytest.mark.rehearsal
def test_a_commit_from_before_there_were_updates_is_refused(fork: Path, newer: Path) -> None:
    run(newer, "git", "rm", "--quiet", "scaffold/renew.py")
    commit(newer, "as it was")

    with pytest.raises(Refused, match="is older than this command. Write: make update to=HEAD"):
        update(fork, newer)


@pytest.mark.rehearsal
def test_two_heads_are_to_be_merged_first(fork: Path, groundwork: Path) -> None:
    revision(fork, "111111111111", '"4e3b533329b4"', "invoices")
    revision(fork, "222222222222", '"4e3b533329b4"', "letters")
    revision(groundwork, "aaaaaaaaaaaa", '"4e3b533329b4"', "parcels")

    with pytest.raises(SystemExit):
        update(fork, groundwork)

    assert changed(fork) == {}


def test_where_ruff_is_missing_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruff", None)

    with pytest.raises(Refused, match=f"ruff is not installed here. Write: {re.escape(INSTALL)}"):
        laid_out("domain/order.py", "pass")
