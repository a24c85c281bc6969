"""The files of a commit, in memory, and how they would be in a fork."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from scaffold.changes import Changes
from scaffold.checkout import GIT, Refused, git
from scaffold.leaving import leave_groundwork, leave_revision, leave_sample
from scaffold.owners import files_of
from scaffold.revisions import FOLDER
from scaffold.source import OURS, without_note
from scaffold.texts import tidy

LISTS = "scaffold/files.toml"


@dataclass
class Snapshot(Changes):
    """The texts of a commit's files, by name. What is no UTF-8 is kept as it is."""

    modes: dict[str, str] = field(default_factory=dict)
    """As git has them: ``100644``, or ``100755`` for a program."""

    @property
    def texts(self) -> dict[str, str]:
        """Those files that are there."""
        return {name: text for name, text in self._texts.items() if text is not None}

    def names(self) -> list[str]:
        """Return the names of all files."""
        return [*self.texts]

    def read(self, name: str) -> str:
        """Return what a file holds."""
        if (text := self._texts.get(name)) is None:
            raise FileNotFoundError(name)
        return text

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file."""
        return self._texts.get(name) is not None


def snapshot(tree: Path, commit: str) -> Snapshot:
    """Read the files of a commit. Raises: Refused (there is no such commit)."""
    modes, ids = {}, {}
    for line in filter(None, git(tree, "ls-tree", "-r", "-z", commit).split("\0")):
        facts, _, name = line.partition("\t")
        mode, kind, id = facts.split()
        if kind == "blob":
            modes[name], ids[name] = mode, id
    command = [GIT, "cat-file", "--batch"]
    done = subprocess.run(command, cwd=tree, input="\n".join(ids.values()).encode(), capture_output=True, check=True)
    texts: dict[str, str | None] = {}
    left = memoryview(done.stdout)
    for name in ids:
        head = bytes(left[:100]).partition(b"\n")[0]
        start, size = len(head) + 1, int(head.split()[2])
        texts[name] = _decoded(bytes(left[start : start + size]))
        left = left[start + size + 1 :]
    return Snapshot(tree, texts, modes=modes)


def _decoded(blob: bytes) -> str:
    text = blob.decode("utf-8", "surrogateescape")
    # what was committed with the ends of lines of Windows would differ in each line
    return text if "\0" in text else text.replace("\r\n", "\n")


@dataclass(frozen=True)
class Fork:
    """What a fork has made of Groundwork."""

    pyproject: str
    """Its ``pyproject.toml``."""
    has_sample: bool

    @classmethod
    def of(cls, files: Snapshot, base: Snapshot, lists: str) -> "Fork":
        """Look at a fork's files, which began as those of a base."""
        lists = base.texts.get(LISTS, lists)  # of the names that the sample had there
        sample = [name for name in files_of("sample", base.names(), lists) if not name.startswith("migrations/")]
        left = [name for name in sample if name in files]
        # a fork may have an aggregate of the sample's name, or have removed a page of the sample
        return cls(files.read("pyproject.toml"), has_sample=2 * len(left) > len(sample))


def as_in(fork: Fork, files: Snapshot, lists: str) -> Snapshot:
    """Return the files of a commit as they would be in a fork that began there: so what a fork changes cancels out.

    Args:
        fork: what it has changed.
        files: those of a commit of Groundwork.
        lists: the text of ``files.toml``, for a commit that has none.
    """
    lists = files.texts.get(LISTS, lists)
    left = Snapshot(files.tree, {**files.texts}, modes=files.modes)
    sample = files_of("sample", left.names(), lists)
    leave_groundwork(left, lists)
    if not fork.has_sample:
        leave_revision(left, [name for name in left.names() if name.startswith(FOLDER)])
        leave_sample(left, sample, _tidy_if_possible)
    if "pyproject.toml" in left:
        left.write("pyproject.toml", _with_identity(left.read("pyproject.toml"), without_note(fork.pyproject)))
    return left


def _tidy_if_possible(name: str, text: str) -> str:
    try:
        return tidy(name, text)
    except Refused:  # an early commit's, which uses the sample in more places than the later ones
        return text


def named(pyproject: str, name: str) -> str:
    """Return the text with a fork's name in place of Groundwork's."""
    text = re.sub(rf'^(name = "){OURS}"$', rf'\1{name}"', pyproject, flags=re.MULTILINE)
    text = re.sub(rf"^{OURS} = (\".*:app\")$", rf"{name} = \1", text, flags=re.MULTILINE)
    return re.sub(rf'"{OURS}\[', f'"{name}[', text)


def _with_identity(pyproject: str, fork: str) -> str:
    """Return the text with the fork's own words for what the project is."""
    name = re.search(r'^name = "(.*)"$', fork, re.MULTILINE)
    text = named(pyproject, name[1]) if name else pyproject
    for key in ("version", "description"):
        line = re.compile(rf"^{key} = .*$", re.MULTILINE)
        if own := line.search(fork):
            text = line.sub(own[0].replace("\\", r"\\"), text, count=1)
    return text
