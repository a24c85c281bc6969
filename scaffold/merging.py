"""Carries what changes between two generated texts over to a file that somebody may have edited since."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

Lines = list[str]


@dataclass(frozen=True)
class Hunk:
    """Lines that change."""

    before: Lines
    """All lines above."""
    old: Lines
    new: Lines

    def applied_to(self, lines: Lines) -> Lines | None:
        """Return lines with the change, which they may have already; None where its place is not found."""
        if not self.before and not self.old:  # right below the imports
            return lines if lines[: len(self.new)] == self.new else [*self.new, *lines]
        for length in range(len(self.before) + 1):
            context = self.before[len(self.before) - length :]
            places = _places(lines, context + self.old)
            if len(places) == 1 and (context or self.old):
                start = places[0] + len(context)
                if not self.old and lines[start : start + len(self.new)] == self.new:
                    return lines
                return [*lines[:start], *self.new, *lines[start + len(self.old) :]]
            if not places:
                return lines if self.old and _places(lines, self.before[-1:] + self.new) else None
        return None

    def __str__(self) -> str:
        where = ("in the place of", self.old) if self.old else ("below", self.before[-1:])
        return "\n".join([f"  {where[0]}", *_indented(where[1]), "  write", *_indented(self.new)])


def merged(old: str, new: str, now: str) -> tuple[str, list[Hunk]]:
    """Return a file with what differs between two generated texts, and the changes whose place was not found.

    Args:
        old: what was generated.
        new: what would be generated now; imports that it has more stand below the others, for ruff to sort.
        now: the file.
    """
    imports, body = parted(now)
    missing = []
    for hunk in reversed(list(_hunks(parted(old)[1], parted(new)[1]))):
        if (applied := hunk.applied_to(body)) is None:
            missing.append(hunk)
        else:
            body = applied
    added = [line for line in _statements(new) if line not in _statements(old)]
    return "\n".join([*imports, *added, *body]) + "\n", missing[::-1]


def parted(text: str) -> tuple[Lines, Lines]:
    """Return the lines up to the last import, and those that follow."""
    lines = text.splitlines()
    last = max((node.end_lineno or 0 for node in _imports(text)), default=0)
    return lines[:last], lines[last:]


def _hunks(old: Lines, new: Lines) -> Iterator[Hunk]:
    for kind, i, j, k, m in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield Hunk(old[:i], old[i:j], new[k:m])


def _places(lines: Lines, block: Lines) -> list[int]:
    return [start for start in range(len(lines) - len(block) + 1) if lines[start : start + len(block)] == block]


def _statements(text: str) -> Lines:
    return [ast.unparse(node) for node in _imports(text)]


def _imports(text: str) -> list[ast.stmt]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]


def _indented(lines: Lines) -> Lines:
    return [f"    {line}" for line in lines]
