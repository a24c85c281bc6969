"""The pages of Groundwork alone: its picture, and how to fork it."""

import re

from adapters.seedwork.settings import PROJECT
from docs import picture

ARCHITECTURE = PROJECT / "docs" / "architecture.md"
FORKING = PROJECT / "docs" / "forking.md"


def test_the_picture_of_the_layers_is_drawn_from_their_imports() -> None:
    [quoted] = picture.PICTURE.findall(ARCHITECTURE.read_text())

    assert quoted == picture.picture(), "Run: .venv/bin/python docs/picture.py"


def test_the_files_that_the_page_on_forking_names_are_there() -> None:
    named = set(re.findall(r"`([\w/]+/(?:[\w.]+\.\w+)?)`", FORKING.read_text()))

    assert {"domain/user.py", "tests/seedwork/ordering.py", "scaffold/files.toml"} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []
