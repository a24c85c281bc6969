"""The composition root."""

import threading

import pytest
from dependency_injector import providers
from sqlalchemy import QueuePool

from adapters.container import bootstrap
from adapters.mappers import start_mappers
from adapters.seedwork.memory.store import InMemoryStore
from adapters.settings import Settings
from adapters.unit_of_work import InMemoryUnitOfWork
from tests.seedwork.ordering import InMemoryOrderingUnitOfWork, Order, SqlAlchemyOrderingUnitOfWork, map_orders


def test_each_call_makes_a_new_unit_of_work(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        assert container.unit_of_work() is not container.unit_of_work()
        assert container.engine() is container.engine()
        assert container.session_factory() is container.session_factory()


def test_what_one_application_saves_the_next_one_finds(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        map_orders()
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

    assert container.engine().pool is not pool


def test_any_part_can_be_replaced_by_name() -> None:
    store = InMemoryStore()

    with bootstrap(unit_of_work=providers.Factory(InMemoryOrderingUnitOfWork, store)) as container:
        replaced = container.unit_of_work()

    assert isinstance(replaced, InMemoryOrderingUnitOfWork)


def test_a_name_that_no_part_has_is_an_error() -> None:
    with pytest.raises(AttributeError, match="unit_of_wrok"), bootstrap(unit_of_wrok=InMemoryUnitOfWork):
        pytest.fail("bootstrapped")


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
