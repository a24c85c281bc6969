"""What tests need to run the program as its users do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adapters.cli import app
from adapters.seedwork.settings import PROJECT

PROGRAM = (sys.executable, "-c", "from adapters.cli import app; app(prog_name='groundwork')")

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, on a migrated database."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)

    def invoke(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(
            app, [*map(str, arguments)], input=stdin, prog_name="groundwork", catch_exceptions=False
        )

    return invoke


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(sqlite_url: str) -> Start:
    """Start a command in a process of its own, on the same database."""

    def popen(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            cwd=PROJECT,
            env=os.environ | {"DATABASE_URL": sqlite_url},
            stdin=subprocess.PIPE,
            stdout=options.get("stdout", subprocess.PIPE),
            stderr=options.get("stderr", subprocess.PIPE),
        )

    return popen


def printed(result: Result) -> list[dict[str, Any]]:
    """What a command printed with ``--json``."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]
