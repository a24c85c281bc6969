"""A server that dies under load: nothing acknowledged is lost, and the service goes on when there is a server again."""

from collections.abc import Iterator

import pytest

from tests.seedwork.backends import Units
from tests.seedwork.cluster import Cluster, ask, one_url, saved
from tests.seedwork.fixtures import require_own_server
from tests.seedwork.ledger import writing_to
from tests.seedwork.ordering import OrderingUnitOfWork
from tests.seedwork.postgresql_server import PostgresServer


def test_nothing_acknowledged_is_lost_when_a_server_is_killed_and_started_again(
    primary: PostgresServer, units: Units[OrderingUnitOfWork]
) -> None:
    with writing_to(primary.url("app"), units) as writers:
        for _ in range(3):
            writers.wait_for_more()
            primary.kill()
            primary.restart()
        writers.wait_for_more()

    assert saved(primary) == sorted(writers.acknowledged)


def test_nothing_acknowledged_is_lost_when_a_stand_by_takes_over(
    primary: PostgresServer, standby: PostgresServer, units: Units[OrderingUnitOfWork]
) -> None:
    with writing_to(one_url(primary, standby), units) as writers:
        writers.wait_for_more()
        primary.kill()
        ask(standby, "SELECT pg_promote()")
        writers.wait_for_more()

    assert saved(standby) == sorted(writers.acknowledged)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    require_own_server()
    with Cluster.start() as cluster:
        yield cluster


def test_nothing_acknowledged_is_lost_while_each_server_of_a_cluster_dies_and_comes_back(
    cluster: Cluster, units: Units[OrderingUnitOfWork]
) -> None:
    first = cluster.primary

    with writing_to(cluster.url, units, retry_seconds=60) as writers:
        for _ in range(2):
            writers.wait_for_more()
            cluster.fail_over()
        writers.wait_for_more()

    assert cluster.saved() == sorted(writers.acknowledged)
    assert cluster.primary is not first
    assert len(cluster.standbys) == 2
