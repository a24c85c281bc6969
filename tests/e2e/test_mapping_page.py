"""What the page on mapping quotes is what the tests run."""

import re
from textwrap import dedent, indent

from adapters.seedwork.settings import PROJECT
from tests.seedwork.pages import blocks, page

PAGE = page("mapping.md")
SOURCES = (
    PROJECT / "tests" / "seedwork" / "ordering.py",
    PROJECT / "tests" / "seedwork" / "shapes.py",
    PROJECT / "adapters" / "seedwork" / "types.py",
)
SOURCE = "\n".join(file.read_text() for file in SOURCES)


def is_quoted(block: str) -> bool:
    """Whether the source has these lines, all of them indented further or none."""
    return any(f"\n{indent(dedent(block), margin)}" in SOURCE for margin in ("", " " * 4, " " * 8, " " * 12))


def test_its_python_blocks_stand_word_for_word_in_the_sources() -> None:
    quoted = blocks(PAGE, "python")

    assert len(quoted) >= 18
    assert [block for block in quoted if not is_quoted(block)] == []


def test_the_aggregates_that_its_table_names_are_there() -> None:
    named = re.findall(r"`([A-Z]\w+)(?:\.(\w+))?`", PAGE.partition("## ")[0])

    assert len(named) >= 14
    assert [kind for kind, _ in named if f"class {kind}(" not in SOURCE and f"class {kind}:" not in SOURCE] == []
    assert [name for _, name in named if name and f"    {name}: " not in SOURCE] == []


def test_it_names_every_shape_that_the_tests_have() -> None:
    classes = re.findall(r"^class (\w+)\((?:Entity|Part)\):", SOURCE, re.MULTILINE)

    assert [kind for kind in classes if not re.search(rf"\b{kind}\b", PAGE)] == []


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w./-]+(?:\.(?:py|md|toml)|/))`", PAGE))

    assert {"tests/seedwork/ordering.py", "adapters/seedwork/mapping.py"} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []
