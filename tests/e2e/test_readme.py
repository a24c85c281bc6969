"""Every claim of the README that a machine can check."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from tests.seedwork.backends import migrate
from tests.seedwork.pages import blocks

README = (PROJECT / "README.md").read_text()
MAKEFILE = (PROJECT / "Makefile").read_text()
[PROGRAM] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]


def run(*command: str, cwd: Path = PROJECT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'readme.db'}"
    migrate(url)
    return url


def test_its_python_blocks_run_one_after_the_other(database_url: str, tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n\n".join(blocks(README, "python")))

    result = run(sys.executable, "-W", "error", str(script), PYTHONPATH=str(PROJECT), DATABASE_URL=database_url)

    assert (result.stderr, result.returncode) == ("", 0)
    assert "This e-mail address belongs to another user already" in result.stdout


def test_its_commands_print_what_it_shows(tmp_path: Path) -> None:
    for name in ("domain", "service_layer", "adapters", "migrations", "pyproject.toml"):
        (shutil.copytree if (PROJECT / name).is_dir() else shutil.copy)(PROJECT / name, tmp_path / name)
    revisions = len(list(tmp_path.glob("migrations/versions/*.py")))
    quoted = re.findall(
        rf"^\$ ((?:DATABASE_URL=\S+ )?(?:alembic|{PROGRAM}) [^#\n]+).*\n((?:(?!\$ |```).*\n)*)", README, re.MULTILINE
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # the folder of the commands is that of the copy, with a database of its own
    environment = {"PATH": path, "PYTHONPATH": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}"}

    for command, output in quoted:
        result = run("sh", "-c", command, cwd=tmp_path, **environment)
        printed = alike(result.stderr + result.stdout)
        assert result.returncode == printed.startswith(f"{PROGRAM}: "), (command, printed)
        pattern = ".*".join(map(re.escape, alike(output or "...").split("...")))
        assert re.fullmatch(pattern, printed, re.DOTALL), (command, printed)

    assert {"alembic check", f"{PROGRAM} users list --json | head -1"} <= {command.strip() for command, _ in quoted}
    assert len(list(tmp_path.glob("migrations/versions/*.py"))) == revisions + 1


def alike(text: str) -> str:
    """Return a text without what differs from run to run, and without the padding around."""
    return re.sub(
        r" +$", "", re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text), flags=re.MULTILINE
    ).strip()


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"`make ([\w-]+)`|^\$ make ([\w-]+)", README, re.MULTILINE))

    assert targets
    for target in (first or second for first, second in targets):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"


def test_what_it_shows_of_the_demo_is_what_the_demo_prints(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    migrate(url)
    [quoted] = [block for block in blocks(README, "console") if "make demo" in block]
    lines = [line for line in quoted.splitlines() if line not in {"", "...", "$ make demo"}]

    result = run(sys.executable, "docs/demo.py", DATABASE_URL=url, PYTHONPATH=str(PROJECT))

    assert (result.stderr, result.returncode) == ("", 0)
    assert [line for line in lines if line not in result.stdout.splitlines()] == []


def test_the_demo_goes_on_where_a_letter_of_it_can_not_be_shown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'demo.db'}"
    migrate(url)

    result = run(sys.executable, "docs/demo.py", DATABASE_URL=url, PYTHONPATH=str(PROJECT), PYTHONIOENCODING="ascii")

    assert (result.stderr, result.returncode) == ("", 0)
    assert "? John Doe, 30, no e-mail, version 1" in result.stdout


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w./-]+(?:\.\w+|/))`", README))

    assert {"domain/", "domain/seedwork/errors.py", ".env.example"} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists() and name not in {"app.db", ".venv"}] == []
