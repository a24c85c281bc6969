"""A process that is killed while it writes: what it acknowledged is there, and nothing is saved in part."""

import subprocess
import sys

import pytest
from sqlalchemy import create_engine, select

from adapters.seedwork.settings import PROJECT
from tests.seedwork.ordering import order_lines, orders

KILLS = 10


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def test_what_a_killed_writer_had_acknowledged_is_there_and_nothing_is_saved_in_part(url: str) -> None:
    command = [sys.executable, "-m", "tests.seedwork.writer", url, str(KILLS)]
    acknowledged = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True, timeout=60).stdout

    engine = create_engine(url, isolation_level="SERIALIZABLE")
    with engine.connect() as connection:
        ordered = set(connection.scalars(select(orders.c.number)))
        filled = set(connection.scalars(select(order_lines.c.product)))
    engine.dispose()

    assert set(acknowledged.split()) <= ordered
    assert ordered == filled
    assert len(ordered) > KILLS
