"""Kills the primary of a cluster again and again under load, and counts what is lost: ``make cluster rounds=20``."""

import logging
import sys
from typing import Protocol

from tests.seedwork import patroni
from tests.seedwork.backends import Units
from tests.seedwork.cluster import Cluster
from tests.seedwork.ledger import writing_to
from tests.seedwork.ordering import InMemoryOrderingUnitOfWork, OrderId, SqlAlchemyOrderingUnitOfWork, map_orders


class FailingOver(Protocol):
    """A cluster whose primary can be killed."""

    @property
    def url(self) -> str:
        """Whichever server takes writes."""

    def fail_over(self) -> None:
        """Kill the primary, and wait until there is another one and all are back."""

    def saved(self) -> list[OrderId]:
        """Return the ids of all orders."""


def count_losses(cluster: FailingOver, rounds: int) -> bool:
    """Kill the primary so often, under the writers; print what was lost, and return whether anything was."""
    units = Units(InMemoryOrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork)
    with writing_to(cluster.url, units, retry_seconds=90) as writers:
        for number in range(rounds):
            writers.wait_for_more()
            cluster.fail_over()
            print(f"{number + 1} of {rounds}: {len(writers.acknowledged)} acknowledged", flush=True)
        writers.wait_for_more()
    lost = {*writers.acknowledged} - {*cluster.saved()}
    print(
        f"{len(writers.acknowledged)} acknowledged, {len(lost)} lost; {writers.unknown} outcomes were unknown, each"
        f" repeated by its id; the longest call took {writers.longest_s:.1f} s"
    )
    return bool(lost)


def main(rounds: int) -> None:
    """Do so with a cluster that a script fails over, and a tenth as often with one under Patroni."""
    logging.disable(logging.WARNING)  # each retry is logged
    map_orders()
    with Cluster.start() as cluster:
        lost = count_losses(cluster, rounds)
    if missing := patroni.missing():
        print(f"SKIPPED: the same under Patroni. Not on PATH: {' and '.join(missing)}")
    else:
        print("The same under Patroni:")
        with patroni.started() as under_patroni:
            lost |= count_losses(under_patroni, max(rounds // 10, 1))
    sys.exit(lost)


if __name__ == "__main__":
    main(int(sys.argv[1]))
