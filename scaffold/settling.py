"""Settles what is a list: requirements, pins and phony targets, where each entry stands for itself.

A merge of texts takes two changes in neighbouring lines for a conflict. So what Groundwork has changed in entries that
the fork has not is carried out before, in the fork's text and in the old one alike; and the new text gets the order of
the old one, since an order means nothing. The merge sees no difference there.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial

from scaffold.texts import PHONY

Key = tuple[str, str]
Entries = Callable[[list[str]], Iterator[tuple[int, Key]]]
"""Finds the entries of a list in lines: the number of each line, and the list and the name of the entry in it."""

_ARRAY = re.compile(r"([\w-]+) = \[\s*$")
_REQUIREMENT = re.compile(r"\s*\"([A-Za-z0-9][\w.-]*)[^\"]*\",?\s*(#.*)?$")
_WITHOUT_COMMA = re.compile(r"^(\s*\"[^\"]*\")(?!,)")
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(\[.*\])?==")


def with_pins(pyproject: str, constraints: str) -> str:
    """Return ``pyproject.toml`` with the copy of ``constraints.txt`` that ``uv sync`` reads."""
    pins = "".join(f"    {json.dumps(line)},\n" for line in pins_in(constraints))
    return re.sub(r"(?<=^constraint-dependencies = \[\n)(?: .*\n)*", lambda _: pins, pyproject, flags=re.MULTILINE)


def pins_in(constraints: str) -> list[str]:
    """Return the lines of ``constraints.txt`` without its comments and options."""
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in constraints.splitlines()]
    return [line for line in lines if line and not line.startswith("-")]


def _requirements(lines: list[str]) -> Iterator[tuple[int, Key]]:
    array = ""
    for number, line in enumerate(lines):
        if opened := _ARRAY.match(line):
            array = opened[1]
        elif line.startswith(("]", "[")):
            array = ""
        elif array and (found := _REQUIREMENT.match(line)):
            yield number, (array, _canonical(found[1]))


def _pins(lines: list[str]) -> Iterator[tuple[int, Key]]:
    for number, line in enumerate(lines):
        if found := _PIN.match(line):
            yield number, ("", _canonical(found[1]))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class _Lines:
    """A text whose entries can be replaced, removed and added."""

    def __init__(self, text: str, entries: Entries) -> None:
        self.lines = text.splitlines(keepends=True)
        self._entries = entries

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def places(self) -> dict[Key, int]:
        return {key: number for number, key in self._entries(self.lines)}

    def get(self, key: Key) -> str | None:
        number = self.places.get(key)
        return None if number is None else self.lines[number].strip().rstrip(",")

    def put(self, key: Key, line: str | None, before: list[Key]) -> None:
        """Let an entry be this line, or none. A new one comes after the last of those before it that is there."""
        places = self.places
        there = [places[other] for other in before if other in places]
        if key in places:
            self.lines[places[key] : places[key] + 1] = [] if line is None else [line]
        elif line is not None and there:
            ended = f"{self.lines[there[-1]].rstrip()}\n"
            self.lines[there[-1] : there[-1] + 1] = [_WITHOUT_COMMA.sub(r"\1,", ended), line]
        elif line is not None and (others := [number for (name, _), number in places.items() if name == key[0]]):
            self.lines.insert(others[0], line)

    def in_order(self, keys: list[Key]) -> str:
        """Return the text with its entries in this order, each list by itself."""
        places, lines = self.places, [*self.lines]
        for name in {name for name, _ in keys}:
            there = [key for key in keys if key[0] == name and key in places]
            for number, key in zip(sorted(places[key] for key in there), there, strict=True):
                lines[number] = self.lines[places[key]]
        return "".join(lines)


def _settle(entries: Entries, base: str, ours: str, theirs: str) -> tuple[str, str, str, int]:
    before, mine, now = (_Lines(text, entries) for text in (base, ours, theirs))
    keys, kept = [*now.places], 0
    for key in {**now.places, **before.places}:
        was, is_, own = before.get(key), now.get(key), mine.get(key)
        if was == is_:
            continue
        line = None if is_ is None else now.lines[now.places[key]]
        above = [other for other in keys[: keys.index(key) if key in keys else 0] if other[0] == key[0]]
        before.put(key, line, above)
        if own == was:
            mine.put(key, line, above)
            has_place = before.get(key) == is_
            kept += has_place and mine.get(key) != is_  # the fork's list is gone, or has nothing left
        elif own not in {is_, None}:
            kept += 1
    return before.text, mine.text, now.in_order([*before.places]), kept


def _targets(base: str, ours: str, theirs: str) -> tuple[str, str, str, int]:
    found = [PHONY.search(text) for text in (base, ours, theirs)]
    before, mine, now = ([word for word in line[0].split() if word != "\\"] if line else [] for line in found)
    if not (before and mine and now):
        return base, ours, theirs, 0
    left = [word for word in mine if word in now or word not in before]
    words = [*left, *(word for word in now if word not in before and word not in mine)]
    line = found[1][0] if found[1] and words == mine else " ".join(words)
    base, ours, theirs = (PHONY.sub(lambda _: line, text, count=1) for text in (base, ours, theirs))
    return base, ours, theirs, 0


SETTLED: dict[str, Callable[[str, str, str], tuple[str, str, str, int]]] = {
    "Makefile": _targets,
    "constraints.txt": partial(_settle, _pins),
    "pyproject.toml": partial(_settle, _requirements),
}
"""By file: what settles its list. It takes the old text, the fork's and the new one, and returns all three and how many
entries both have changed: the fork's stay."""
