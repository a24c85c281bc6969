"""What docs/recipes/container.md shows is so; its image is not built here."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from tests.seedwork.pages import blocks, page

PAGE = page("recipes/container.md")
PROGRAM = shlex.join([sys.executable, "-c", "from adapters.cli import app; app()"])


def block(language: str) -> str:
    [text] = blocks(PAGE, language)
    return text


def shell(commands: str, database: Path) -> subprocess.CompletedProcess[str]:
    """Run commands in the project's folder, on a database of their own."""
    url = f"sqlite:///{database}"
    return subprocess.run(
        ["sh", "-ec", commands.replace("PROGRAM", PROGRAM)],
        cwd=PROJECT,
        env=os.environ
        | {
            "DATABASE_URL": url,
            "MIGRATION_DATABASE_URL": url,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_its_release_migrates_and_starts(tmp_path: Path) -> None:
    done = shell(block("sh"), tmp_path / "app.db")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_release_that_does_not_migrate_first_is_not_ready(tmp_path: Path) -> None:
    _, *started = block("sh").splitlines()

    done = shell("\n".join(started), tmp_path / "app.db")

    assert (done.returncode, "Revision  none" in done.stdout) == (1, True)


def test_the_command_of_its_image_is_there(tmp_path: Path) -> None:
    [command] = re.findall(r"^CMD (.*)$", block("dockerfile"), re.MULTILINE)

    done = shell(" ".join([*json.loads(command), "--help"]), tmp_path / "app.db")

    assert done.returncode == 0, done.stderr


def test_its_image_has_the_extras_and_the_pins_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    [extras] = re.findall(r'--editable "\.\[(.*)\]"', block("dockerfile"))
    pins = re.findall(r"\bPIP_\w*CONSTRAINT=(\S+)", block("dockerfile"))

    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert [(PROJECT / name).exists() for name in pins] == [True, True]


@pytest.mark.parametrize("secret", [".env", ".git"])
def test_its_image_leaves_out_what_may_hold_a_secret(secret: str) -> None:
    assert secret in block("gitignore").splitlines()
