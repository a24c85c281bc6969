"""Forks for the tests of the scaffold: copies of this checkout, made by git and begun under another name."""

import shutil
from pathlib import Path

import pytest

from scaffold.rehearsal import clone, run, scaffold, use_plain_git
from tests.scaffold.updating import change_a_file_of_each_kind
from tests.seedwork.bare import copy_project


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork to copy from: nobody changes it."""
    folder = tmp_path_factory.mktemp("begun")
    tree = folder / "clinic"
    clone(folder / "groundwork")  # what is not committed yet is Groundwork's, and not the fork's
    run(folder, "git", "clone", "--quiet", "--shared", "groundwork", "clinic")
    scaffold(tree, "fork", "clinic")
    return tree


@pytest.fixture
def fork(begun: Path, tmp_path: Path) -> Path:
    """A fork called clinic, with the sample, and all of it committed."""
    return Path(shutil.copytree(begun, tmp_path / "clinic"))


@pytest.fixture(scope="session")
def without_sample(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same fork after it dropped the sample; nobody changes it."""
    tree = Path(shutil.copytree(begun, tmp_path_factory.mktemp("dropped") / "clinic"))
    scaffold(tree, "drop-sample")
    return tree


@pytest.fixture
def groundwork(begun: Path, tmp_path: Path) -> Path:
    """Groundwork as the fork was begun from it, in a repository that can get newer commits."""
    tree = tmp_path / "groundwork"
    run(tmp_path, "git", "clone", "--quiet", "--shared", str(begun), str(tree))
    run(tree, "git", "checkout", "--quiet", "-B", "main", "HEAD~1")
    return tree


@pytest.fixture
def newer(groundwork: Path) -> Path:
    """Groundwork after a file of each kind has changed."""
    change_a_file_of_each_kind(groundwork)
    return groundwork


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the house, whose pages get the lines that register an aggregate."""
    tree = tmp_path / "house"
    copy_project(tree)
    monkeypatch.setattr("scaffold.registering.PROJECT", tree)
    return tree


def pytest_configure(config: pytest.Config) -> None:
    """Let a person's own settings of git change nothing, and name the mark of the tests that take long."""
    use_plain_git()
    config.addinivalue_line("markers", "rehearsal: takes long; `make rehearsal` runs it, and `make test` does not")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that take long, unless they are asked for by their mark."""
    if not config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("rehearsal")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
