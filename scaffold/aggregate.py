"""``make aggregate``: an aggregate in every layer, with its commands, its revision and its tests, and registered."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from adapters.seedwork.settings import PROJECT
from scaffold.changes import verb_of, write
from scaffold.checkout import Refused, project
from scaffold.house import RECORD, draft, record, recorded, revision_in, revisions_of, run, text_of
from scaffold.planning import planned, too_wide
from scaffold.registering import registered
from scaffold.rendering import Aggregate


def main(_tree: Path, arguments: list[str]) -> None:
    """Write an aggregate. Raises: Refused (nothing is written)."""
    name, fields = name_and_fields("aggregate", "chart_number:str(20):unique born:date", arguments)
    aggregate, files = planned(name, fields)
    objections = list(_in_the_way(aggregate, files))
    try:
        pages = registered(aggregate)
        objections += too_wide(pages)
    except Refused as error:
        objections += error.args
    if objections:
        raise Refused(*objections)
    revisions = {path: text_of(path) for path in revisions_of(aggregate.plural)}
    # the record comes first: whatever was written when the program is killed, `make remove` takes back
    noted = {RECORD: record(recorded() | {name: " ".join(fields.split())}), **files}
    texts = {**noted, **revisions, **pages}
    if not revisions or any(verb_of(PROJECT / path, text) != "identical" for path, text in texts.items()):
        with draft(texts) as tree:
            run(tree, "ruff", "check", "--quiet", *files)
            if not revisions:
                revisions = dict([revision_in(tree, f"create {aggregate.titles}")])
    write(PROJECT, {**noted, **revisions, **pages})
    commands = f"{project(PROJECT).name} {aggregate.group} --help"
    print(f"\nNext:\n  alembic upgrade head\n  make check\nThe commands: {commands}")


def name_and_fields(command: str, example: str, arguments: list[str]) -> tuple[str, str]:
    """Return what a command was given: a name in lower_snake_case, and fields in the language of ``language.py``."""
    parser = argparse.ArgumentParser(prog=f"python -m scaffold {command}")
    parser.add_argument("name")
    parser.add_argument("fields", help=f"as in: '{example}'")
    given = parser.parse_args(arguments)
    return given.name, given.fields


def _in_the_way(aggregate: Aggregate, files: dict[str, str]) -> Iterator[str]:
    remove = f"make remove name={aggregate.name}, or " if aggregate.name in recorded() else ""
    for path, text in files.items():
        if text_of(path) not in {None, text}:
            yield (
                f"{path} is there already, and is not what would be written. Try: {remove}name={aggregate.name}_record"
            )
