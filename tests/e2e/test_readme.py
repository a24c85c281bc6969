"""Every claim of the README that a machine can check."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.settings import PROJECT
from tests.backends import migrate

README = (PROJECT / "README.md").read_text()
MAKEFILE = (PROJECT / "Makefile").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def run(*command: str, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'readme.db'}"
    migrate(url)
    return url


def test_its_python_blocks_run_one_after_the_other(database_url: str, tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n\n".join(blocks("python")))

    result = run(sys.executable, "-W", "error", str(script), PYTHONPATH=str(PROJECT), DATABASE_URL=database_url)

    assert (result.stderr, result.returncode) == ("", 0)
    assert "This e-mail address belongs to another user already" in result.stdout


def test_its_migration_commands_run_one_after_the_other(tmp_path: Path) -> None:
    for name in ("domain", "service_layer", "adapters", "migrations", "pyproject.toml"):
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, tmp_path / name)
    [block] = [block for block in blocks("console") if "alembic revision" in block]
    commands: list[str] = re.findall(r"^\$ (alembic [^#\n]+)", block, re.MULTILINE)

    for command in commands:
        result = run(sys.executable, "-m", *shlex.split(command), cwd=tmp_path)
        assert result.returncode == 0, result.stderr

    assert "CREATE TABLE users" in result.stdout
    assert len(list(tmp_path.glob("migrations/versions/*_add_a_nickname_to_users.py"))) == 1
    assert (tmp_path / "app.db").exists()


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"`make (\w+)`|^\$ make (\w+)", README, re.MULTILINE))

    assert targets
    for target in (first or second for first, second in targets):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"


def test_what_it_shows_of_the_demo_is_what_the_demo_prints(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    migrate(url)
    [shown] = [block for block in blocks("console") if "make demo" in block]
    lines = [line for line in shown.splitlines() if line not in {"", "...", "$ make demo"}]

    result = run(sys.executable, "docs/demo.py", DATABASE_URL=url, PYTHONPATH=str(PROJECT))

    assert (result.stderr, result.returncode) == ("", 0)
    assert [line for line in lines if line not in result.stdout.splitlines()] == []


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w./-]+(?:\.\w+|/))`", README))

    assert {"domain/", "service_layer/users.py", ".env.example"} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists() and name not in {"app.db", ".venv"}] == []
