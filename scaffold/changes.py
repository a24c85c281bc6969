"""What a command is about to do to the files: all of it is planned before the first is written."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import cast

GIT = shutil.which("git") or "git"


class Refused(Exception):
    """The command can't do what it is asked; nothing was written. Its arguments are the objections, with advice."""

    def __str__(self) -> str:
        return "\n".join(self.args)


@dataclass
class Changes:
    """The files of a tree as they will be."""

    tree: Path
    _texts: dict[str, str | None] = field(default_factory=dict)
    _replaced: set[str] = field(default_factory=set)

    def read(self, name: str) -> str:
        """Return what a file will hold."""
        text = self._texts[name] if name in self._texts else (self.tree / name).read_text()
        if text is None:
            raise FileNotFoundError(name)
        return text

    def write(self, name: str, text: str) -> None:
        """Let a file hold this."""
        self._texts[name] = text

    def replace(self, name: str, text: str) -> None:
        """Let a file hold this, whatever is in it now."""
        self._texts[name] = text
        self._replaced.add(name)

    def write_last(self, name: str, text: str) -> None:
        """Let a file hold this, and write it after all others."""
        self._texts.pop(name, None)
        self._texts[name] = text

    def remove(self, name: str) -> None:
        """Let a file go."""
        self._texts[name] = None

    def names(self) -> list[str]:
        """Return the files that git knows and that are there."""
        return tracked(self.tree)

    def __contains__(self, name: str) -> bool:
        """Whether the file will be there."""
        return self._texts[name] is not None if name in self._texts else (self.tree / name).exists()

    def cut(self, mark: str) -> None:
        """Take out of every text what is marked.

        A line goes that ends with ``# mark`` or ``<!-- mark -->``, and all from ``# mark: begin`` to ``# mark: end``.
        """
        for name in self.names():
            if name.startswith("scaffold/") or name not in self:
                continue
            try:
                text = self.read(name)
            except UnicodeDecodeError:
                continue
            if (left := without(text, mark)) != text:
                self.write(name, left)

    def refuse_to_lose(self) -> None:
        """Refuse to remove or to replace what git does not have. Raises: Refused."""
        present = [name for name in self._texts if (self.tree / name).exists()]
        removed = [
            name
            for name in present
            if (text := self._texts[name]) is None
            or (name in self._replaced and text != (self.tree / name).read_text())
        ]
        if removed and (changed := git(self.tree, "diff", "HEAD", "--name-only", "--", *removed).split()):
            raise Refused(f"{', '.join(changed)} would be lost with changes that git does not have: commit them first.")

    def apply(self) -> None:
        """Write and remove, in the order of the plan."""
        write(self.tree, self._texts)


def write(tree: Path, texts: Mapping[str, str | None]) -> None:
    """Write files of a tree, each at once, and say what becomes of each; None removes one."""
    for name, text in texts.items():
        verb, file = verb_of(tree / name, text), tree / name
        if verb == "remove":
            file.unlink()
            remove_empty_folders(tree, file.parent)
        elif verb != "identical" and text is not None:
            put(file, text)
        if not (verb == "identical" and text is None):
            print(f"{verb:>9}  {name}", flush=True)


def verb_of(file: Path, text: str | None) -> str:
    """Say what becomes of a file that shall have this text."""
    there = file.read_text() if file.is_file() else None
    if there == text:
        return "identical"
    if text is None:
        return "remove"
    return "create" if there is None else "edit"


def remove_empty_folders(tree: Path, folder: Path) -> None:
    """Remove a folder of a tree, and those around it, as long as nothing is in them."""
    while folder != tree and folder.is_dir() and all(child.name == "__pycache__" for child in folder.iterdir()):
        shutil.rmtree(folder)
        folder = folder.parent


