"""Every claim of the pages in docs/ that a machine can check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from adapters.container import bootstrap
from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings
from docs import picture
from service_layer import users

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
ARCHITECTURE = PROJECT / "docs" / "architecture.md"
FORKING = PROJECT / "docs" / "forking.md"


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The file and the heading that each link of a page to another leads to."""
    for target in re.findall(r"\]\(((?!https?:)[^)\s]+)\)", page.read_text()):
        file, _, heading = target.partition("#")
        yield (page.parent / file if file else page), heading


def headings(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = [
        f"{target}#{heading}"
        for target, heading in links(page)
        if not target.exists() or (heading and heading not in headings(target))
    ]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_each_block_of_a_page_is_closed_before_the_next_begins(page: Path) -> None:
    ends = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)[1::2]

    assert len(ends) * 2 == len(re.findall(r"^ *```", page.read_text(), re.MULTILINE))
    assert set(ends) <= {""}


def test_the_picture_of_the_layers_is_drawn_from_their_imports() -> None:
    [quoted] = picture.PICTURE.findall(ARCHITECTURE.read_text())

    assert quoted == picture.picture(), "Run: .venv/bin/python docs/picture.py"


def test_the_functions_and_classes_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", ARCHITECTURE.read_text()))

    assert ("service_layer/users.py", "change_user_age") in named
    for file, name in sorted(named):
        defined = {node.name for node in ast.parse((PROJECT / file).read_text()).body if hasattr(node, "name")}
        assert name in defined, f"{file}::{name}"


def test_the_request_that_it_follows_sends_the_statements_that_it_shows(sqlite_url: str) -> None:
    [quoted] = re.findall(r"^```sql\n(.*?)^```", ARCHITECTURE.read_text(), re.MULTILINE | re.DOTALL)
    sent: list[str] = []

    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        john = users.register_user(container.unit_of_work(), name="John Doe", age=30)
        note(container.engine(), sent)
        users.change_user_age(container.unit_of_work(), john.id, 31)

    assert [" ".join(statement.split()) for statement in sent] == quoted.splitlines()[1:-1]


def test_the_files_that_the_page_on_forking_names_are_there() -> None:
    named = set(re.findall(r"`([\w/]+/(?:[\w.]+\.py)?)`", FORKING.read_text()))

    assert {"domain/user.py", "tests/seedwork/ordering.py", "migrations/versions/"} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []


def test_the_lines_of_registration_that_the_page_on_forking_names_are_there() -> None:
    lines = re.findall(r"^\| `([\w/]+\.py)`[^|]*\| `(.+)` \|$", FORKING.read_text(), re.MULTILINE)

    assert len(lines) == 5
    assert [(file, line) for file, line in lines if f"{line}\n" not in (PROJECT / file).read_text()] == []


def note(engine: Engine, sent: list[str]) -> None:
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: sent.append(statement))
