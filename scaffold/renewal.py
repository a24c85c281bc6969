"""What an update makes of each file of a fork: planned from the texts alone, before anything is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import PurePath
from typing import Literal

from scaffold.owners import owner_of
from scaffold.revisions import FOLDER, id_of, renumbered
from scaffold.settling import with_pins
from scaffold.snapshot import LISTS, Fork, Snapshot, as_in
from scaffold.source import OURS, Note, without_note
from scaffold.texts import laid_out
from scaffold.three_way import Merged, merge, merge_into_yours

Verb = Literal["create", "replace", "merge", "remove", "conflict", "yours"]
LINK = "120000"
"""The mode that git has for a link; its text is where it leads to."""
ALIKE = 0.5
"""How much of a file is left in another one for that to be the same, moved: as git has it."""


@dataclass(frozen=True)
class Step:
    """What becomes of one file."""

    verb: Verb
    name: str
    text: str | None
    """What it will hold; None: it goes."""
    said: str = ""
    """What else there is to know."""
    stages: tuple[str | None, str | None, str | None] | None = None
    """Of a conflict: the text of Groundwork before, the fork's, and that of Groundwork now."""


@dataclass
class Renewal:
    """The files that an update begins with."""

    ours: Snapshot
    base: Snapshot
    theirs: Snapshot
    lists: str
    """Whose each file is, as the new Groundwork has it."""
    new: str
    """What the new Groundwork is called."""
    renamed: Mapping[str, str]
    """The files that the fork has renamed: by the old name, the new one."""

    def plan(self) -> Iterator[Step]:
        """Yield what becomes of each file that Groundwork has changed. Raises: Refused (revisions have two heads)."""
        moved = dict(self._moved())
        for old, name in moved.items():
            for files in (self.base, self.ours):  # as write() sees them, too
                files.modes[name] = files.modes[old]
        for name in sorted({*self.base.names(), *self.theirs.names()} - moved.keys()):
            old = next((old for old, now in moved.items() if now == name), name)
            before, mine, now = self.base.texts.get(old), self.ours.texts.get(old), self.theirs.texts.get(name)
            is_new = (before != now and now != self.ours.texts.get(name)) or self._is_other_program(name)
            is_new_revision = name.startswith(FOLDER) and before is None and not self._is_known(now or "")
            if (is_new or old != name) and not is_new_revision and owner_of(name, self.lists) != "yours":
                yield from self._step(name, before, mine, now)
                if old != name:
                    yield Step("remove", old, None, f"moved to {name}")
        for name, text, behind in renumbered(self.ours.texts, self.base.texts, self.theirs.texts):
            yield Step("create", name, text, behind and f"behind {behind}")

    def _step(self, name: str, before: str | None, mine: str | None, now: str | None) -> Iterator[Step]:
        is_shared = owner_of(name, self.lists) == "shared"
        if before is None and mine is None and self._is_in_removed_folder(name):
            yield Step("yours", name, None, "you removed its folder")
        elif mine == before:
            yield Step("remove" if now is None else "create" if before is None else "replace", name, now)
        elif mine is None:
            place = self.renamed.get(name)
            yield Step("yours", name, None, f"you moved it to {place}" if place else "you removed it")
        elif now is None and is_shared:
            yield Step("conflict", name, mine, "you changed it, and it goes", (before, mine, None))
        elif now is None:
            yield Step("yours", name, mine, "it goes in Groundwork, and you changed it")
        elif self.ours.modes.get(name) == LINK and not is_shared:
            yield Step("yours", name, mine, "you made it a link")
        elif before is None and not is_shared:
            yield Step("yours", name, mine, "you wrote it, and Groundwork has a new one of this name")
        else:
            yield from (self._shared if is_shared else self._yours)(name, before or "", mine, now)

    def _is_known(self, revision: str) -> bool:
        """Whether a revision has only got another name, and the fork has not edited it."""
        known = (text for name, text in self.base.texts.items() if self.ours.texts.get(name) == text)
        return bool(id := id_of(revision)) and id in map(id_of, known)

    def _is_other_program(self, name: str) -> bool:
        """Whether only Groundwork has changed if a file is a program."""
        before, mine, now = (files.modes.get(name) for files in (self.base, self.ours, self.theirs))
        return name in self.ours and name in self.theirs and before == mine != now and LINK not in {mine, now}

    def _is_in_removed_folder(self, name: str) -> bool:
        """Whether a new file would stand in a folder that the fork has removed."""
        folders = [f"{folder}/" for folder in PurePath(name).parents[:-1]]
        before, now = (
            {folder for folder in folders if any(known.startswith(folder) for known in files.names())}
            for files in (self.base, self.ours)
        )
        return bool(before - now)

    def _shared(self, name: str, before: str, mine: str, now: str) -> Iterator[Step]:
        merged = merge(before, mine, now, self.new)
        if merged.conflicts:
            yield Step("conflict", name, merged.text, "", (before, mine, now))
        else:
            yield Step("merge", name, merged.text)

    def _yours(self, name: str, before: str, mine: str, now: str) -> Iterator[Step]:
        merged = merge_into_yours(name, before, mine, now)
        if merged.text != mine and name.endswith(".py") and laid_out(name, mine) == mine:
            merged = Merged(laid_out(name, merged.text), merged.conflicts)
        # it may have moved, and stay as you have it
        if merged.text != mine or name not in self.ours or self._is_other_program(name):
            yield Step("merge", name, merged.text)
        if merged.conflicts:
            places = "1 place that" if merged.conflicts == 1 else f"{merged.conflicts} places that"
            yield Step("yours", name, merged.text, f"{places} both have changed")

    def _moved(self) -> Iterator[tuple[str, str]]:
        """Find where the files went that the fork has edited: the old name, and the new one."""
        gone = [name for name in self.base.names() if name not in self.theirs and name in self.ours]
        new = [name for name in self.theirs.names() if name not in self.base and name not in self.ours]
        for old in gone:
            text = self.base.read(old)
            is_left = owner_of(old, self.lists) == "yours" or self.ours.modes.get(old) == LINK
            if self.ours.read(old) != text and not is_left:
                lines = text.splitlines()
                likeness = [(_likeness(lines, self.theirs.read(name).splitlines()), name) for name in new]
                share, name = max(likeness, default=(0.0, ""))
                if share >= ALIKE:
                    new.remove(name)
                    yield old, name


