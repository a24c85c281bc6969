"""Writes until it is killed, and again: ``python -m tests.seedwork.writer URL KILLS`` prints what is acknowledged.

Each unit adds an order, and then a line of the same name; only after its commit is that name written to the standard
output.
"""

import os
import random
import signal
import sys
import time

from adapters.container import bootstrap
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from tests.seedwork.ordering import Order, OrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork, map_orders


def write(uow: OrderingUnitOfWork) -> str:
    name = new_id().hex[-20:]
    order = Order(number=name)
    with uow:
        uow.orders.add(order)
        uow.flush()
        order.add_line(name)
        uow.commit()
    return f"{name}\n"


def write_for_ever(settings: Settings, acknowledgements: int) -> None:
    with bootstrap(settings=settings) as container:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        while True:
            os.write(acknowledgements, write(uow).encode())


def main(url: str, kills: int) -> None:
    settings = Settings(database_url=url, database_check_schema=False)
    map_orders()
    for _ in range(kills):
        acknowledged, acknowledgements = os.pipe()
        if not (writer := os.fork()):  # a new interpreter would take a second to get ready
            write_for_ever(settings, acknowledgements)
        os.close(acknowledgements)
        with os.fdopen(acknowledged) as lines:
            print(lines.readline(), end="")
            time.sleep(random.uniform(0, 0.2))
            os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
            print(lines.read(), end="")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
