"""What the tests of migrations share: histories of planted revisions, on empty databases."""

from pathlib import Path

import pytest

from tests.revisions import History


@pytest.fixture
def planted(empty_url: str, tmp_path: Path) -> History:
    """On each engine in turn."""
    return History(tmp_path / "revisions", empty_url)


@pytest.fixture
def on_sqlite(empty_sqlite_url: str, tmp_path: Path) -> History:
    """On SQLite."""
    return History(tmp_path / "revisions", empty_sqlite_url)


@pytest.fixture
def on_postgresql(empty_postgresql_url: str, tmp_path: Path) -> History:
    """On PostgreSQL, in the same folder."""
    return History(tmp_path / "revisions", empty_postgresql_url)
