"""Blocks that end in an unusual way: no lock or connection stays, and no change is lost without an error."""

import asyncio
import gc
import signal
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, PoolProxiedConnection, create_engine, text
from sqlalchemy.orm import clear_mappers

from adapters.container import Container, async_bootstrap, bootstrap
from adapters.seedwork.sqlalchemy import sqlite, sqlite_dialect
from adapters.seedwork.sqlalchemy.asynchronous import run
from adapters.seedwork.sqlalchemy.gaps import ENGINE_OPTIONS
from adapters.settings import Settings
from service_layer.seedwork.errors import ConcurrencyConflict, FailedTransaction, UnitOfWorkMisuse
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.backends import checked_out
from tests.seedwork.ordering import (
    Order,
    OrderingUnitOfWork,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)

SLOW = {
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5e6) SELECT max(x) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


class SoftTimeLimit(Exception):
    """What a worker's deadline raises in the middle of whatever runs."""


@pytest.fixture(params=["sqlite_url", "postgresql_url"], ids=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def container(url: str) -> Iterator[Container]:
    with bootstrap(settings=Settings(database_url=url, database_lock_timeout_s=1)) as container:
        map_orders()
        yield container


@pytest.fixture
def engine(container: Container) -> Engine:
    return container.engine()


@pytest.fixture
def uow(container: Container) -> SqlAlchemyOrderingUnitOfWork:
    return SqlAlchemyOrderingUnitOfWork(container.session_factory())


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def write(uow: OrderingUnitOfWork, number: str = "B-2") -> None:
    with uow:
        uow.orders.add(Order(number=number))
        uow.commit()


def numbers(uow: OrderingUnitOfWork) -> list[str]:
    with uow.reading():
        return sorted(order.number for order in uow.orders.page().items)


@contextmanager
def interrupted_by(error: type[BaseException], after_s: float = 0.2) -> Generator[None]:
    """A signal arrives in the middle of the block, and its handler raises."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, after_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---- an exception in the middle of a statement ----------------------------------------------------------------------


@pytest.mark.usefixtures("without_garbage_collection")
@pytest.mark.parametrize("error", [SoftTimeLimit, KeyboardInterrupt])
def test_what_a_signal_handler_raises_in_a_query_comes_through_and_nothing_is_kept(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine, error: type[BaseException]
) -> None:
    with pytest.raises(error) as caught, interrupted_by(error), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        uow.session.execute(text(SLOW[engine.dialect.name]))

    assert not hasattr(caught.value, "__notes__")
    assert checked_out(engine) == 0
    write(uow)
    assert numbers(uow) == ["B-2"]


def test_what_a_signal_handler_raises_as_a_reading_block_begins_keeps_no_later_one_from_writing(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = sqlite_dialect._execute

    def execute_and_fail(connection: PoolProxiedConnection, sql: str) -> None:
        execute(connection, sql)
        raise SoftTimeLimit

    with bootstrap(settings=Settings(database_url=sqlite_url, database_pool_size=1)) as container:
        map_orders()
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        write(uow, "A-1")
        with monkeypatch.context() as patch:
            patch.setattr(sqlite_dialect, "_execute", execute_and_fail)
            with pytest.raises(SoftTimeLimit), uow.reading():
                uow.orders.count()

        write(uow)

        assert numbers(uow) == ["A-1", "B-2"]


def test_what_a_signal_handler_raises_in_a_flush_comes_through_and_nothing_is_kept(
    container: Container, uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    other = SqlAlchemyOrderingUnitOfWork(container.session_factory())
    with other:
        other.orders.add(Order(number="A-1"))
        other.flush()

        with pytest.raises(SoftTimeLimit), interrupted_by(SoftTimeLimit), uow:
            uow.orders.add(Order(number="A-1"))
            uow.commit()
        other.rollback()

    assert checked_out(engine) == 0
    write(uow)
    assert numbers(uow) == ["B-2"]


@pytest.mark.parametrize("error", [SoftTimeLimit, KeyboardInterrupt])
def test_what_a_signal_handler_raises_while_many_rows_wait_comes_through_and_nothing_is_kept(
    postgresql_url: str, error: type[BaseException]
) -> None:
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container:
        map_orders()
        uow, other = (SqlAlchemyOrderingUnitOfWork(container.session_factory()) for _ in range(2))
        with other:
            other.orders.add(Order(number="A-1"))
            other.flush()

            with pytest.raises(error), interrupted_by(error), uow:
                uow.orders.insert_many([Order(number="A-1"), Order(number="A-2")])
            other.rollback()

        assert checked_out(container.engine()) == 0
        write(uow)
        assert numbers(uow) == ["B-2"]


def test_what_a_signal_handler_raises_as_many_rows_are_about_to_be_sent_comes_through_and_nothing_is_kept(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = psycopg.Pipeline.__enter__

    def enter_and_fail(pipeline: psycopg.Pipeline) -> None:
        enter(pipeline)
        raise SoftTimeLimit

    with bootstrap(settings=Settings(database_url=postgresql_url, database_pool_size=1)) as container:
        map_orders()
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Pipeline, "__enter__", enter_and_fail)
            with pytest.raises(SoftTimeLimit), uow:
                uow.orders.insert_many([Order(number="A-1"), Order(number="A-2")])

        assert numbers(uow) == []
        write(uow)
        assert numbers(uow) == ["B-2"]


# aiosqlite forgets what a connect that is cancelled has opened, and Python closes it
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.usefixtures("without_garbage_collection")
@pytest.mark.parametrize("after_s", [0.0, 0.0005, 0.002, 0.01, 0.05])
def test_a_task_that_is_cancelled_in_a_statement_frees_the_writers_lock(sqlite_url: str, after_s: float) -> None:
    def work(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        with uow:
            for number in range(1_000):
                uow.orders.add(Order(number=f"A-{number}"))
                uow.flush()
                uow.orders.page(limit=200)

    async def main() -> None:
        settings = Settings(database_url=sqlite_url, database_lock_timeout_s=1)
        async with async_bootstrap(settings) as container:
            map_orders()
            new_unit = SqlAlchemyOrderingUnitOfWork
            task = asyncio.create_task(run(work, new_unit(container.session_factory())))
            await asyncio.sleep(after_s)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

            await run(write, new_unit(container.session_factory()))
            assert await run(numbers, new_unit(container.session_factory())) == ["B-2"]

    asyncio.run(main())


# ---- a block that nobody leaves -------------------------------------------------------------------------------------


def test_a_block_that_was_entered_and_forgotten_is_given_back_when_it_is_garbage(
    container: Container, engine: Engine
) -> None:
    forgotten = SqlAlchemyOrderingUnitOfWork(container.session_factory())
    forgotten.__enter__()
    forgotten.orders.add(Order(number="A-1"))
    forgotten.flush()

    del forgotten
    gc.collect()

    assert checked_out(engine) == 0
    uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
    write(uow)
    assert numbers(uow) == ["B-2"]


def test_a_block_of_a_thread_that_died_is_given_back_when_it_is_garbage(container: Container, engine: Engine) -> None:
    def work() -> None:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        uow.__enter__()
        uow.orders.add(Order(number="A-1"))
        uow.flush()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    gc.collect()

    assert checked_out(engine) == 0


def test_a_block_that_cannot_begin_gives_its_connection_back(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("adapters.seedwork.sqlalchemy.session.UnitSession.begin_block", fail)
        with pytest.raises(MemoryError), uow:
            pytest.fail("entered")

    assert checked_out(engine) == 0
    write(uow)
    assert numbers(uow) == ["B-2"]


# ---- a transaction that something else has ended --------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["ROLLBACK", "COMMIT"])
def test_plain_sql_that_ends_the_transaction_is_refused(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine, statement: str
) -> None:
    with pytest.raises(UnitOfWorkMisuse, match="ended the transaction of the block"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        uow.session.execute(text(statement))

    assert checked_out(engine) == 0


@pytest.mark.parametrize("statement", ["ROLLBACK AND CHAIN", "COMMIT AND CHAIN", "ROLLBACK; BEGIN"])
def test_plain_sql_that_ends_the_transaction_and_begins_another_is_refused(postgresql_url: str, statement: str) -> None:
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container:
        map_orders()
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())

        with pytest.raises(UnitOfWorkMisuse, match="ended the transaction of the block"), uow:
            uow.orders.add(Order(number="A-1"))
            uow.flush()
            uow.session.execute(text(statement))
            uow.commit()


def test_plain_sql_may_go_back_to_a_savepoint_of_its_own(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        for statement in ("SAVEPOINT mine", "DELETE FROM house_orders", "ROLLBACK TO mine"):
            uow.session.execute(text(statement))
        uow.commit()

    assert numbers(uow) == ["A-1"]


def test_a_commit_that_commits_nothing_does_not_return(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with pytest.raises(UnitOfWorkMisuse, match="ended the transaction of the block"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        driver: Any = uow.session.connection().connection.driver_connection
        driver.rollback()
        uow.commit()

    assert numbers(uow) == []


# ---- failures that are retried --------------------------------------------------------------------------------------


def test_a_column_whose_type_changes_under_a_prepared_statement_is_a_reason_to_retry(
    postgresql_url: str,
) -> None:
    owner = create_engine(postgresql_url, **ENGINE_OPTIONS)
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container:
        map_orders()
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        order = Order(number="A-1")
        with uow:
            uow.orders.add(order)
            uow.commit()
        for _ in range(8):
            with uow:
                uow.orders.count()  # psycopg prepares no first statement of a block
                uow.orders.get(order.id)
                uow.commit()
        with owner.begin() as connection:
            connection.execute(text("ALTER TABLE house_orders ALTER number TYPE text"))
        owner.dispose()

        tries: list[str] = []

        @retry_transient
        def read(uow: SqlAlchemyOrderingUnitOfWork) -> str:
            tries.append("try")
            with uow:
                uow.orders.count()
                found = uow.orders.get(order.id)
                uow.commit()
            return found.number

        assert read(uow) == "A-1"
        assert len(tries) == 2


def test_a_lost_race_that_was_swallowed_in_an_inner_block_is_retried(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    tries: list[str] = []

    @retry_transient
    def work(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        tries.append("try")
        with uow:
            if len(tries) == 1:
                assert uow.block
                uow.block.fail(ConcurrencyConflict("lost"))
            uow.orders.add(Order(number="A-1"))
            uow.commit()

    work(uow)

    assert len(tries) == 2
    assert numbers(uow) == ["A-1"]


def test_a_failure_that_every_try_would_repeat_is_not_retried(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    tries: list[str] = []

    @retry_transient
    def work(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        tries.append("try")
        with uow:
            assert uow.block
            uow.block.fail(ValueError("wrong"))
            uow.commit()

    with pytest.raises(FailedTransaction, match="wrong"):
        work(uow)

    assert len(tries) == 1


# ---- what a block leaves in the pool, the mapping and the file ------------------------------------------------------


def test_a_raw_connection_can_write_after_a_reading_block(uow: SqlAlchemyOrderingUnitOfWork, engine: Engine) -> None:
    write(uow, "A-1")
    numbers(uow)

    raw = engine.raw_connection()
    cursor = raw.cursor()
    cursor.execute("DELETE FROM house_orders")
    raw.commit()
    raw.close()

    assert numbers(uow) == []


def test_a_connection_can_be_set_to_commit_by_itself(uow: SqlAlchemyOrderingUnitOfWork, engine: Engine) -> None:
    write(uow, "A-1")

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))

    with pytest.raises(ValueError, match="mine"), uow:
        uow.orders.add(Order(number="B-2"))
        uow.flush()
        raise ValueError("mine")
    assert numbers(uow) == ["A-1"]


def test_entities_may_be_mapped_anew(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    write(uow, "A-1")

    clear_mappers()
    map_orders()

    write(uow, "B-2")
    assert numbers(uow) == ["A-1", "B-2"]


def test_the_log_of_a_file_does_not_grow_without_bound_under_overlapping_readers(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOG_LIMIT", 2**18)
    log = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        map_orders()
        committed, changed, stop = threading.Event(), threading.Event(), threading.Event()

        def read() -> None:
            """One reader is always open, and stays for the next commit, or for 90 ms."""
            open_reader = new_reader()
            changed.set()
            while not stop.is_set():
                committed.wait(0.09)
                committed.clear()
                next_reader = new_reader()
                open_reader.__exit__(None, None, None)
                open_reader = next_reader
                changed.set()
            open_reader.__exit__(None, None, None)

        def new_reader() -> AbstractContextManager[SqlAlchemyOrderingUnitOfWork]:
            reader = SqlAlchemyOrderingUnitOfWork(container.session_factory()).reading()
            reader.__enter__().orders.page(limit=10)
            return reader

        uow, largest = SqlAlchemyOrderingUnitOfWork(container.session_factory()), 0
        with ThreadPoolExecutor(1) as pool, ExitStack() as at_end:
            at_end.callback(stop.set)
            reading = pool.submit(read)
            for number in range(60):
                if not changed.wait(30):
                    reading.result(0)  # why it has ended
                changed.clear()
                with uow:
                    uow.orders.insert_many(Order(number=f"{number}-{n}") for n in range(40))
                    uow.commit()
                committed.set()
                largest = max(largest, log.stat().st_size)

        assert largest < 4 * 2**18


def test_nobody_else_can_read_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "new.db"

    with bootstrap(settings=Settings(database_url=f"sqlite:///{file}", database_check_schema=False)) as container:
        container.engine().connect().close()

    assert file.stat().st_mode & 0o077 == 0
