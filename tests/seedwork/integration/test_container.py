"""The composition root."""

import os
import re
import subprocess
import sys
import threading
from contextlib import ExitStack
from types import ModuleType

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide, inject
from sqlalchemy import QueuePool, event

from adapters.container import bootstrap
from adapters.mappers import start_mappers
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings
from adapters.unit_of_work import InMemoryUnitOfWork
from service_layer.seedwork.errors import UnitOfWorkMisuse
from tests.seedwork.ordering import InMemoryOrderingUnitOfWork, Order, SqlAlchemyOrderingUnitOfWork


def test_each_call_makes_a_new_unit_of_work(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        assert container.unit_of_work() is not container.unit_of_work()
        assert container.engine() is container.engine()
        assert container.session_factory() is container.session_factory()


def test_what_one_application_saves_the_next_one_finds(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        order = Order(number="A-1")
        with SqlAlchemyOrderingUnitOfWork(container.session_factory()) as uow:
            uow.orders.add(order)
            uow.commit()

    with (
        bootstrap(settings=Settings(database_url=sqlite_url)) as container,
        SqlAlchemyOrderingUnitOfWork(container.session_factory()).reading() as uow,
    ):
        assert uow.orders.get(order.id) == order


def test_at_its_end_every_connection_is_closed(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        with container.unit_of_work() as uow:
            uow.commit()
        pool = container.engine().pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedin() == 1
        engine = container.engine()

    assert engine.pool is not pool


# ---- after its end, and in another process ---------------------------------------------------------------------------


def test_after_its_end_nothing_of_it_works_and_the_error_says_what_to_write(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        uow, engine = container.unit_of_work(), container.engine()

    with pytest.raises(UnitOfWorkMisuse, match=r"has ended.*with bootstrap\(\)"), uow:
        pytest.fail("entered")
    with pytest.raises(UnitOfWorkMisuse, match="has ended"):
        engine.connect()
    with pytest.raises(UnitOfWorkMisuse, match="has ended"):
        container.engine()
    with pytest.raises(UnitOfWorkMisuse, match="has ended"):
        container.unit_of_work()


@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url"], ids=["sqlite", "postgresql"])
def test_a_block_that_is_open_at_its_end_can_still_be_saved_and_closes_its_connection(
    request: pytest.FixtureRequest, url: str
) -> None:
    url = request.getfixturevalue(url)
    open_connections: set[object] = set()

    with ExitStack() as block:
        with bootstrap(settings=Settings(database_url=url)) as container:
            event.listen(container.engine(), "connect", lambda connection, _: open_connections.add(connection))
            event.listen(container.engine(), "close", lambda connection, _: open_connections.remove(connection))
            uow = block.enter_context(SqlAlchemyOrderingUnitOfWork(container.session_factory()))
        uow.orders.add(Order(number="A-1"))
        uow.commit()
        assert open_connections

    assert not open_connections
    assert orders_in(url) == 1


PROGRAM = """
import gc, os, sys
from adapters.container import bootstrap
from adapters.settings import Settings
from service_layer.seedwork.errors import UnitOfWorkMisuse
from tests.seedwork.ordering import Order, SqlAlchemyOrderingUnitOfWork, map_orders

gc.freeze()  # what is imported is no garbage, and five processes would look for some in it
with bootstrap(settings=Settings(_env_file=None, database_url=sys.argv[1])) as container:
    map_orders()
    uow, other = (SqlAlchemyOrderingUnitOfWork(container.session_factory()) for _ in range(2))
    with other.reading():  # a second connection waits in the pool
        with uow.reading():
            pass
    try:
        with uow:
            uow.orders.add(Order(number="A-1"))
            uow.flush()
            for work in sys.argv[2:]:
                if child := os.fork():
                    os.waitpid(child, 0)
                else:
                    exec(work)
            uow.commit()
    except UnitOfWorkMisuse as error:
        print(error)
    gc.collect()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url"], ids=["sqlite", "postgresql"])
def test_in_a_forked_process_nothing_works_and_the_parent_goes_on(request: pytest.FixtureRequest, url: str) -> None:
    url = request.getfixturevalue(url)
    leave = "raise UnitOfWorkMisuse('This process was forked')"
    works = ["uow.orders.count()", "uow.commit()", "other.__enter__()", leave]

    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, url, *works],
        check=False,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.stderr == ""
    assert re.fullmatch("(This process was forked.*\n){4}", run.stdout), "the parent goes on"
    assert orders_in(url) == 1


def orders_in(url: str) -> int:
    with (
        bootstrap(settings=Settings(database_url=url)) as container,
        SqlAlchemyOrderingUnitOfWork(container.session_factory()).reading() as uow,
    ):
        return uow.orders.count()


# ---- its parts -------------------------------------------------------------------------------------------------------


def test_any_part_can_be_replaced_by_name() -> None:
    store = InMemoryStore()

    with bootstrap(unit_of_work=providers.Factory(InMemoryOrderingUnitOfWork, store)) as container:
        replaced = container.unit_of_work()

    assert isinstance(replaced, InMemoryOrderingUnitOfWork)


def test_a_name_that_no_part_has_is_an_error() -> None:
    with pytest.raises(AttributeError, match="unit_of_wrok"), bootstrap(unit_of_wrok=InMemoryUnitOfWork):
        pytest.fail("bootstrapped")


def test_a_container_can_be_wired() -> None:
    module = ModuleType("wired")
    vars(module)["settings"] = inject(lambda settings=Provide["settings"]: settings)

    with bootstrap(unit_of_work=InMemoryUnitOfWork) as container:
        container.wire(modules=[module])
        wired = module.settings()
        container.unwire()
        unwired = module.settings()

    assert isinstance(wired, Settings)
    assert not isinstance(unwired, Settings)


def test_mappers_may_be_started_again_and_from_many_threads() -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            start_mappers()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
