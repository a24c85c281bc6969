"""Which revisions make the table of an aggregate is read from their texts."""

from pathlib import Path

import pytest

from scaffold import house

CREATED = 'op.create_table(\n        "visits",\n        sa.Column("id"),\n    )'
DROPPED = 'op.drop_table("visits")'


def revision(upgrade: str, downgrade: str) -> str:
    return f"def upgrade() -> None:\n    {upgrade}\n\n\ndef downgrade() -> None:\n    {downgrade}\n"


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the revisions, with one that creates the table."""
    monkeypatch.setattr(house, "PROJECT", tmp_path)
    monkeypatch.setattr(house, "VERSIONS", tmp_path)
    (tmp_path / "1_create_visits.py").write_text(revision(CREATED, DROPPED))
    return tmp_path


@pytest.mark.usefixtures("versions")
def test_a_table_is_made_by_the_revision_that_creates_it() -> None:
    assert house.revisions_of("visits") == ["1_create_visits.py"]
    assert house.revisions_of("visit") == []


def test_a_table_that_was_dropped_is_made_by_no_revision(versions: Path) -> None:
    (versions / "2_drop_visits.py").write_text(revision(DROPPED, CREATED))

    assert house.revisions_of("visits") == []


def test_a_table_that_was_dropped_and_created_again_is_there(versions: Path) -> None:
    (versions / "2_drop_visits.py").write_text(revision(DROPPED, CREATED))
    (versions / "3_create_visits.py").write_text(revision(CREATED, DROPPED))

    assert house.revisions_of("visits") == ["1_create_visits.py", "3_create_visits.py"]
