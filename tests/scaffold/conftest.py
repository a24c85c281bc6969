"""Forks for the tests of the scaffold: copies of this checkout, made by git and begun under another name."""

import shutil
from pathlib import Path

import pytest

from scaffold.rehearsal import clone, scaffold


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork to copy from: nobody changes it."""
    tree = tmp_path_factory.mktemp("begun") / "clinic"
    clone(tree)
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
