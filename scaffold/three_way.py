"""Merges three versions of a file: that of the old Groundwork, the fork's own, and that of the new Groundwork.

In what every fork shares, a place that both changed becomes a conflict, as git writes it. In what is the fork's no such
place is left: there the fork's own lines stay. Where both only added lines, the fork's come first.
"""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from scaffold.checkout import GIT
from scaffold.settling import SETTLED

SIZE = 60
"""How long the markers are by which the merge is read here: no text has them."""
_ENTRY = re.compile(r"\s*(?:(?:from|import) .*|.*,)")
"""A line that stands for itself, an import or an entry of a list: of two equal ones, one is enough."""
_PLACE = re.compile(
    rf"^<{{{SIZE}}} [^\n]*\n(.*?)^\|{{{SIZE}}} [^\n]*\n(.*?)^={{{SIZE}}}\n(.*?)^>{{{SIZE}}} [^\n]*\n",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Merged:
    """What became of three versions."""

    text: str
    conflicts: int = 0
    """How many places both have changed: marked in the text, or left as the fork has them."""


def merge(base: str, ours: str, theirs: str, new: str) -> Merged:
    """Merge, and mark the places that both have changed.

    Args:
        base: Groundwork's text before.
        ours: the fork's.
        theirs: Groundwork's text now.
        new: what the new Groundwork is called in a marker.
    """
    return _merge_file(base, ours, theirs, new, size=7)


def merge_into_yours(name: str, base: str, ours: str, theirs: str) -> Merged:
    """Merge, and leave the places that both have changed as the fork has them.

    Args:
        name: that of the file: in some each line or word stands for itself, whatever is beside it.
        base: Groundwork's text before.
        ours: the fork's.
        theirs: Groundwork's text now.
    """
    kept = 0
    if settle := SETTLED.get(name):
        base, ours, theirs, kept = settle(base, ours, theirs)
    merged = _merge_file(base, ours, theirs, "new", size=SIZE)
    if merged.conflicts < 0:
        return Merged(ours, 1)
    text = _PLACE.sub(_resolved, merged.text)
    # a table that Groundwork moved, and the fork edited, would stand twice
    if name.endswith(".toml") and not _is_toml(text):
        return Merged(ours, kept + 1)
    return Merged(text, kept + sum(map(_keeps_ours, _PLACE.finditer(merged.text))))


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _keeps_ours(place: re.Match[str]) -> bool:
    """Whether a change of Groundwork's is left out in a place, since more was done there than to add lines."""
    return place[2].strip() not in {"", "pass"}


def _resolved(place: re.Match[str]) -> str:
    ours, _, theirs = place.groups()
    if _keeps_ours(place) or _is_in(theirs, ours):
        return ours
    if _is_in(ours, theirs):
        return theirs
    there = {*ours.splitlines()} if all(map(_ENTRY.fullmatch, (ours + theirs).splitlines())) else set[str]()
    return "".join([ours, *(line for line in theirs.splitlines(keepends=True) if line.rstrip("\n") not in there)])


def _is_in(lines: str, others: str) -> bool:
    return "\n{}\n".format(lines.strip("\n")) in f"\n{others}"


def _merge_file(base: str, ours: str, theirs: str, new: str, *, size: int) -> Merged:
    with TemporaryDirectory() as folder:
        files = []
        for name, text in (("ours", ours), ("base", base), ("theirs", theirs)):
            file = Path(folder, name)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            files.append(str(file))
        labels = [part for label in ("yours", "Groundwork before", new) for part in ("-L", label)]
        command = [GIT, "merge-file", "-p", "--diff3", f"--marker-size={size}", *labels, *files]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode > 127:  # not a text
        return Merged(ours, -1)
    return Merged(done.stdout.decode("utf-8", "surrogateescape"), done.returncode)
