"""Writes what was planned into a fork, so that one command undoes it, however far it came."""

from pathlib import Path
from tempfile import TemporaryDirectory

from scaffold.changes import remove_empty_folders
from scaffold.checkout import git
from scaffold.renewal import Step
from scaffold.snapshot import Snapshot

UNDO = "git reset --hard"
PROGRAM = "100755"
"""The mode that git has for a program."""
NO_ID = "0" * 40


def write(tree: Path, steps: list[Step], ours: Snapshot, base: Snapshot, theirs: Snapshot) -> None:
    """Write.

    Git's index is first, and changes at once; then come the files. So git knows of every file that is written, also
    when the program is killed: what resets the index resets all of them.
    """
    changed = [step for step in steps if step.verb != "yours"]
    texts = sorted({text for step in changed for text in (step.text, *(step.stages or ())) if text is not None})
    ids = dict(zip(texts, _stored(tree, texts), strict=True))
    entries, modes = [], dict[str, str]()
    for step in changed:
        before, mine, now = (files.modes.get(step.name) for files in (base, ours, theirs))
        is_yours = mine and before not in {None, mine}
        mode = modes[step.name] = (mine if is_yours else now) or mine or "100644"
        entries.append(f"0 {NO_ID}\t{step.name}")
        if step.stages:
            staged = enumerate(zip(step.stages, (before, mine, now), strict=True), 1)
            entries += [f"{own or mode} {ids[text]} {n}\t{step.name}" for n, (text, own) in staged if text is not None]
        elif step.text is not None:
            entries.append(f"{mode} {ids[step.text]}\t{step.name}")
    git(tree, "update-index", "-z", "--index-info", fed="\0".join([*entries, ""]))
    for step in changed:
        if step.text is None:  # first, since a folder may come in its place
            (tree / step.name).unlink(missing_ok=True)
            remove_empty_folders(tree, (tree / step.name).parent)
    clean = [step.name for step in changed if step.text is not None and not step.stages]
    git(tree, "checkout-index", "--force", "--quiet", "-u", "-z", "--stdin", fed="\0".join([*clean, ""]))
    for step in changed:
        if step.stages and step.text is not None:
            file = tree / step.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # a link would be followed
            file.write_bytes(step.text.encode("utf-8", "surrogateescape"))
            if modes[step.name] == PROGRAM:
                file.chmod(0o755)


def _stored(tree: Path, texts: list[str]) -> list[str]:
    """Store texts as git's objects, and return their ids."""
    with TemporaryDirectory() as folder:
        names = []
        for number, text in enumerate(texts):
            file = Path(folder, str(number))
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
            names.append(str(file))
        listed = "\n".join([*names, ""])
        return git(tree, "hash-object", "-w", "--no-filters", "--stdin-paths", fed=listed).split()
