"""The versions that are installed: ``constraints.txt`` pins them for pip, and its copy in ``pyproject.toml`` for uv."""

import re
import tomllib

from adapters.seedwork.settings import PROJECT


def test_uv_is_given_the_versions_that_pip_is_given() -> None:
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text())

    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    without_comments = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    pinned = [line for line in without_comments if line and not line.startswith("-")]
    assert pyproject["tool"]["uv"]["constraint-dependencies"] == pinned, "Run: make constraints"
