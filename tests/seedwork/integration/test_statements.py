"""How many statements a use case sends: as many as its work needs, inside one BEGIN and one end.

SQLite's driver reports them, and PostgreSQL's go through a proxy: there each is a round trip, but for BEGIN, which
travels with the first one. To load orders takes two, for their lines are in another table.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Connection
from threading import Thread
from typing import Any

import psycopg
import pytest
from sqlalchemy import delete, event, func, select, text, true
from sqlalchemy.pool import QueuePool

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from tests.seedwork.ordering import Order, OrderId, SqlAlchemyOrderingUnitOfWork, orders
from tests.seedwork.tcp_proxy import TcpProxy
from tests.seedwork.use_cases import (
    OrderDetails,
    add_order,
    export_orders,
    find_order_by_number,
    get_order,
    import_orders,
    list_orders,
    raise_deposit,
    remove_order,
    renumber_order,
)

WRITE, READ = "begin to write", "begin to read"

STATEMENT = rb"BEGIN[A-Z ]*|SAVEPOINT|RELEASE|COMMIT|ROLLBACK(?: TO)?|SELECT|INSERT|UPDATE|DELETE|PRAGMA"
REQUEST = re.compile(rb"(?:(BEGIN[A-Z ]*);)?(" + STATEMENT + rb")")
BEGINS = {
    "sqlite": {"BEGIN IMMEDIATE": WRITE, "BEGIN": READ},
    "postgresql": {"BEGIN": WRITE, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY": READ},
}


@dataclass(frozen=True)
class Application:
    """A container, and what it has sent."""

    container: Container
    requests: list[bytes]

    def new_unit(self) -> SqlAlchemyOrderingUnitOfWork:
        return SqlAlchemyOrderingUnitOfWork(self.container.session_factory())

    def wait(self) -> None:
        """Wait for the last ROLLBACK: who takes the connection reads the answer."""
        self.container.engine().connect().close()

    @property
    def sent(self) -> list[str]:
        """What was sent, in a word a statement."""
        self.wait()
        begins = BEGINS[self.container.engine().dialect.name]
        found = [REQUEST.search(request) for request in self.requests]
        words = [word.decode() for match in found for word in (match.groups() if match else [b"?"]) if word]
        return [begins.get(word, word) for word in words if word != "PRAGMA"]


@pytest.fixture
def postgresql_behind_proxy(proxied_url: str, proxy: TcpProxy) -> Iterator[Application]:
    with bootstrap(settings=Settings(database_url=proxied_url)) as container:
        yield Application(container, proxy.sent)


@pytest.fixture
def traced_sqlite(sqlite_url: str) -> Iterator[Application]:
    requests: list[bytes] = []

    def trace(connection: Connection, _record: object) -> None:
        connection.set_trace_callback(lambda sql: requests.append(sql.encode()))

    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        event.listen(container.engine(), "connect", trace)
        yield Application(container, requests)


@pytest.fixture(params=["traced_sqlite", "postgresql_behind_proxy"], ids=["sqlite", "postgresql"])
def application(request: pytest.FixtureRequest) -> Application:
    found: Application = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def order(application: Application) -> OrderDetails:
    """An order, and a connection that has done its first work."""
    order = add_order(application.new_unit(), "A-1", voucher="V-1")
    get_order(application.new_unit(), order.id)
    application.wait()
    application.requests.clear()
    return order


def test_adding_is_one_insert(application: Application, order: OrderDetails) -> None:
    add_order(application.new_unit(), "B-2")

    assert application.sent == [WRITE, "INSERT", "COMMIT"]


def test_adding_again_looks_only_after_the_insert_was_refused(application: Application, order: OrderDetails) -> None:
    assert add_order(application.new_unit(), "A-1", voucher="V-1", order_id=order.id) == order

    assert application.sent == [WRITE, "INSERT", "ROLLBACK", READ, "SELECT", "SELECT", "ROLLBACK"]


@pytest.mark.parametrize(
    "read",
    [
        lambda uow, order: get_order(uow, order.id),
        lambda uow, order: find_order_by_number(uow, order.number),
        lambda uow, order: list_orders(uow),
    ],
    ids=["get", "find by number", "page"],
)
def test_reading_is_one_select_for_each_table(
    application: Application, order: OrderDetails, read: Callable[..., object]
) -> None:
    read(application.new_unit(), order)

    assert application.sent == [READ, "SELECT", "SELECT", "ROLLBACK"]


def test_a_page_that_is_empty_is_one_select(application: Application, order: OrderDetails) -> None:
    list_orders(application.new_unit(), after=order.id)

    assert application.sent == [READ, "SELECT", "ROLLBACK"]


@pytest.mark.parametrize("expected_version", [None, 1])
def test_a_change_loads_and_is_one_update(
    application: Application, order: OrderDetails, expected_version: int | None
) -> None:
    renumber_order(application.new_unit(), order.id, "B-2", expected_version=expected_version)

    assert application.sent == [WRITE, "SELECT", "SELECT", "UPDATE", "COMMIT"]


def test_removing_loads_and_is_one_delete(application: Application, order: OrderDetails) -> None:
    remove_order(application.new_unit(), order.id)

    assert application.sent == [WRITE, "SELECT", "SELECT", "DELETE", "COMMIT"]


def test_an_import_is_one_insert(application: Application, order: OrderDetails) -> None:
    import_orders(application.new_unit(), ["B-2"])

    assert application.sent == [WRITE, "INSERT", "COMMIT"]


def test_streaming_is_one_select_for_each_table(application: Application, order: OrderDetails) -> None:
    export_orders(application.new_unit(), lambda _: None)

    assert application.sent[:2] == [READ, "SELECT"]
    assert application.sent.count("SELECT") == 2


def test_a_use_case_inside_another_adds_a_savepoint_and_no_transaction(
    application: Application, order: OrderDetails
) -> None:
    with application.new_unit() as uow:
        raise_deposit(uow, order.id)
        uow.commit()

    assert application.sent == [WRITE, "SAVEPOINT", "SELECT", "SELECT", "UPDATE", "RELEASE", "COMMIT"]


def test_an_empty_block_sends_nothing(application: Application, order: OrderDetails) -> None:
    with application.new_unit() as uow:
        uow.commit()

    assert application.requests == []


def test_on_sqlite_only_a_turn_between_reading_and_writing_costs_a_pragma(traced_sqlite: Application) -> None:
    new_unit = traced_sqlite.new_unit
    order = add_order(new_unit(), "A-1")
    traced_sqlite.requests.clear()

    get_order(new_unit(), order.id)
    get_order(new_unit(), order.id)
    raise_deposit(new_unit(), order.id)
    raise_deposit(new_unit(), order.id)

    pragmas = [request for request in traced_sqlite.requests if request.startswith(b"PRAGMA")]
    assert pragmas == [b"PRAGMA query_only=1", b"PRAGMA query_only=0"]


def test_on_postgresql_a_change_is_a_round_trip_less_than_by_the_bare_driver(
    postgresql_behind_proxy: Application, proxied_url: str, proxy: TcpProxy
) -> None:
    order = add_order(postgresql_behind_proxy.new_unit(), "A-1")
    with psycopg.connect(proxied_url.replace("+psycopg", "")) as connection:
        proxy.sent.clear()
        connection.execute("SELECT * FROM house_orders WHERE id = %s", [order.id])
        connection.execute("SELECT * FROM house_order_lines WHERE order_id = %s", [order.id])
        connection.execute(
            "UPDATE house_orders SET number = 'B-2', version = 2 WHERE id = %s AND version = 1", [order.id]
        )
        connection.commit()
        of_the_driver = len(proxy.sent)
        proxy.sent.clear()

        renumber_order(postgresql_behind_proxy.new_unit(), order.id, "C-3")

        assert len(proxy.sent) == of_the_driver - 1


@pytest.mark.parametrize(
    "open_block", [SqlAlchemyOrderingUnitOfWork.reading, lambda uow: uow], ids=["reading block", "block"]
)
def test_on_postgresql_a_block_that_only_read_does_not_wait_for_the_answer_to_rollback(
    postgresql_behind_proxy: Application,
    proxy: TcpProxy,
    open_block: Callable[[SqlAlchemyOrderingUnitOfWork], AbstractContextManager[object]],
) -> None:
    add_order(postgresql_behind_proxy.new_unit(), "A-1")
    uow = postgresql_behind_proxy.new_unit()

    def read() -> None:
        with open_block(uow):
            uow.session.execute(select(func.set_config("app.tenant", "ann", true())))  # a function that locks nothing
            assert len(uow.orders.page().items) == 1
            proxy.fall_silent()

    reader = Thread(target=read, daemon=True)
    reader.start()
    reader.join(30)

    assert not reader.is_alive()


@pytest.mark.parametrize(
    "work",
    [
        lambda uow, order_id: uow.session.execute(delete(Order)),
        lambda uow, order_id: uow.session.execute(text("UPDATE house_orders SET number = 'B-2'")),
        lambda uow, order_id: uow.orders.get(order_id, for_update=True),
        lambda uow, order_id: uow.session.execute(text("SELECT 1 FROM house_orders FOR SHARE")),
        lambda uow, order_id: uow.session.execute(select(func.pg_advisory_xact_lock(1))),
        lambda uow, order_id: uow.session.execute(select(delete(orders).returning(orders.c.id).cte())),
    ],
    ids=["write", "plain SQL that writes", "lock", "plain SQL that locks", "function", "write in a SELECT"],
)
def test_on_postgresql_a_block_that_locked_rows_has_released_them_when_it_is_left(
    postgresql_behind_proxy: Application, work: Callable[[SqlAlchemyOrderingUnitOfWork, OrderId], None]
) -> None:
    order = add_order(postgresql_behind_proxy.new_unit(), "A-1")

    with postgresql_behind_proxy.new_unit() as uow:
        work(uow, order.id)
        driver = uow.session.connection().connection.driver_connection
        uow.rollback()

    assert isinstance(driver, psycopg.Connection)
    assert driver.info.transaction_status is psycopg.pq.TransactionStatus.IDLE  # the answer to ROLLBACK is read


@pytest.mark.parametrize(("pool_size", "connections"), [(1, 1), (10, 2)])
def test_on_postgresql_two_connections_take_turns_where_one_caller_reads_again_and_again(
    proxied_url: str, pool_size: int, connections: int
) -> None:
    settings = Settings(database_url=proxied_url, database_pool_size=pool_size, database_pool_timeout_s=3600)
    with bootstrap(settings=settings) as container:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        reader = Thread(target=lambda: [list_orders(uow) for _ in range(200)], daemon=True)
        reader.start()
        reader.join(30)

        pool = container.engine().pool
        assert isinstance(pool, QueuePool)
        assert (reader.is_alive(), pool.checkedin()) == (False, connections)


def test_a_look_for_work_reads_an_index_where_much_was_due_lately(postgresql_url: str) -> None:
    sent: list[tuple[str, Any]] = []  # Any: of the driver
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container, container.engine().connect() as server:
        due = "SELECT n, 'send', gen_random_uuid(), 'due', 0, now() FROM generate_series(1, 10000) n"
        server.execute(text(f"INSERT INTO outbox_deliveries {due}"))
        server.execute(text("ANALYZE outbox_deliveries"))
        server.execute(text("UPDATE outbox_deliveries SET not_before = now() + interval '1 h'"))
        server.commit()
        event.listen(container.engine(), "before_cursor_execute", lambda *args: sent.append((args[2], args[3])))
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())

        with uow.reading():
            assert uow.outbox.due(["send"], datetime.now(UTC)) == []

        look, values = sent[-1]
        plan = server.exec_driver_sql(f"EXPLAIN {look}", values).scalars().all()
        assert not [line for line in plan if "Seq Scan" in line]
