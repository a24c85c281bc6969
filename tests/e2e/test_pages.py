"""Every claim of the pages in docs/ that a machine can check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT

PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
ARCHITECTURE = PROJECT / "docs" / "architecture.md"


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


def test_the_functions_and_classes_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", ARCHITECTURE.read_text()))

    assert ("service_layer/seedwork/transaction.py", "Transaction") in named
    for file, name in sorted(named):
        defined = {node.name for node in ast.parse((PROJECT / file).read_text()).body if hasattr(node, "name")}
        assert name in defined, f"{file}::{name}"
