"""The rules of import are seen to bite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the house, for a violation to be planted in."""
    for name in ("domain", "service_layer", "adapters"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(house: Path) -> str:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=house,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    ).stdout


def test_the_house_as_it_stands_breaks_no_rule(house: Path) -> None:
    assert ", 0 broken" in lint(house)


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("domain/user.py", "import service_layer.users", "imports run adapters -> service_layer -> domain only"),
        (
            "service_layer/users.py",
            "import adapters.seedwork.mapping",
            "imports run adapters -> service_layer -> domain only",
        ),
        ("domain/user.py", "import sqlalchemy", "the domain imports the standard library only"),
        ("service_layer/users.py", "import sqlalchemy", "use cases know neither the database nor the container"),
        ("adapters/users.py", "import adapters.container", "only the command line imports the composition root"),
    ],
)
def test_a_planted_violation_is_found(house: Path, file: str, line: str, broken: str) -> None:
    with (house / file).open("a") as source:
        source.write(f"\n{line}\n")

    report = lint(house)

    assert any(broken in found and "BROKEN" in found for found in report.splitlines()), report


def test_the_domain_runs_on_the_standard_library_alone() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from domain.user import User\n"
        "john = User(name='John Doe', age=30)\n"
        "john.age = 31\n"
        "assert john == john and hash(john) and john.age == 31\n"
        "assert 'sqlalchemy' not in sys.modules"
    )

    result = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)

    assert (result.stderr, result.returncode) == ("", 0)
