"""A server that dies under load: nothing acknowledged is lost, and the service goes on when there is a server again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition

from sqlalchemy import make_url

from domain.seedwork.entity import new_id
from service_layer.seedwork.errors import CommitOutcomeUnknown
from tests.seedwork.backends import Units, database
from tests.seedwork.cluster import ask
from tests.seedwork.ordering import OrderId, OrderingUnitOfWork
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.use_cases import add_order

WRITERS, ENOUGH = 4, 100


def saved(server: PostgresServer) -> list[object]:
    return sorted(order_id for (order_id,) in ask(server, "SELECT id FROM house_orders"))  # type: ignore[type-var]  # UUIDs


class Writers:
    """Threads that add orders, each by its id until the outcome is known."""

    def __init__(self, new_unit: Callable[[], OrderingUnitOfWork]) -> None:
        self.acknowledged: list[OrderId] = []
        self._new_unit = new_unit
        self._stopped = False
        self._news = Condition()

    def work(self) -> None:
        uow = self._new_unit()
        while not self._stopped:
            order_id = OrderId(new_id())
            while not self._is_saved(uow, order_id):
                pass
            with self._news:
                self.acknowledged.append(order_id)
                self._news.notify()

    def _is_saved(self, uow: OrderingUnitOfWork, order_id: OrderId) -> bool:
        try:
            add_order(uow, order_id.hex, order_id=order_id)
        except CommitOutcomeUnknown:
            return False
        return True

    def wait_for_more(self) -> None:
        with self._news:
            target = len(self.acknowledged) + ENOUGH
            assert self._news.wait_for(lambda: len(self.acknowledged) >= target, timeout=30)

    def stop(self) -> None:
        self._stopped = True


@contextmanager
def writing_to(url: str, units: Units[OrderingUnitOfWork]) -> Iterator[Writers]:
    with database(units, url) as backend, ThreadPoolExecutor(WRITERS) as pool:
        writers = Writers(backend.new_unit)
        works = [pool.submit(writers.work) for _ in range(WRITERS)]
        try:
            yield writers
        finally:
            writers.stop()
        for work in works:
            work.result()


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
    servers = [make_url(server.url("app")) for server in (primary, standby)]
    hosts = {"host": [f"{url.host}:{url.port}" for url in servers], "target_session_attrs": "read-write"}
    both = servers[0].set(host="", port=None).update_query_dict(hosts)

    with writing_to(both.render_as_string(hide_password=False), units) as writers:
        writers.wait_for_more()
        primary.kill()
        ask(standby, "SELECT pg_promote()")
        writers.wait_for_more()

    assert saved(standby) == sorted(writers.acknowledged)
