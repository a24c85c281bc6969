"""What tests need to run the program as people do."""

import pytest

from adapters.cli import app
from tests.seedwork.command_line import Run, Start, runner, starter


@pytest.fixture
def run(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, on a migrated database."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    return runner(app)


@pytest.fixture
def start(sqlite_url: str) -> Start:
    """Start a command in a process of its own, on the same database."""
    return starter("adapters.cli", DATABASE_URL=sqlite_url)
