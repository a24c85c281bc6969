"""The list of whose each file is."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from adapters.seedwork.settings import PROJECT
from scaffold.changes import put
from scaffold.checkout import tracked
from scaffold.owners import files_of, owner_of

LISTS = tomllib.loads((PROJECT / "scaffold" / "files.toml").read_text())


def test_every_file_is_somebodys() -> None:
    assert [name for name in tracked(PROJECT) if owner_of(name) is None] == []


def test_every_pattern_of_what_leaves_fits_a_file() -> None:
    patterns = [*LISTS["groundwork"], *LISTS["sample"]]

    assert [p for p in patterns if not any(fnmatchcase(name, p) for name in tracked(PROJECT))] == []


def test_what_a_path_says_is_what_the_list_says() -> None:
    shared = files_of("shared", tracked(PROJECT))

    assert "domain/seedwork/entity.py" in shared
    assert [name for name in shared if "seedwork" not in name.split("/") and not name.startswith("scaffold/")] == []


def test_a_file_that_is_written_anew_keeps_its_permissions(tmp_path: Path) -> None:
    program = tmp_path / "run"
    program.write_text("old")
    program.chmod(0o755)

    put(program, "new")

    assert (program.read_text(), program.stat().st_mode & 0o777) == ("new", 0o755)
    assert list(tmp_path.iterdir()) == [program]
