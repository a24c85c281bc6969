"""The recipes run as they stand, each on a database of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT

RECIPES = sorted((PROJECT / "docs" / "recipes").glob("*.md"))


def blocks(page: Path, language: str) -> str:
    return "\n\n".join(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_a_recipe_runs(page: Path, sqlite_url: str, tmp_path: Path) -> None:
    script = tmp_path / "recipe.py"
    script.write_text(blocks(page, "python"))
    environment = os.environ | {
        "DATABASE_URL": sqlite_url,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
    }

    for command in ([sys.executable, "-W", "error", str(script)], ["sh", "-ec", blocks(page, "sh")]):
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert result.returncode == 0, result.stderr
