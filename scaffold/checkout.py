"""What git and ``pyproject.toml`` say of a folder, and how a command refuses what it can't do there."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

GIT = shutil.which("git") or "git"
SHORT = 12
"""How many digits of a commit are shown: git's own number grows with the repository."""


class Refused(Exception):
    """The command can't do what it is asked; nothing was written. Its arguments are the objections, with advice."""

    def __str__(self) -> str:
        return "\n".join(self.args)


def git(tree: Path, *arguments: str, fed: str | None = None) -> str:
    """Return what git says, fed with a text. Raises: Refused (this is no checkout, or there is no git)."""
    try:
        # surrogateescape: the name of a file may be of another encoding
        done = subprocess.run(
            [GIT, *arguments], cwd=tree, input=fed, capture_output=True, text=True, errors="surrogateescape", check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        raise Refused(f"git {arguments[0]} fails: {str(said).strip()}") from error
    return done.stdout


def prefix(tree: Path) -> str:
    """Return the folder of a repository that this is; empty where it is the repository itself.

    Raises: Refused (it is in none, or nothing is committed there).
    """
    try:
        return git(tree, "rev-parse", "--show-prefix", "HEAD").splitlines()[0]
    except Refused as error:
        raise Refused(
            f"{tree} is not in a repository with a commit. Write: git init && git add --all && git commit -m begin"
            f" (git says: {str(error).splitlines()[0]})"
        ) from error


def tracked(tree: Path) -> list[str]:
    """Return the files that git knows and that are there; a link is none, nor is a submodule."""
    return _files(tree)


def untracked(tree: Path) -> list[str]:
    """Return the files that git does not know, and does not ignore; a link is none."""
    return _files(tree, "--others", "--exclude-standard")


def _files(tree: Path, *which: str) -> list[str]:
    names = git(tree, "ls-files", "-z", *which).split("\0")
    return [name for name in names if (tree / name).is_file() and not (tree / name).is_symlink()]


class Project(NamedTuple):
    """What ``pyproject.toml`` says of a folder."""

    name: str
    commit: str | None
    """The commit of Groundwork that a fork stands on; Groundwork itself has none."""


def project(tree: Path) -> Project:
    """Read what ``pyproject.toml`` says. Raises: Refused (there is none, it is broken, or it has no name)."""
    file = tree / "pyproject.toml"
    try:
        read = tomllib.loads(file.read_text())
        return Project(read["project"]["name"], read["tool"].get("groundwork", {}).get("commit"))
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        said = getattr(error, "strerror", None) or error
        raise Refused(f"{file} can't be used: {said}. Is {tree} the folder of a fork?") from error
