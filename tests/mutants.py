"""Breaks the house on purpose, one rule at a time, and sees the contract suite notice. ``make mutants`` runs it.

Each mutant is a change of a copy of the house; the working tree is never touched. It must be killed: some contract test
on memory or SQLite fails. One that survives shows a rule that nothing tries.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
COPIED = ("domain", "service_layer", "adapters", "migrations", "tests", "pyproject.toml")
# the state machine finds all of these too, but takes its time to tell them in few words
SUITE = [f"tests/contract/test_{name}.py" for name in ("unit_of_work", "repositories", "users", "user_import")]

PORT, SESSION, UNITS = "service_layer/unit_of_work.py", "adapters/session.py", "adapters/unit_of_work.py"
ENGINE, FAKE, USERS = "adapters/database.py", "adapters/memory.py", "service_layer/users.py"


@dataclass(frozen=True)
class Mutant:
    """A rule that is broken: in a file, the text that keeps it, and what stands there instead."""

    name: str
    file: str
    old: str
    new: str


def forgotten_commit(function: str, before: str) -> Mutant:
    """The use case does its work, and never commits."""
    indent = before[: len(before) - len(before.lstrip())]
    return Mutant(f"{function} forgets to commit", USERS, f"{before}\n{indent}uow.commit()\n", f"{before}\n")


MUTANTS = (
    Mutant("the session is never closed", UNITS, "            session.close()\n", "            pass\n"),
    Mutant("the connection is never given back", UNITS, "            connection.close()\n", "            pass\n"),
    Mutant(
        "one session serves for the object's life",
        UNITS,
        "session = self._session_factory()",
        "session = self.__dict__.setdefault('life', self._session_factory())",
    ),
    Mutant(
        "leaving a block commits it",
        PORT,
        "        unfinished, lost_changes = ",
        "        if error is None and block.state is State.OPEN and not block.read_only and not block.failure:\n"
        "            self.commit()\n"
        "        unfinished, lost_changes = ",
    ),
    Mutant("an inner block is not rolled back", PORT, "            self._rollback()\n", "            self._commit()\n"),
    Mutant(
        "the outermost block is not rolled back",
        PORT,
        "            self._close()\n",
        "            if block.state is State.OPEN and not block.read_only:\n"
        "                self._commit()\n"
        "            self._close()\n",
    ),
    Mutant(
        "entities expire at the commit", SESSION, "            self._let_go()\n\n", "            self.expire_all()\n\n"
    ),
    Mutant(
        "an inner block is no savepoint",
        SESSION,
        "self.begin_nested() if self._blocks else self.begin()",
        "self._blocks[-1][0] if self._blocks else self.begin()",
    ),
    Mutant(
        "SQLite writes in a reading block",
        ENGINE,
        '        _execute(dbapi_connection, f"PRAGMA query_only={read_only:d}")\n',
        "",
    ),
    Mutant(
        "a reader on SQLite waits for the writer",
        ENGINE,
        '"BEGIN IMMEDIATE" if session and not read_only else "BEGIN"',
        '"BEGIN IMMEDIATE"',
    ),
    Mutant(
        "the fake writes in a reading block",
        FAKE,
        "if self.is_read_only:\n                raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)\n            rows",
        "rows",
    ),
    Mutant(
        "a reading block may leave changed entities",
        PORT,
        "        if lost_changes and block.read_only:\n",
        "        if False:\n",
    ),
    Mutant(
        "a swallowed failure is forgotten", PORT, "        if block.failure and not failed:\n", "        if False:\n"
    ),
    Mutant("a finished block goes on", PORT, "        if block.state is not State.OPEN:\n", "        if False:\n"),
    Mutant("any thread may enter an open unit", PORT, "        if self._owner != caller:\n", "        if False:\n"),
    Mutant(
        "lost changes are not warned of",
        PORT,
        "            warnings.warn(UncommittedChanges(), stacklevel=3)\n",
        "            pass\n",
    ),
    Mutant("the version is not mapped", "adapters/users.py", ", version_id_col=users.c.version", ""),
    Mutant(
        "a change of a part leaves the version", SESSION, "        self._touch_roots(dirty, [", "        print(dirty, ["
    ),
    Mutant("the fake hands out what it stores", FAKE, "self._held[key] = deepcopy(row)", "self._held[key] = row"),
    Mutant("the fake stores what it was handed", FAKE, " = deepcopy(entity)\n", " = entity\n"),
    Mutant("the fake takes a value twice", FAKE, "if value is not None and value in ", "if None and value in "),
    Mutant("the fake lets everybody write at once", FAKE, "not self._store.writer.acquire(", "not bool("),
    forgotten_commit("register_user", "            uow.users.add(user)"),
    forgotten_commit("rename_user", "        user.rename(name)"),
    forgotten_commit("change_user_age", "        user.change_age(age)"),
    forgotten_commit("change_user_email", "        user.change_email(None if email is None else EmailAddress(email))"),
    forgotten_commit("remove_user", "        uow.users.remove(user)"),
    forgotten_commit("import_users, for a batch,", "                    uow.users.insert_many(users.values())"),
    Mutant(
        "import_users forgets to commit",
        USERS,
        "                    refused(row, reason)\n        uow.commit()\n",
        "                    refused(row, reason)\n",
    ),
)


def survives(mutant: Mutant, house: Path) -> bool:
    """Tell whether the suite passes on the mutant."""
    file = house / mutant.file
    text = file.read_text()
    if mutant.old not in text:
        raise SystemExit(f"'{mutant.name}': {mutant.file} has changed, so adapt the mutant. Not found:\n{mutant.old}")
    file.write_text(text.replace(mutant.old, mutant.new))
    try:
        return run_suite(house)
    finally:
        file.write_text(text)


def run_suite(house: Path) -> bool:
    """Tell whether the contract suite passes."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not postgresql", *SUITE]
    return subprocess.run(command, cwd=house, capture_output=True, timeout=300, check=False).returncode == 0


def main() -> int:
    """Try each mutant; return 1 if one survived."""
    with tempfile.TemporaryDirectory() as folder:
        house = Path(folder)
        for name in COPIED:
            (shutil.copytree if (HOUSE / name).is_dir() else shutil.copy)(HOUSE / name, house / name)
        if not run_suite(house):
            raise SystemExit("The suite fails on the house as it is: mend that first.")
        survivors = 0
        for mutant in MUTANTS:
            survived = survives(mutant, house)
            survivors += survived
            print("SURVIVED" if survived else "killed  ", mutant.name, flush=True)
    print(f"{len(MUTANTS) - survivors} of {len(MUTANTS)} mutants killed")
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main())
