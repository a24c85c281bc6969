"""Drops the sample: users leave every layer, the schema, the tests and the pages of a fork."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from adapters.seedwork.settings import PROJECT, explain
from adapters.settings import Settings
from scaffold.changes import Changes
from scaffold.checkout import Refused, project, tracked, untracked
from scaffold.constraints import still_needed
from scaffold.house import marked
from scaffold.leaving import REPORTS, REVISION, TABLE, leave_revision, leave_sample, module_of
from scaffold.owners import files_of
from scaffold.revisions import FOLDER, heads_of, id_of, turned_round
from scaffold.settling import with_pins
from tests.seedwork.forgetting import REGISTRATIONS, forget

KEEP_HISTORY = "--keep-history"
MARKER = "ban-drop-table: no release reads or writes the sample's table"


def main(tree: Path, arguments: list[str]) -> None:
    """Drop the sample. Raises: Refused (this is no fork; something of yours still uses the sample)."""
    if set(arguments) - {KEEP_HISTORY}:
        raise Refused("Write: make drop-sample, or make drop-sample keep-history=1")
    if not project(tree).commit:
        raise Refused("This is Groundwork, whose sample stays. Begin a fork first: make fork name=clinic")
    if not files_of("sample", [name for name in tracked(tree) if not name.startswith("migrations/")]):
        print("The sample is gone already.")
        return
    keeps_history = KEEP_HISTORY in arguments
    changes = planned(tree, keeps_history=keeps_history)
    changes.refuse_to_lose()
    if not keeps_history:
        drop_table(tree / "app.db")
    changes.apply()
    print("\nPages that showed users alone went with them, such as most recipes; Groundwork still has them.")
    print("Now run: make setup check, and commit.")


def planned(tree: Path, *, keeps_history: bool) -> Changes:
    """Plan all that goes. Raises: Refused, with all objections."""
    changes = Changes(tree)
    names = changes.names()
    sample = files_of("sample", names)
    present = [*names, *untracked(tree)]
    revisions = [name for name in present if name.startswith(FOLDER) and name.endswith(".py")]
    objections = [*_objections(changes, sample, present, revisions)]
    if not keeps_history and not _is_on_app_db():
        objections.append(
            "DATABASE_URL names a database that is not app.db, and the sample's revision may be known there."
            " Write: make drop-sample keep-history=1"
        )
    if objections:
        raise Refused(*objections)
    (_drop_by_a_revision if keeps_history else leave_revision)(changes, revisions)
    leave_sample(changes, [name for name in sample if name not in revisions])
    text = changes.read("pyproject.toml")
    pinned = still_needed(changes.read("constraints.txt"), text)
    changes.write("constraints.txt", pinned)
    changes.write("pyproject.toml", with_pins(text, pinned))
    return changes


def _is_on_app_db() -> bool:
    try:
        return Settings().migration_url.database == str(PROJECT / "app.db")
    except ValidationError as error:
        raise Refused(explain(error)) from error


def _objections(changes: Changes, sample: list[str], present: list[str], revisions: list[str]) -> Iterator[str]:
    gone = {module_of(name) for name in sample if name.endswith(".py")}
    edited = {*sample, *REGISTRATIONS, *REPORTS}
    for name in present:
        if name.endswith(".py") and name not in edited and not name.startswith("scaffold/"):
            text = changes.read(name)
            if forget(text, gone) != text:
                yield f"{name} uses the sample: let it use something of yours first."
    for name in revisions:
        if name not in sample and re.search(rf"[\"'\s.]{TABLE}[\"'\s.(]", changes.read(name)):
            yield f"{name} names the table {TABLE}: take that out, or keep the sample."


# ---- schema ---------------------------------------------------------------------------------------------------------


def drop_table(file: Path) -> None:
    """Take the table and the note of its revision out of the development's database, in one transaction.

    Raises: Refused (the database can't be used).
    """
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file, timeout=5, isolation_level=None)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if TABLE not in tables:
                return
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"DROP TABLE {TABLE}")
            connection.execute("DELETE FROM alembic_version WHERE version_num = ?", (REVISION,))
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise Refused(f"{file.name} can't be changed ({error}): close what uses it.") from error
    print(f"{'drop':>9}  table {TABLE} of {file.name}")


def _drop_by_a_revision(changes: Changes, revisions: list[str]) -> None:
    """Write a revision after the newest one that does what the sample's undoes, and the reverse."""
    texts = {id_of(text): text for text in map(changes.read, revisions)}
    heads = heads_of(texts.values())
    if REVISION not in texts:
        raise Refused(
            f"The sample's revision, {REVISION}, is not there. Bring its file back: git checkout COMMIT -- {FOLDER}"
        )
    if len(heads) != 1:
        raise Refused(f"The revisions have {len(heads)} heads. Write first: alembic merge heads")
    now, revision = datetime.now(UTC), uuid4().hex[-12:]
    text = re.sub(r'^""".*"""', f'"""drop {TABLE}"""', turned_round(texts[REVISION]))
    text = text.replace(f'revision: str = "{REVISION}"', f'revision: str = "{revision}"', 1)
    text = re.sub(r"^(down_revision: .* = ).*$", rf'\1"{heads[0]}"', text, flags=re.MULTILINE)
    changes.write(f"{FOLDER}{now:%Y%m%d_%H%M}_{revision}_drop_{TABLE}.py", marked(text, MARKER))
