"""Replays ``docs/tutorial.md`` in a folder: its commands, its changes of files, and what it says that is printed."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.seedwork.settings import PROJECT
from scaffold.rehearsal import Failed, check, clone, ended, report, use_plain_git

BLOCK = re.compile(r"^```(console|diff)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHANGING = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/)\d{8}_\d{4}_[0-9a-f]{12}(?=_)|(?<= in )[\d.]+(?=s$)"
)
"""What is another one each time: ids, the names of revisions, durations."""


def replay(tree: Path) -> Iterator[str]:
    """Do all that the tutorial says, and name each step when it is done. Raises: Failed."""
    ids: dict[str, str] = {}
    for language, text in BLOCK.findall((PROJECT / "docs" / "tutorial.md").read_text()):
        if language == "diff":
            yield f"edit {change(tree, text)}"
            continue
        for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            compare(command, expected, run(tree, replaced(command, ids)), ids)
            yield command


def replaced(command: str, ids: dict[str, str]) -> str:
    """Return a command with the ids that were printed, for those that the page shows."""
    for shown, printed in ids.items():
        command = command.replace(shown, printed)
    return command


def run(tree: Path, command: str) -> str:
    """Do what a command does, with the packages of this environment, and return what it prints. Raises: Failed."""
    if command.startswith("git clone"):
        clone(tree)
        return ""
    if command == "make check":
        check(tree)
        return ""
    said = ""
    for part in command.split(" && "):
        words = shlex.split(part)
        if words[:2] == ["make", "setup"]:
            words = ["alembic", "upgrade", "head"]
        elif words[0] == "make":
            words = [sys.executable, "-m", "scaffold", words[1], *(word.partition("=")[2] for word in words[2:])]
        elif words[0] == "clinic":
            words = [sys.executable, "-c", "from adapters.cli import app; app(prog_name='clinic')", *words[1:]]
        elif words[0] == "pytest":
            words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words[1:]]
        said += _run(tree, words)
    return said


def _run(tree: Path, words: list[str]) -> str:
    done = ended(tree, *words)
    if "Traceback" in done.stderr or (done.returncode and not done.stderr.startswith("clinic: ")):
        raise Failed(f"{shlex.join(words)} fails:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def compare(command: str, expected: str, said: str, ids: dict[str, str]) -> None:
    """See that a command has printed what the page shows, and note the ids. Raises: Failed."""
    if expected in {"", "...\n"}:
        return
    shown, printed = ([line.rstrip() for line in text.strip().splitlines()] for text in (expected, said))
    alike = [
        [re.sub(r" +", " ", CHANGING.sub("*", line.replace("... s", "0s"))) for line in lines]
        for lines in (shown, printed)
    ]
    if alike[0] != alike[1]:
        raise Failed(f"{command} does not print what the tutorial shows:\n{expected}\nbut:\n{said}")
    for before, after in zip(shown, printed, strict=True):
        ids.update(zip(_ids(before), _ids(after), strict=True))


def _ids(line: str) -> list[str]:
    return [found[0] for found in CHANGING.finditer(line) if found[0].count("-") == 4]


def change(tree: Path, diff: str) -> str:
    """Change a file as a block says, and return its name. Raises: Failed (a place is not there once)."""
    head, _, body = diff.partition("\n")
    name = head.removeprefix("--- ")
    text = (tree / name).read_text()
    for hunk in body.split("@@\n"):
        lines = hunk.splitlines()
        old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        if text.count(old) != 1:
            raise Failed(f"{name} has this {text.count(old)} times, not once:\n{old}")
        text = text.replace(old, new)
    (tree / name).write_text(text)
    return name


if __name__ == "__main__":
    use_plain_git()
    with TemporaryDirectory() as folder:
        report(replay(Path(folder) / "clinic"))
