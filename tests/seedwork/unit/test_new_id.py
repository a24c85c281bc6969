"""Ids that the application makes."""

import time
from uuid import RFC_4122

import pytest

from domain.seedwork.entity import new_id


def test_an_id_is_a_uuid_of_version_7_that_contains_its_time() -> None:
    before = time.time_ns() // 1_000_000
    id = new_id()
    after = time.time_ns() // 1_000_000

    assert (id.version, id.variant) == (7, RFC_4122)
    assert before <= id.int >> 80 <= after


def test_ids_are_unique_and_sort_in_the_order_in_which_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)  # as a clock that moves each 16 ms, on Windows
    ids = [new_id() for _ in range(500)]
    monkeypatch.setattr(time, "time_ns", lambda: now - 1_000_000_000)  # as one that is set back
    ids += [new_id() for _ in range(3)]  # few: Python 3.14 gives each a millisecond of its own then

    assert len(set(ids)) == 503
    assert ids == sorted(ids)
