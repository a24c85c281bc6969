"""The whole way of a fork that begins early and is updated: every gate is green at its end."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold.checkout import Refused, git
from scaffold.rehearsal import SCAFFOLD, check, clone, commit, run, scaffold
from scaffold.source import RELEASE

EDITED = "adapters/seedwork/types.py"


def has_the_commands(revision: str) -> bool:
    """Whether a commit can begin a fork and write aggregates."""
    try:
        git(PROJECT, "cat-file", "-e", f"{revision}:scaffold/fork.py")
        git(PROJECT, "cat-file", "-e", f"{revision}:scaffold/aggregate.py")
    except Refused:
        return False
    return True


def first_with_the_commands() -> str:
    """The first commit that could begin a fork with aggregates."""
    history = git(PROJECT, "rev-list", "--first-parent", "--reverse", "HEAD").split()
    assert len(history) > 1, "Write: git fetch --unshallow"
    return next(filter(has_the_commands, history))


def newest_release() -> str:
    """The newest release before this commit."""
    tags = git(PROJECT, "tag", "--merged", "HEAD~1", "--sort=-version:refname").split()
    releases = [tag for tag in tags if RELEASE.fullmatch(tag) and has_the_commands(tag)]
    return releases[0] if releases else pytest.skip("there is no release yet")


@pytest.mark.rehearsal
@pytest.mark.parametrize("earlier", [first_with_the_commands, newest_release])
def test_a_fork_of_an_earlier_state_is_updated_without_a_conflict_and_green(
    earlier: Callable[[], str], tmp_path: Path
) -> None:
    began = earlier()
    groundwork, fork = tmp_path / "groundwork", tmp_path / "clinic"
    clone(groundwork)
    run(tmp_path, "git", "clone", "--quiet", str(groundwork), str(fork))
    git(fork, "checkout", "--quiet", "-B", "main", began)
    scaffold(fork, "fork", "clinic")
    scaffold(fork, "aggregate", "patient", "chart_number:str(20):unique born:date weight:decimal(5,2):optional")
    scaffold(fork, "aggregate", "visit", "patient:ref(patient) at:datetime steps:parts(name:str(50) minutes:int(1..))")
    scaffold(fork, "drop-sample")
    edited = fork / EDITED
    edited.write_text(edited.read_text().replace('"""', '"""Edited: ', 1))
    commit(fork, "edit a shared file")
    before = git(fork, "rev-parse", "HEAD").strip()

    # a fork from before there was `make update` is updated from a checkout of Groundwork
    said = run(groundwork, *SCAFFOLD, "update", "--in", str(fork), "--source", str(groundwork), "--to", "HEAD")

    assert re.findall(r"^ conflict .*|^    yours .*", said, re.MULTILINE) == []
    commit(fork, "update")
    assert edited.read_text().startswith('"""Edited: ')
    own = ("domain/patient.py", "adapters/visits.py", "service_layer/visits.py", "migrations/versions", "README.md")
    assert git(fork, "diff", "--stat", "--diff-filter=a", before, "HEAD", "--", *own) == ""  # a: new ones aside
    check(fork)
