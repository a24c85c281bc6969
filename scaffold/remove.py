"""``make remove``: an aggregate goes from every layer, with its registrations and its tables."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from pydantic import ValidationError

from adapters.seedwork.settings import PROJECT, explain
from adapters.seedwork.sqlalchemy.schema import schema_status
from adapters.settings import Settings
from scaffold.changes import write
from scaffold.checkout import Refused, git
from scaffold.house import (
    RECORD,
    draft,
    generated,
    key_of,
    marked,
    record,
    recorded,
    revision_in,
    revisions_of,
    run,
    text_of,
)
from scaffold.registering import PAGES, unregistered
from scaffold.rendering import Aggregate, render
from service_layer.seedwork.errors import TransactionError

FOLDERS = ("domain", "service_layer", "adapters", "tests", "docs")
MARKER = "ban-drop-table: the aggregate was removed, and no release reads or writes it any more"


def main(_tree: Path, arguments: list[str]) -> None:
    """Remove an aggregate. Raises: Refused (nothing is removed)."""
    parser = argparse.ArgumentParser(prog="python -m scaffold remove")
    parser.add_argument("name")
    parser.add_argument("--force", action="store_true", help="remove what was edited too")
    given = parser.parse_args(arguments)
    name: str = given.name
    aggregate = Aggregate.of(name, generated(name))
    objections = list(_referring(aggregate))
    if not given.force:
        objections += _edited(aggregate)
    if objections:
        raise Refused(*objections)
    left = {other: fields for other, fields in recorded().items() if other != name}
    gone = [path for path in aggregate.files if text_of(path) is not None]
    texts: dict[str, str | None] = {}
    if uncommitted := _undoable(aggregate):
        _take_back(uncommitted)
        texts |= dict.fromkeys(map(_path_of, uncommitted))
    elif revisions_of(aggregate.plural):
        tables = (aggregate.plural, *(part.part_table for part in aggregate.parts))
        with draft({}) as tree:
            path, text = revision_in(tree, f"drop {aggregate.titles}", *tables)
        texts[path] = marked(text, MARKER)
    # the record goes last: what was killed can be repeated
    texts |= {**unregistered(aggregate), **dict.fromkeys(gone), RECORD: record(left)}
    write(PROJECT, texts)
    print("\nNext:\n  " + ("make check" if uncommitted else "alembic upgrade head\n  make check"))


def _edited(aggregate: Aggregate) -> Iterator[str]:
    for path, text in render(aggregate).items():
        if text_of(path) not in {None, text}:
            yield (
                f"{path} is not as it would be written now: you edited it, or an older release wrote it. To remove it"
                f" all the same: make remove name={aggregate.name} force=1"
            )


def _referring(aggregate: Aggregate) -> Iterator[str]:
    own = {*aggregate.files, *PAGES}
    for name, fields in recorded().items():
        other = Aggregate.of(name, fields)
        if name != aggregate.name and any(ref.arguments == (aggregate.name,) for ref in other.refs):
            own.update(other.files)
            yield f"{name} refers to {aggregate.name}. Try first: make remove name={name}"
    modules = f"{aggregate.name}|{aggregate.plural}"
    uses = re.compile(
        rf"\bdomain\.{aggregate.name}\b|\b(adapters|adapters\.cli|service_layer)\.{aggregate.plural}\b"
        rf"|\bfrom (adapters|adapters\.cli|service_layer) import [^\n]*\b({modules})\b"
        rf'|ForeignKey\("{key_of(aggregate.plural)[0]}\.'
    )
    for file in sorted(file for folder in FOLDERS for file in (PROJECT / folder).rglob("*.py") if file.is_file()):
        path = file.relative_to(PROJECT).as_posix()
        if path not in own and {"seedwork", "scaffold"}.isdisjoint(file.parts) and uses.search(file.read_text()):
            yield f"{path} uses {aggregate.name}. Take it out there first."


def _undoable(aggregate: Aggregate) -> list[Script]:
    """Return its revisions, the newest first, if none was ever committed and no other one follows."""
    script = ScriptDirectory.from_config(Config(toml_file=PROJECT / "pyproject.toml"))
    created = revisions_of(aggregate.plural)
    found: list[Script] = []
    for revision in script.walk_revisions():
        is_its_own = f'"{aggregate.plural}"' in Path(revision.path).read_text()
        if not is_its_own or _is_committed(_path_of(revision)):
            return []
        found.append(revision)
        if _path_of(revision) in created:
            return found
    return []


def _path_of(revision: Script) -> str:
    return Path(revision.path).relative_to(PROJECT).as_posix()


def _is_committed(path: str) -> bool:
    # any commit of any branch: a revision that was taken back may have run somewhere all the same
    try:
        return bool(git(PROJECT, "log", "--all", "--max-count=1", "--format=%h", "--", path).strip())
    except Refused:  # without git nobody knows
        return True


def _take_back(revisions: list[Script]) -> None:
    """Let the development database go back to before revisions, if it has them."""
    try:
        current = schema_status(Settings()).current
    except ValidationError as error:
        raise Refused(explain(error)) from error
    except TransactionError as error:
        raise Refused(f"Nothing is removed, since nobody can see if the database has its revisions: {error}") from error
    if {revision.revision for revision in revisions} & {*current}:
        run(PROJECT, "alembic", "downgrade", str(revisions[-1].down_revision or "base"))
