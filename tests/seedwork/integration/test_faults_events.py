"""Producers and workers of events that are killed: nothing is lost, doubled in the database, or out of order.

A short run; ``tests/seedwork/killing.py`` makes long ones.
"""

import re
import subprocess
import sys

import pytest

from adapters.seedwork.settings import PROJECT
from tests.seedwork.fixtures import require_own_server

KILLS = 5


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_producers_and_workers_lose_double_and_reorder_nothing(
    kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "postgresql":
        require_own_server()
        request.getfixturevalue("postgresql")  # skips where its programs are missing
    command = [sys.executable, "-m", "tests.seedwork.killing", kind, str(KILLS)]
    said = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True, timeout=300).stdout

    counted = {name: int(number) for name, number in re.findall(r"'(\w+)': (\d+)", said)}
    assert {name: counted[name] for name in ("lost", "doubled", "out_of_order", "undelivered")} == {
        "lost": 0,
        "doubled": 0,
        "out_of_order": 0,
        "undelivered": 0,
    }
    assert counted["published"] >= counted["acknowledged"] > 0
    assert counted["producers_killed"] >= KILLS
    assert counted["workers_killed"] >= KILLS
