"""Writers that keep a ledger of what was acknowledged to them, to be compared with what is saved."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition
from time import monotonic
from typing import Any

from domain.seedwork.entity import new_id
from service_layer.seedwork.errors import CommitOutcomeUnknown
from tests.seedwork.backends import Units, database
from tests.seedwork.ordering import OrderId, OrderingUnitOfWork
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