def planned(
    ours: Snapshot, base: Snapshot, target: Snapshot, note: Note, new: str, renamed: Mapping[str, str]
) -> list[Step]:
    """Plan an update.

    Args:
        ours: the fork's files.
        base: those of the commit of Groundwork that the fork stands on.
        target: those of the commit that it shall stand on.
        note: what it notes of it afterwards.
        new: what that commit is called.
        renamed: the files that the fork has renamed: by the old name, the new one.
    """
    lists = target.read(LISTS)
    fork = Fork.of(ours, base, lists)
    pyproject = ours.read("pyproject.toml")
    mine = Snapshot(ours.tree, {**ours.texts, "pyproject.toml": without_note(pyproject)}, modes=ours.modes)
    before = as_in(fork, base, lists)
    for name in base.names():  # in a fork that was not begun by `make fork`: what only Groundwork needs goes now
        if name not in before and owner_of(name, lists) == OURS and mine.texts.get(name) == base.read(name):
            before.write(name, base.read(name))
    steps = [*Renewal(mine, before, as_in(fork, target, lists), lists, new, renamed).plan()]
    merged = {**mine.texts, **{step.name: step.text for step in steps if step.text is not None}}
    pins = merged.get("constraints.txt")
    text = merged["pyproject.toml"] if pins is None else with_pins(merged["pyproject.toml"], pins)
    noted = Step("merge", "pyproject.toml", note.within(text, pyproject))
    left = [step for step in steps if step.name != "pyproject.toml" or step.verb == "yours"]
    return left if noted.text == pyproject else [noted, *left]


def _likeness(lines: list[str], others: list[str]) -> float:
    matcher = SequenceMatcher(None, lines, others, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= ALIKE else 0.0
