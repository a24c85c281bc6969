"""Runs a command line: in this process, which is fast, or in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from adapters.seedwork.settings import PROJECT

PROGRAM = "acme"
"""The program's name in tests: messages must contain this one."""

needs_a_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
"""For a test of what can't be written: macOS has no device that takes nothing."""

Run = Callable[..., Result]
Start = Callable[..., subprocess.Popen[bytes]]


def runner(app: typer.Typer) -> Run:
    """Return what runs a command in this process."""

    def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, [*map(str, arguments)], input=stdin, prog_name=PROGRAM, catch_exceptions=False)

    return run


def starter(module: str, **environment: str) -> Start:
    """Return what starts a command of a module's ``app`` in a process of its own; ``shell`` is put around it."""
    environment["PYTHONUNBUFFERED"] = ""  # as on most machines: what can't be written stays in a buffer
    program = f"from {module} import app; app(prog_name={PROGRAM!r})"

    def start(*arguments: object, shell: str = "", **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", sys.executable, "-c", program, *map(str, arguments)],
            cwd=PROJECT,
            env=os.environ | environment | options.get("env", {}),
            stdin=subprocess.PIPE,
            stdout=options.get("stdout", subprocess.PIPE),
            stderr=options.get("stderr", subprocess.PIPE),
        )

    return start


def on_full_disk(app: typer.Typer, *arguments: object) -> tuple[int, str]:
    """Run a command in this process where standard output takes nothing; return its exit code and its complaint."""
    with (
        Path("/dev/full").open("w") as output,
        redirect_stdout(output),
        redirect_stderr(StringIO()) as complaint,
        pytest.raises(SystemExit) as ended,
    ):
        app([*map(str, arguments)], prog_name=PROGRAM)
    assert isinstance(ended.value.code, int)
    return ended.value.code, complaint.getvalue()


def finished(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Wait for a process; return its exit code and what it wrote to standard output and standard error."""
    output, errors = process.communicate(timeout=30)
    return process.returncode, (output or b"").decode(), (errors or b"").decode()


def on_terminal(start: Start, stream: str, *arguments: object) -> str:
    """What a command writes where ``stream``, one of its standard streams, is a terminal."""
    terminal, inside = os.openpty()
    finished(start(*arguments, **{stream: inside}, env={"TERM": "xterm"}))
    os.write(inside, b"end")  # without it, reading would never end where nothing was written
    output = os.read(terminal, 100_000).decode()
    os.close(terminal)
    os.close(inside)
    return output


def printed(result: Result) -> list[dict[str, Any]]:
    """What a command printed with ``--json``."""
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def check_commands(
    run: Run, group: str, values: Sequence[str], *, change: Sequence[str], find_by: Sequence[str] = ()
) -> None:
    """Check that what ``add`` saves is shown, found by what is unique, listed, changed and removed.

    Args:
        run: runs a command.
        group: the name of the aggregate's commands.
        values: the options of ``add``.
        change: those of ``change``.
        find_by: what is unique.
    """
    [added] = printed(run(group, "add", *values, "--json"))
    assert printed(run(group, "show", added["id"], "--json")) == [added]
    for name in find_by:
        # behind -- a number below zero is no option
        assert printed(run(group, f"find-by-{name.replace('_', '-')}", "--json", "--", added[name])) == [added]
    assert printed(run(group, "list", "--json")) == [added]
    [changed] = printed(run(group, "change", added["id"], *change, "--json"))
    assert printed(run(group, "remove", added["id"], "--json")) == [changed]


def refusal(result: Result) -> tuple[int, str]:
    """The exit code and the one line of a command that was refused, without the program's name."""
    [line] = result.stderr.splitlines()
    assert result.stdout == ""
    assert line.startswith(f"{PROGRAM}: ")
    return result.exit_code, line.removeprefix(f"{PROGRAM}: ")
