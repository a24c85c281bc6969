"""``make update``: fetch Groundwork, and let the new one renew this fork.

What merges is the new Groundwork's own code, ``python -m scaffold.renew``, run from a temporary folder: it knows the
files, marks and names of today, and its faults are mended by the time that a fork meets them.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from scaffold.checkout import SHORT, Refused, git, prefix, project
from scaffold.snapshot import snapshot
from scaffold.source import (
    OURS,
    REFS,
    Note,
    commit_of,
    fetch,
    is_groundwork,
    is_within,
    nearest,
    original_of,
    releases,
    source_of,
    without_secret,
)
from scaffold.writing import UNDO

RENEW = "scaffold/renew.py"


def main(tree: Path, arguments: list[str]) -> None:
    """Update a fork. Raises: Refused (nothing is written)."""
    parser = argparse.ArgumentParser(prog="python -m scaffold update", allow_abbrev=False)
    parser.add_argument("--to", default="", metavar="REF", help="release, branch or commit; else the newest release")
    parser.add_argument("--source", default="", help="URL or path of Groundwork; else the one that the fork notes")
    parser.add_argument("--from", dest="begun", default="", metavar="COMMIT", help="where it stands, if it notes none")
    parser.add_argument("--in", dest="fork", default=tree, type=Path, metavar="FOLDER", help="the fork, if another")
    parser.add_argument("--dry-run", action="store_true", help="show all of it, and write nothing")
    given = parser.parse_args(arguments)
    fork = given.fork.resolve()
    refuse_unless_clean(fork)
    note = Note.of((fork / "pyproject.toml").read_text())
    source = given.source or note.source or (source_of(tree) or str(tree) if fork != tree else "")
    if given.source and Path(given.source).exists():
        source = str(Path(given.source).resolve())  # relative to where it was typed
    if not source:
        raise Refused("This fork does not note where Groundwork is. Write: make update source=URL")
    fetch(fork, source)
    target = _target(fork, given.to, without_secret(source))
    base = _base(fork, given.begun or note.commit, without_secret(source))
    if base == target:
        print(f"Nothing to do: this fork stands on {_called(fork, target)} already.")
        return
    if not given.to and is_within(fork, target, base):
        print(f"Nothing to do: this fork stands on a commit after the newest release, {_called(fork, target)}.")
        print("For what is not released yet, write: make update to=HEAD")
        return
    _renew(fork, base, Note(without_secret(source), target), _called(fork, target), dry_run=given.dry_run)


def refuse_unless_clean(fork: Path) -> None:
    """Refuse a fork with changes that are not committed. Raises: Refused."""
    if project(fork).name == OURS:
        raise Refused("This is Groundwork itself. In a fork write: make update; from here: make update in=../clinic")
    if prefix(fork):
        raise Refused(f"{fork} is a folder in a repository: only one that is a repository can be updated.")
    if changed := git(fork, "-c", "core.quotePath=false", "status", "--porcelain").splitlines():
        names = ", ".join([*(line[3:] for line in changed[:3]), *(["others"] if len(changed) > 3 else [])])
        # staged by an update: done, or interrupted before it had written all files
        plain = ("--cached", "--no-ext-diff", "--no-color")
        is_renewed = "\n+commit = " in git(fork, "diff", *plain, "--", "pyproject.toml")
        undo = f"; or, if an update was interrupted: {UNDO}" if is_renewed else ""
        raise Refused(
            f"Not committed, so the update would mix with it: {names}."
            f" Write: git stash --include-untracked, or commit{undo}"
        )
    folder = fork / git(fork, "rev-parse", "--git-dir").strip()
    for work in ("merge", "cherry-pick", "revert"):  # whose tree may be clean
        if (folder / f"{work.replace('-', '_').upper()}_HEAD").exists():
            raise Refused(
                f"A {work} has not ended, and the update would end it. Write: git commit, or git {work} --abort"
            )


def _target(fork: Path, word: str, source: str) -> str:
    known = releases(fork)
    commit = commit_of(fork, word or (known[0] if known else "HEAD"))
    if not commit:
        branches = git(fork, "for-each-ref", "--format=%(refname:lstrip=3)", f"{REFS}/heads").split()
        raise Refused(f"{source} has no {word}. It has: {', '.join([*known[:3], *branches[:5]])}")
    if not is_groundwork(fork, commit):
        raise Refused(f"{source} is not Groundwork: its project has another name. Write: make update source=URL")
    return commit


def _base(fork: Path, word: str, source: str) -> str:
    if word and (base := original_of(fork, commit_of(fork, word) or word)):
        return base
    said = f"{source} has no commit {word}" if word else "This fork does not note on which commit it stands"
    found = nearest(fork)
    advice = (
        f"from={found[0][:SHORT]}, which has the most files as they are here: {found[1]}" if found else "from=COMMIT"
    )
    raise Refused(f"{said}. Write: make update {advice}")


def _called(fork: Path, commit: str) -> str:
    tags = releases(fork, "--points-at", commit)
    return f"{tags[0]} ({commit[:SHORT]})" if tags else commit[:SHORT]


def _renew(fork: Path, base: str, new: Note, called: str, *, dry_run: bool) -> None:
    files = snapshot(fork, new.commit)
    if RENEW not in files:
        raise Refused(f"{called} is older than this command. Write: make update to=HEAD")
    with TemporaryDirectory() as folder:
        for name, text in files.texts.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
        command = [sys.executable, "-m", "scaffold.renew", str(fork), base, new.commit, new.source, called]
        paths = {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*command, *(["--dry-run"] if dry_run else [])], cwd=folder, env=os.environ | paths, check=False
        )
    if done.returncode:
        sys.exit(done.returncode)
