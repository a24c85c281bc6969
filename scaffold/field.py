"""``make field``: an aggregate that was generated gets more fields, with a revision that works on a table with rows."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from adapters.seedwork.settings import PROJECT
from scaffold.aggregate import name_and_fields
from scaffold.changes import write
from scaffold.checkout import Refused
from scaffold.fields import Fields
from scaffold.house import RECORD, draft, generated, key_of, marked, record, recorded, revision_in, run, text_of
from scaffold.language import parse, tokens
from scaffold.merging import Hunk, merged
from scaffold.planning import planned
from scaffold.rendering import Aggregate, formatted, render

READS_THE_TABLE = {
    "constraint-missing-not-valid": ("create_check_constraint", "create_foreign_key", "create_unique_constraint"),
    "adding-foreign-key-constraint": ("create_foreign_key",),
    "require-concurrent-index-creation": ("create_index",),
    "disallowed-unique-constraint": ("create_unique_constraint",),
}
"""By a rule of the lint: what a revision does with a new column for which it asks whether it may."""


def main(_tree: Path, arguments: list[str]) -> None:
    """Add fields to an aggregate, and print what has to be done by hand. Raises: Refused (nothing is written)."""
    name, fields = name_and_fields("field", "vip:bool:default=false seen:datetime:optional", arguments)
    before = generated(name)
    there = Aggregate.of(name, before)
    if not tokens(fields):
        raise Refused(f'No field is named. Try: make field name={name} fields="vip:bool:default=false"')
    added = [token for token in tokens(fields) if token not in tokens(before)]
    aggregate, new = _planned(there, before, added)
    texts, by_hand = _merged(name, render(there), new)
    columns = [field.name for field in aggregate.fields[len(there.fields) :]]
    what = " and ".join(columns).replace("_", " ") if len(columns) < 3 else f"{len(columns)} fields"
    message = f"add {what} to {aggregate.titles}"
    revision_by_hand = any(not path.startswith("tests/") for path in by_hand)
    if columns and not revision_by_hand:
        with draft(texts) as tree:
            run(tree, "ruff", "check", "--quiet", *(path for path in texts if path not in by_hand))
            path, text = revision_in(tree, message)
        if "op." in text:
            texts[path] = marked(text, *_markers(text, key_of(aggregate.plural)[0]))
    write(PROJECT, {**texts, RECORD: record(recorded() | {name: " ".join([before, *added])})})
    if not added:
        return
    if not by_hand:
        print("\nNext:\n  alembic upgrade head\n  make check")
        return
    print("\nThe rest is yours to write. You edited these places, or an older release wrote them in other words:")
    for path, hunks in by_hand.items():
        print(f"\n{path}", *hunks, sep="\n")
    print("\nThen:\n  alembic upgrade head")
    if revision_by_hand:
        print(f'  alembic revision --autogenerate --message "{message}"\n  alembic upgrade head')
    print("  make check")
    sys.exit(1)


def _planned(there: Aggregate, before: str, added: list[str]) -> tuple[Aggregate, dict[str, str]]:
    given, names = parse(" ".join(added), there.name)[0], {field.name for field in there.fields}
    objections = list(_objections(given, names))
    if names & {field.name for field in given.fields}:
        raise Refused(*objections)
    try:
        aggregate, new = planned(there.name, " ".join([before, *added]), is_there=True)
    except Refused as error:
        raise Refused(*objections, *error.args) from None
    if objections:
        raise Refused(*objections)
    return aggregate, new


def _merged(name: str, old: dict[str, str], new: dict[str, str]) -> tuple[dict[str, str], dict[str, list[Hunk]]]:
    texts: dict[str, str] = {}
    by_hand: dict[str, list[Hunk]] = {}
    for path, text in new.items():
        now = text_of(path)
        if now is None:
            raise Refused(
                f"{path} is not there any more. If you renamed {name}, write its new name in {RECORD}, also in each"
                f" ref({name}). If it got lost, bring it back by: git restore {path}"
            )
        texts[path], missing = merged(old[path], text, now)
        if missing:
            by_hand[path] = missing
    return formatted(texts), by_hand


def _objections(added: Fields, there: set[str]) -> Iterator[str]:
    for key in added.keys:
        yield f"unique({','.join(key)}): rows that are there may break it. Write a revision of your own for it."
    for field in added.fields:
        if field.name in there:
            yield f"{field.name} is a field already: this adds new ones. To change it, see docs/migrations.md"
        elif field.is_required:
            yield f"{field.name} would be missing in the rows that are there. Try :optional, or :default=..."
        elif field.unique and not field.optional:
            yield f"{field.name} would be the same in all rows that are there. Try :unique:optional"


def _markers(revision: str, table: str) -> list[str]:
    """Return the markers that the lint asks for where the table that is there changes."""
    reason = "the column is new, and the table is read once, under the lock that adds it"
    upgrade = revision.partition("def downgrade")[0]
    changed = "".join(re.findall(rf'op\.batch_alter_table\("{table}".*\n(?: {{8}}.*\n|\n)+', upgrade))
    return [
        f"{rule}: {reason}" for rule, calls in READS_THE_TABLE.items() if any(f".{call}(" in changed for call in calls)
    ]
