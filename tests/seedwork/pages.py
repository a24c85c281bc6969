"""What tests read in ``docs/``, which is the fork's: it may be gone."""

import pytest

from adapters.seedwork.settings import PROJECT


def page(name: str) -> str:
    """Return the text of a file in ``docs/``; where there is none, skip the test, or the module, that tries it."""
    file = PROJECT / "docs" / name
    if not file.exists():
        pytest.skip(f"docs/{name} is not here", allow_module_level=True)
    return file.read_text()
