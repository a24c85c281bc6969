"""What ``CHANGELOG.md`` says a fork has to do. Its form is that of Keep a Changelog, with a part for forks."""

import re
from collections.abc import Iterator

PART = "In your fork"
_RELEASE = re.compile(r"^## (.+)$", re.MULTILINE)
_PART = re.compile(r"^### (.+)$", re.MULTILINE)
_ENTRY = re.compile(r"^- .*\n(?:(?!- |#).*\n)*", re.MULTILINE)


def upgrade_notes(before: str, now: str) -> Iterator[str]:
    """Yield the notes for forks that a changelog has got, each release with a line of its own above them.

    Args:
        before: the text at the commit that the fork stands on; empty where there was none.
        now: the text at the new commit, whose newest release comes first.
    """
    known = {_plain(entry) for entry in _ENTRY.findall(before)}
    _, *releases = _RELEASE.split(now)
    for release, text in zip(releases[::2], releases[1::2], strict=True):
        _, *parts = _PART.split(text)
        for part, entries in zip(parts[::2], parts[1::2], strict=True):
            new = [entry.rstrip() for entry in _ENTRY.findall(f"{entries}\n") if _plain(entry) not in known]
            if part == PART and new:
                yield release
                yield from new


def _plain(entry: str) -> str:
    return " ".join(entry.split())
