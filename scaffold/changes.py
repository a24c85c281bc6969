"""What a command is about to do to the files: all of it is planned before the first is written."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scaffold.checkout import Refused, git, tracked
from scaffold.texts import without


@dataclass
class Changes:
    """The files of a tree as they will be."""

    tree: Path
    _texts: dict[str, str | None] = field(default_factory=dict)

    def read(self, name: str) -> str:
        """Return what a file will hold."""
        text = self._texts[name] if name in self._texts else (self.tree / name).read_text()
        if text is None:
            raise FileNotFoundError(name)
        return text

    def write(self, name: str, text: str) -> None:
        """Plan the text of a file, which is written after all that was planned before."""
        self._texts.pop(name, None)
        self._texts[name] = text

    def remove(self, name: str) -> None:
        """Plan that a file is removed."""
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

    def refuse_to_lose(self, *replaced: str) -> None:
        """Refuse to remove, or to replace as a whole, what git does not have. Raises: Refused."""
        lost = [
            name
            for name, text in self._texts.items()
            if (self.tree / name).exists()
            and (text is None or (name in replaced and text != (self.tree / name).read_text()))
        ]
        if lost and (changed := git(self.tree, "diff", "HEAD", "--name-only", "--", *lost).split()):
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
