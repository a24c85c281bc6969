"""Kills producers and workers of events at random moments, and counts what is lost, doubled or out of order.

``python -m tests.seedwork.killing sqlite 500`` kills 500 of each, and prints one line; so does ``postgresql``, whose
server is killed and started again as well. It takes minutes. ``test_faults_events.py`` runs a short one.

Each producer changes one of a few orders, counts in it, and publishes that number; now and then it removes the order
and makes it again. Two handlers write down what they get; each fails now and then, after its work.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from tempfile import TemporaryDirectory
from traceback import print_exc
from typing import Never

from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select

from adapters.container import bootstrap
from adapters.settings import Settings
from service_layer.seedwork.errors import TransactionError
from service_layer.seedwork.outbox import Handlers
from service_layer.seedwork.worker import TRIES, Worker
from tests.seedwork.backends import migrate
from tests.seedwork.order_events import OrderPlaced
from tests.seedwork.ordering import Money, Order, OrderId, OrderNotFound, SqlAlchemyOrderingUnitOfWork, map_orders
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.shapes import create_tables

PRODUCERS, WORKERS, ORDERS = 3, 4, 20
FAILING = 0.05
REMAKING = 0.02
PAUSE_S = 0.01

notes = Table(
    "killing_notes",
    MetaData(),
    Column("id", Integer, primary_key=True),  # in the order of their transactions, for each aggregate
    Column("handler", String(20), nullable=False),
    Column("order_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
)


@dataclass(frozen=True)
class Outcome:
    """What became of the events."""

    producers_killed: int
    workers_killed: int
    servers_killed: int
    published: int
    acknowledged: int
    lost: int
    doubled: int
    out_of_order: int
    undelivered: int


class Killing(SqlAlchemyOrderingUnitOfWork):
    """The unit of work of producers and workers."""

    handlers = Handlers()


def _note(handler: str) -> Callable[[Killing, OrderPlaced], None]:
    def note(uow: Killing, event: OrderPlaced) -> None:
        with uow:
            row = {"handler": handler, "order_id": event.order_id.hex, "number": int(event.number)}
            uow.session.execute(insert(notes), row)
            uow.commit()
        if random.random() < FAILING:
            raise RuntimeError("on purpose")

    return note


for name in ("note", "note too"):
    Killing.handlers.add(name, _note(name))


def produce(uow: Killing, order_ids: list[OrderId], acknowledgements: int) -> None:
    order_id = random.choice(order_ids)
    with uow:
        # locked: an order that is made again has version 1 again, which does not tell it from the one before
        order = uow.orders.get(order_id, for_update=True)
        number = (order.deposit.cents if order.deposit else 0) + 1
        if random.random() < REMAKING:
            uow.orders.remove(order)
            uow.flush()
            order = Order(id=order_id, number=order.number)
            uow.orders.add(order)
        order.deposit = Money(number, "EUR")
        uow.publish(OrderPlaced(order_id=order_id, number=str(number)))
        uow.commit()
    os.write(acknowledgements, b"%s %d\n" % (order_id.hex.encode(), number))
    time.sleep(PAUSE_S)


class House:
    """A database, and the processes that work on it."""

    def __init__(self, url: str) -> None:
        self._settings = Settings(database_url=url, database_check_schema=False)
        self._read, self._write = os.pipe()
        self._acknowledged = b""
        self._running: dict[int, str] = {}
        self.killed: Counter[str] = Counter()
        os.set_blocking(self._read, False)  # as os has it
        with bootstrap(settings=self._settings) as container, Killing(container.session_factory()) as uow:
            orders = [Order(number=f"{number}") for number in range(ORDERS)]
            for order in orders:
                uow.orders.add(order)
            uow.commit()
        self._order_ids = [order.id for order in orders]

    def start(self, kind: str) -> None:
        if process := os.fork():  # a new interpreter would take a second to get ready
            self._running[process] = kind
        else:
            self._work(kind)

    def _work(self, kind: str) -> Never:
        random.seed()
        parent = os.getppid()
        try:
            with bootstrap(settings=self._settings) as container:
                uow = Killing(container.session_factory())
                worker = Worker(uow)
                while os.getppid() == parent:  # a run that was ended itself leaves nobody behind
                    # a lost race, or a server that is away; or the order was removed while this waited for its lock
                    with suppress(TransactionError, OrderNotFound):
                        worker.work() if kind == "worker" else produce(uow, self._order_ids, self._write)
                    time.sleep(PAUSE_S)
        except BaseException:
            print_exc()
        finally:
            os._exit(1)

    def kill_one(self) -> None:
        process, kind = random.choice(list(self._running.items()))
        self._end(process)
        self.killed[kind] += 1
        self.start(kind)
        self._collect()

    def end(self) -> None:
        for process in list(self._running):
            self._end(process)
        self._collect()

    def _end(self, process: int) -> None:
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        assert os.WIFSIGNALED(status), "a process has ended by itself: its error stands above"
        del self._running[process]

    def _collect(self) -> None:
        try:
            while some := os.read(self._read, 2**16):
                self._acknowledged += some
        except BlockingIOError:
            pass

    def outcome(self, servers_killed: int) -> Outcome:
        """Deliver what is left, and count."""
        with bootstrap(settings=self._settings) as container:
            uow = Killing(container.session_factory())
            for days in range(1, 2 * TRIES):  # a clock for which each pause is over
                Worker(uow, now=partial(_in_days, days)).work()
            with uow.reading():
                undelivered = len(uow.outbox.deliveries(1_000))
                published = [
                    (uow.outbox.decoded(one).aggregate_id.hex, int(one.body["number"]))
                    for one in uow.outbox.events(10**6)
                ]
        engine = create_engine(self._settings.url)
        with engine.connect() as connection:
            found = connection.execute(select(notes.c.handler, notes.c.order_id, notes.c.number).order_by(notes.c.id))
            got = [(handler, order_id, number) for handler, order_id, number in found]
        engine.dispose()
        wanted = {(handler, *event) for handler in Killing.handlers for event in published}
        in_order = sorted(got, key=lambda one: one[:2])  # stable: the order of each aggregate and handler stays
        steps = [(one, after) for one, after in pairwise(in_order) if one[:2] == after[:2]]
        acknowledged = {(order_id, int(number)) for order_id, number in map(str.split, self._lines())}
        return Outcome(
            self.killed["producer"],
            self.killed["worker"],
            servers_killed,
            len(published),
            len(acknowledged),
            lost=len(wanted - set(got)) + len(acknowledged - set(published)),
            doubled=len(got) - len(set(got)) + len(published) - len(set(published)),
            out_of_order=sum(after[2] <= one[2] for one, after in steps),
            undelivered=undelivered,
        )

    def _lines(self) -> list[str]:
        whole, _, _ = self._acknowledged.decode().rpartition("\n")
        return whole.splitlines()


def _in_days(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def run(url: str, kills: int, server: PostgresServer | None = None) -> Outcome:
    """Kill so many producers and so many workers, at least; and the server, if it is given, five times."""
    map_orders()
    engine = create_engine(Settings(database_url=url).url)
    notes.metadata.create_all(engine)
    engine.dispose()
    house, servers_killed = House(url), 0
    for kind, count in (("producer", PRODUCERS), ("worker", WORKERS)):
        for _ in range(count):
            house.start(kind)
    while min(house.killed["producer"], house.killed["worker"]) < kills:
        time.sleep(random.uniform(0, 0.3))
        house.kill_one()
        if server and house.killed.total() >= (servers_killed + 1) * kills / 3:
            server.kill()
            server.restart()
            servers_killed += 1
    time.sleep(1)
    house.end()
    return house.outcome(servers_killed)


def main(kind: str, kills: int) -> None:
    """Run on a database of its own, and print the outcome."""
    with ExitStack() as stack:
        server = stack.enter_context(PostgresServer.start(tcp=True)) if kind == "postgresql" else None
        if server:
            server.create_database("killing")
            url = server.url("killing")
        else:
            url = f"sqlite:///{stack.enter_context(TemporaryDirectory())}/killing.db"
        migrate(url)
        map_orders()
        create_tables(url)
        print(kind, asdict(run(url, kills, server)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
