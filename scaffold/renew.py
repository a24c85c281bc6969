"""Renews a fork: ``make update`` of whatever age runs this, in the files of the new Groundwork.

``python -m scaffold.renew FORK BASE TARGET SOURCE CALLED [--dry-run]``: the fork's folder, in whose repository both
commits are; the commit of Groundwork that it stands on, and the one that it shall stand on; where that is from, and
what it is called. Older releases call it so: these arguments stay. It needs git, ruff and the standard library, since
the fork has not yet installed what the new Groundwork needs. Its exit code is 1 if a place has to be merged by hand.
"""

import os
import sys
from io import TextIOWrapper
from pathlib import Path, PurePosixPath

from scaffold.changelog import upgrade_notes
from scaffold.checkout import SHORT, Refused, git
from scaffold.renewal import Step, planned
from scaffold.snapshot import Snapshot, snapshot
from scaffold.source import Note, original_of
from scaffold.writing import UNDO, write

SHOWN = 40
"""How many commits of the log are shown."""
CHANGELOG = "CHANGELOG.md"


def renew(fork: Path, base: str, target: str, source: str, called: str, *, dry_run: bool) -> bool:
    """Plan, show and write the update. Return whether it has no conflicts. Raises: Refused (nothing is written)."""
    base = original_of(fork, base) or base  # an older release takes what a fork committed before `make fork` for ours
    ours, old, new = snapshot(fork, "HEAD"), snapshot(fork, base), snapshot(fork, target)
    steps = planned(ours, old, new, Note(source, target), called, _renamed(fork, base))
    _refuse_to_overwrite(fork, steps, ours)
    _show_log(fork, base, target, called)
    if notes := [*upgrade_notes(old.texts.get(CHANGELOG, ""), new.texts.get(CHANGELOG, ""))]:
        print("\nIn your fork:")
        print("\n".join(f"  {line}" for note in notes for line in note.splitlines()))
    print()
    for step in steps:
        print(f"{step.verb:>9}  {step.name}{step.said and f': {step.said}'}")
    conflicts = [step.name for step in steps if step.verb == "conflict"]
    kept = [step.name for step in steps if step.verb == "yours"]
    if kept:
        print("\nWhat is named 'yours' stays as you have it. What Groundwork did there:")
        print(f"  git diff {base[:SHORT]} {target[:SHORT]} -- {' '.join(dict.fromkeys(kept))}")
    if dry_run:
        print("\nThis was a dry run: nothing is written.")
        return not conflicts
    write(fork, steps, ours, old, new)
    if conflicts:
        print(f"\n{len(conflicts)} to merge by hand, as after git merge: {' '.join(conflicts)}")
        print("Edit what stands between <<<<<<< and >>>>>>>, and then: git add, or git rm")
    print(f"\nLook at it: git diff --staged. Then: make setup check, and commit. To undo all of it: {UNDO}")
    return not conflicts


def _refuse_to_overwrite(fork: Path, steps: list[Step], ours: Snapshot) -> None:
    """Refuse to write over what git does not have, or has at another place. Raises: Refused."""
    written = [step for step in steps if step.verb != "yours"]
    gone = {step.name for step in written if step.text is None}
    new = [step.name for step in written if step.text is not None and step.name not in ours]
    files = {str(place) for name in new for place in PurePosixPath(name).parents if not (fork / place).is_dir()}
    if in_the_way := sorted(name for name in {*new, *files} - gone if os.path.lexists(fork / name)):
        raise Refused(f"{', '.join(in_the_way)} would be overwritten: move it away first, by git mv if git has it.")
    flagged = (line for line in git(fork, "ls-files", "-v", "-z").split("\0") if line[:1].islower() or line[:1] == "S")
    hidden = {line[2:] for line in flagged} & {step.name for step in written}
    if names := " ".join(sorted(name for name in hidden if (fork / name).exists())):
        raise Refused(
            f"git is told to overlook how these are changed, which would be lost: {names}."
            f" Write: git update-index --no-skip-worktree {names}; git update-index --no-assume-unchanged {names}"
        )


def _renamed(fork: Path, base: str) -> dict[str, str]:
    """Return the files that the fork has renamed: by the old name, the new one."""
    found = git(fork, "diff", "--name-status", "-z", "--find-renames", "--diff-filter=R", base, "HEAD").split("\0")
    return dict(zip(found[1::3], found[2::3], strict=False))


def _show_log(fork: Path, base: str, target: str, called: str) -> None:
    shape = ["--no-color", "--no-show-signature", "--no-merges", f"--abbrev={SHORT}", "--format=%h %s"]
    lines = git(fork, "log", *shape, f"{base}..{target}").splitlines()
    print(f"From {base[:SHORT]} to {called}: {len(lines)} change{'s' if len(lines) != 1 else ''}")
    for line in lines[:SHOWN]:
        print(f"  {line}")
    if len(lines) > SHOWN:
        print(f"  and {len(lines) - SHOWN} others: git log {base[:SHORT]}..{target[:SHORT]}")


def main() -> None:
    """Run it."""
    fork, base, target, source, called, *flags = sys.argv[1:]
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name or a subject may have letters that can't be shown
    try:
        is_clean = renew(Path(fork), base, target, source, called, dry_run="--dry-run" in flags)
    except Refused as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(not is_clean)


if __name__ == "__main__":
    main()
