"""Revisions as texts: their ids and heads, how those of Groundwork come behind those of a fork, and their reverse."""

import re
from collections.abc import Iterable, Iterator, Mapping

from scaffold.checkout import Refused

FOLDER = "migrations/versions/"


def renumbered(
    ours: Mapping[str, str], base: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield each revision that Groundwork has got: its file, its text, and the revision that it was put behind, if any.

    Args:
        ours: the fork's files.
        base: Groundwork's files before.
        theirs: Groundwork's files now.
    Raises: Refused (the fork's revisions have two heads).
    """
    mine = [text for name, text in ours.items() if name.startswith(FOLDER)]
    known = {*map(id_of, mine)}
    new = {
        id: (name, text)
        for name, text in theirs.items()
        if name.startswith(FOLDER) and name not in base and (id := id_of(text)) not in known
    }
    heads = heads_of(mine)
    if new and len(heads) > 1:
        raise Refused(
            f"Your revisions have {len(heads)} heads, and Groundwork has a new one to put behind them. Write: alembic"
            " merge heads, and commit"
        )
    head = f'"{heads[0]}"' if heads else "None"
    for name, text in new.values():
        follows_a_new_one = any(f'"{id}"' in _before(text) for id in new)
        if follows_a_new_one or _before(text).strip() == head:
            yield name, text, ""
        else:
            line = r"^(down_revision\b.*? = ).*$"
            yield name, re.sub(line, rf"\g<1>{head}", text, count=1, flags=re.MULTILINE), head.strip('"')


def heads_of(revisions: Iterable[str]) -> list[str]:
    """Return the ids of the revisions, of which the texts are given, that no other one follows."""
    before = {id_of(text): _before(text) for text in revisions}
    return [id for id in before if id and not any(f'"{id}"' in followed for followed in before.values())]


def id_of(text: str) -> str:
    """Return the id of a revision from its text; an empty text if it has none."""
    found = re.search(r'^revision: str = "(\w+)"', text, re.MULTILINE)
    return found[1] if found else ""


def turned_round(text: str) -> str:
    """Return a revision whose upgrade does what its downgrade did, and the other way round."""
    head, up, down = re.split(r"^def \w+grade\(\) -> None:\n", text, flags=re.MULTILINE)
    # an index goes with its table; dropped before, on its own, it would block whoever still reads
    down = re.sub(r"    with op\.batch_alter_table\(.*\n(?:        batch_op\.drop_index\(.*\n)+\n", "", down)
    return f"{head}def upgrade() -> None:\n{down.rstrip()}\n\n\ndef downgrade() -> None:\n{up.rstrip()}\n"


def _before(text: str) -> str:
    found = re.search(r"^down_revision\b.*? = (.*(?:\n .*|\n\).*)*)", text, re.MULTILINE)
    return found[1] if found else ""
