"""Ids that the application makes."""

import time
from uuid import RFC_4122

from domain.seedwork.entity import new_id


def test_an_id_is_a_uuid_of_version_7_that_contains_its_time() -> None:
    before = time.time_ns() // 1_000_000
    id = new_id()
    after = time.time_ns() // 1_000_000

    assert (id.version, id.variant) == (7, RFC_4122)
    assert before <= id.int >> 80 <= after


def test_ids_are_unique_and_sort_in_the_order_in_which_they_were_made() -> None:
    ids = []
    for _ in range(500):
        ids.append(new_id())
        last = time.perf_counter_ns()
        while time.perf_counter_ns() < last + 1_000:  # two ids of one quarter of a microsecond may change places
            pass

    assert len(set(ids)) == 500
    assert ids == sorted(ids)
