"""Whether the files that every fork shares are Groundwork's, and the newest."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path, PurePosixPath

from scaffold.checkout import SHORT, Refused, git, prefix, project, tracked, untracked
from scaffold.checks import Said
from scaffold.owners import files_of
from scaffold.snapshot import Fork, as_in, snapshot
from scaffold.source import OURS, REFS, Note, commit_of, fetch, is_groundwork, is_within, original_of, releases

TIMEOUT_S = 5.0
"""How long the network may take."""
ITSELF = "this is Groundwork itself"


def updates(tree: Path) -> Iterator[Said]:
    """Look how far Groundwork is ahead, if it can be asked."""
    note = _note(tree)
    if note is None:
        yield "ok", ITSELF, ""
        return
    if folder := prefix(tree):
        yield "note", f"{folder} is a folder in a repository, and only a repository can be updated", ""
        return
    if not note.source or not note.commit:
        yield "mend", "it is not noted where this fork comes from", "make update source=URL from=COMMIT"
        return
    if refusal := _fetched(tree, note.source):
        yield "note", f"it is unknown if there are any: {refusal}", ""
        return
    release = next(iter(releases(tree)), None)
    newest = commit_of(tree, release or "HEAD") or ""
    base = original_of(tree, note.commit)
    if not is_groundwork(tree, newest):
        yield "mend", f"{note.source} is not Groundwork: its project has another name", "make update source=URL"
    elif base is None:
        yield "mend", f"{note.source} does not have commit {note.commit[:SHORT]}", "make update"
    elif is_within(tree, newest, base):
        yield "ok", f"there is nothing newer than {base[:SHORT]}", ""
    else:
        count = git(tree, "rev-list", "--count", "--no-merges", f"{base}..{newest}").strip()
        changes = "1 change" if count == "1" else f"{count} changes"
        yield "note", f"Groundwork is {changes} ahead, at {release or 'its head'}", "make update dry-run=1"


def unfinished(tree: Path) -> Iterator[Said]:
    """Look for conflicts of an update, or of any merge, that are still there."""
    names = _unmerged(tree)
    for name in sorted(names):
        yield "mend", f"{name} is not merged yet: edit it", f"git add {name}"
    if not names:
        yield "ok", "there are none", ""


def edits(tree: Path) -> Iterator[Said]:
    """Compare the shared files with those of the commit that the fork stands on, but for those in conflict."""
    note = _note(tree)
    if note is None:
        yield "ok", ITSELF, ""
        return
    if folder := prefix(tree):
        yield "note", f"{folder} is a folder in a repository, and only a repository can be compared", ""
        return
    commit = original_of(tree, note.commit) or note.commit
    try:
        base = snapshot(tree, commit)
    except Refused:
        cure = f"git fetch {note.source} '+refs/heads/*:{REFS}/heads/*'"
        yield "note", f"edits can't be seen: this clone has no commit {note.commit[:SHORT]}", cure
        return
    lists = (tree / "scaffold" / "files.toml").read_text()
    mine = snapshot(tree, "HEAD")
    theirs = as_in(Fork.of(mine, base, lists), base, lists)
    unmerged = _unmerged(tree)
    there = [*tracked(tree), *untracked(tree)]
    folders = {str(folder) for name in there for folder in PurePosixPath(name).parents}
    found: dict[str, Said] = {}
    for name in sorted({*files_of("shared", [*theirs.names(), *there])} - unmerged):
        text = (tree / name).read_text(errors="surrogateescape") if (tree / name).exists() else None
        if text != theirs.texts.get(name):
            place = name if text is not None else _outermost_gone(name, folders)
            found[place] = _edit(
                place, theirs.texts.get(name), text, f"git restore --source={commit[:SHORT]} -- {place}"
            )
    yield from found.values()
    if unmerged and not found:
        yield "note", "edits can't all be seen until the conflicts are merged", ""
    elif not found:
        yield "ok", "its files are as Groundwork has them", ""


def _unmerged(tree: Path) -> set[str]:
    prefix(tree)  # outside a repository git diff would compare two files
    return {*filter(None, git(tree, "diff", "--relative", "--name-only", "-z", "--diff-filter=U").split("\0"))}


def _outermost_gone(name: str, folders: set[str]) -> str:
    """Return the outermost folder of a file that is gone as a whole; the file itself if none is."""
    parents = reversed(PurePosixPath(name).parents)
    return str(next((folder for folder in parents if str(folder) not in folders), name))


def _edit(name: str, before: str | None, now: str | None, restore: str) -> Said:
    if before is None:
        return "mend", f"{name} is not Groundwork's: move it to a folder that is yours", f"git mv {name} ..."
    if now is None:
        return "mend", f"{name} is gone", restore
    added, removed = _difference(before, now)
    return "mend", f"{name} is edited, +{added} -{removed}", restore


def _difference(before: str, now: str) -> tuple[int, int]:
    codes = SequenceMatcher(None, before.splitlines(), now.splitlines(), autojunk=False).get_opcodes()
    changes = [(j2 - j1, i2 - i1) for tag, i1, i2, j1, j2 in codes if tag != "equal"]
    return sum(added for added, _ in changes), sum(removed for _, removed in changes)


def _note(tree: Path) -> Note | None:
    """Return what the fork notes; None in Groundwork itself."""
    note = Note.of((tree / "pyproject.toml").read_text())
    return None if project(tree).name == OURS and not note.commit else note


@cache
def _fetched(tree: Path, source: str) -> str:
    """Fetch Groundwork once; return why that can't be."""
    try:
        fetch(tree, source, TIMEOUT_S)
    except Refused as refusal:
        return str(refusal).partition(". ")[0].rstrip(".")
    return ""
