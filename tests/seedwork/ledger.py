"""Writers that keep a ledger of what was acknowledged to them, to be compared with what is saved.

``make cluster`` lets them write to a cluster for longer than ``make test`` does.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from time import monotonic
from typing import Any, Protocol

from domain.seedwork.entity import new_id
from service_layer.seedwork.errors import CommitOutcomeUnknown
from tests.seedwork import patroni
from tests.seedwork.backends import Units, database
from tests.seedwork.cluster import Cluster
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    OrderId,
    OrderingUnitOfWork,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)
from tests.seedwork.use_cases import add_order

WRITERS, ENOUGH = 4, 100


class Writers:
    """Threads that add orders, each by its id until the outcome is known."""

    def __init__(self, new_unit: Callable[[], OrderingUnitOfWork]) -> None:
        self.acknowledged: list[OrderId] = []
        self.unknown = 0
        """How many outcomes were unknown at first."""
        self.longest_s = 0.0
        """How long the longest call took that was acknowledged."""
        self._new_unit = new_unit
        self._stopped = False
        self._news = Condition()

    def work(self) -> None:
        """Write until ``stop()``."""
        uow = self._new_unit()
        while not self._stopped:
            order_id = OrderId(new_id())
            while not self._is_saved(uow, order_id):
                pass
            with self._news:
                self.acknowledged.append(order_id)
                self._news.notify()

    def _is_saved(self, uow: OrderingUnitOfWork, order_id: OrderId) -> bool:
        began = monotonic()
        try:
            add_order(uow, order_id.hex, order_id=order_id)
        except CommitOutcomeUnknown:
            with self._news:
                self.unknown += 1
            return False
        with self._news:
            self.longest_s = max(self.longest_s, monotonic() - began)
        return True

    def wait_for_more(self) -> None:
        """Wait until a hundred more were acknowledged."""
        with self._news:
            target = len(self.acknowledged) + ENOUGH
            assert self._news.wait_for(lambda: len(self.acknowledged) >= target, timeout=60)

    def stop(self) -> None:
        """Let each thread end after its order."""
        self._stopped = True


@contextmanager
def writing_to(
    url: str, units: Units[OrderingUnitOfWork], **settings: Any
) -> Iterator[Writers]:  # Any: Settings checks
    """Let four threads write to a database for as long as the block is open."""
    with database(units, url, **settings) as backend, ThreadPoolExecutor(WRITERS) as pool:
        writers = Writers(backend.new_unit)
        works = [pool.submit(writers.work) for _ in range(WRITERS)]
        try:
            yield writers
        finally:
            writers.stop()
        for work in works:
            work.result()


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
