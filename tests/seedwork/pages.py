"""What tests read in ``docs/``, which is the fork's: it may be gone."""

import re

import pytest

from adapters.seedwork.settings import PROJECT


def page(name: str) -> str:
    """Return the text of a file in ``docs/``; where there is none, skip the test, or the module, that tries it."""
    file = PROJECT / "docs" / name
    if not file.exists():
        pytest.skip(f"docs/{name} is not here", allow_module_level=True)
    return file.read_text()


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code in a text that are in a language, those that are indented included."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
