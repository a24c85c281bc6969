"""The changelog, and what it says to forks."""

import re
import tomllib

from adapters.seedwork.settings import PROJECT
from scaffold.changelog import upgrade_notes

TEXT = (PROJECT / "CHANGELOG.md").read_text()
PARTS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "In your fork"}

BEFORE = """# Changelog

## [Unreleased]

### In your fork

- Call `a()` in place
  of `b()`.
- Know of c.
"""
NOW = """# Changelog

## [Unreleased]

### Added

- Something.

### In your fork

- Write d.

## [1.1.0] - 2030-01-01

### In your fork

- Call `a()` in place of `b()`.
- Rename e:
  all of it.

## [1.0.0] - 2029-01-01

- The first one.
"""


def test_the_notes_that_a_fork_has_not_had_yet_are_shown_with_their_release() -> None:
    assert [*upgrade_notes(BEFORE, NOW)] == [
        "[Unreleased]",
        "- Write d.",
        "[1.1.0] - 2030-01-01",
        "- Rename e:\n  all of it.",
    ]


def test_to_a_fork_from_before_the_changelog_all_notes_are_shown() -> None:
    assert len([*upgrade_notes("", NOW)]) == 5


def test_its_form_is_the_usual_one() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)

    assert headings[0] == "[Unreleased]"
    assert [line for line in headings[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line)] == []
    assert set(re.findall(r"^### (.*)$", TEXT, re.MULTILINE)) <= PARTS


def test_its_newest_release_is_the_version_of_the_project() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]

    assert re.findall(r"^## \[(\d.*)\]", TEXT, re.MULTILINE)[0] == version