def put(file: Path, text: str) -> None:
    """Write a file at once: whoever kills the program finds the old text or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(text)
    if file.exists():
        shutil.copymode(file, part)
    part.replace(file)


def without(text: str, mark: str) -> str:
    """Return a text without what is marked."""
    start, end = r"^[ \t]*(?:#|<!--) ", r"(?: -->)?[ \t]*\n"
    region = rf"{start}{mark}: begin{end}.*?{start}{mark}: end{end}"
    line = rf"^[^\n]*(?:#|<!--) {mark}{end}"
    left, count = re.subn(rf"{region}|{line}", "\0", text, flags=re.DOTALL | re.MULTILINE)
    # of the blank lines around what was cut one is left; those elsewhere may be as a formatter wants them
    closed = re.sub(r"\n*(?:\0\n*)+", lambda gap: "\n\n"[: gap[0].count("\n")], left)
    return f"{closed.rstrip()}\n" if count else text


def without_lost_targets(makefile: str) -> str:
    """Return a Makefile whose line of phony targets names only those that it has."""
    return re.sub(
        r"^\.PHONY: .*$",
        lambda line: " ".join(
            word for word in line[0].split() if word == ".PHONY:" or re.search(rf"^{word}:", makefile, re.MULTILINE)
        ),
        makefile,
        flags=re.MULTILINE,
    )


def tidy(name: str, text: str) -> str:
    """Return a module as ruff formats it, without imports that nothing uses.

    Raises: Refused (something that is used is gone).
    """
    text, complaints = _ruff(name, text, "check", "--fix", "--select=F401,F821,I", "--output-format=concise")
    if unknown := re.search(r"F821 (.*)", complaints):
        raise Refused(f"{name} still uses it: {unknown[1]}. Take that out first.")
    return laid_out(name, text)


def laid_out(name: str, text: str) -> str:
    """Return a module as ruff lays it out; as it is, if it can't be read."""
    formatted, _ = _ruff(name, text, "format")
    return formatted or text


def _ruff(name: str, text: str, *arguments: str) -> tuple[str, str]:
    """Return what ruff makes of a module, and what it complains about."""
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", "--stdin-filename", name, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if "No module named ruff" in done.stderr:
        raise Refused("ruff is not installed here. Write: make setup")
    return done.stdout, done.stderr


LISTS = Path(__file__).with_name("files.toml")


def files_of(owner: str, names: Iterable[str], lists: str | None = None) -> list[str]:
    """Return those of the files that are whose: a list of ``files.toml``, or of its text as another commit has it."""
    return [name for name in names if owner_of(name, lists) == owner]


def owner_of(name: str, lists: str | None = None) -> str | None:
    """Return on which list a file is, and None if no pattern of ``files.toml`` fits."""
    owners = _patterns(lists or LISTS.read_text())
    return next((owner for owner, ps in owners.items() if any(fnmatchcase(name, pattern) for pattern in ps)), None)


@cache
def _patterns(lists: str) -> dict[str, list[str]]:
    return tomllib.loads(lists)


def git(tree: Path, *arguments: str, fed: str | None = None) -> str:
    """Return what git says, fed with a text. Raises: Refused (this is no checkout, or there is no git)."""
    try:
        done = subprocess.run([GIT, *arguments], cwd=tree, input=fed, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        raise Refused(f"git {arguments[0]} fails: {str(said).strip()}") from error
    return done.stdout


def tracked(tree: Path) -> list[str]:
    """Return the files that git knows and that are there."""
    return [name for name in git(tree, "ls-files", "-z").split("\0") if name and (tree / name).exists()]


def project(tree: Path) -> dict[str, object]:
    """Return what ``pyproject.toml`` says of a fork: its name, where it began. Raises: Refused (it says neither)."""
    file = tree / "pyproject.toml"
    try:
        read = tomllib.loads(file.read_text())
        begun = cast("dict[str, str]", read["tool"].get("groundwork", {}))
        return {"name": read["project"]["name"], "commit": begun.get("commit")}
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        said = getattr(error, "strerror", None) or error
        raise Refused(f"{file} can't be used: {said}. Is {tree} the folder of a fork?") from error
