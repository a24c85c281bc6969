"""The limits of PostgreSQL: time, locks, idle blocks, disk. Each ends in an error that names it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url, text

from adapters.container import bootstrap
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.settings import Settings
from service_layer.seedwork.errors import ConcurrencyConflict, DatabaseUnavailable, StatementTimeout
from service_layer.seedwork.retry import retry_transient
from service_layer.seedwork.transaction import Transaction
from tests.seedwork.fixtures import require_own_database, require_time_limits
from tests.seedwork.ordering import Order, SqlAlchemyOrderingUnitOfWork
from tests.seedwork.use_cases import add_order, get_order

Open = Callable[..., AbstractContextManager[SqlAlchemyOrderingUnitOfWork]]


@pytest.fixture
def open_unit(postgresql_url: str) -> Open:
    """Makes a unit of work on an engine of its own, with whatever settings a test needs."""
    require_time_limits()

    @contextmanager
    def open_unit(query: dict[str, str] | None = None, **settings: Any) -> Iterator[SqlAlchemyOrderingUnitOfWork]:
        url = make_url(postgresql_url).update_query_dict(query or {}).render_as_string(hide_password=False)
        with bootstrap(settings=Settings(database_url=url, **settings)) as container:
            yield SqlAlchemyOrderingUnitOfWork(container.session_factory())

    return open_unit


@pytest.fixture
def administrator(postgresql_url: str) -> Iterator[psycopg.Connection]:
    """A connection without a unit of work."""
    with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def show(uow: SqlAlchemyTransaction, *names: str) -> list[str]:
    with uow.reading():
        return [uow.session.execute(text(f"SHOW {name}")).scalar_one() for name in names]


@retry_transient
def saved(uow: Transaction) -> Order:
    assert isinstance(uow, SqlAlchemyOrderingUnitOfWork)
    order = Order(number="A-1")
    with uow:
        uow.orders.add(order)
        uow.commit()
    return order


def driver_connection(uow: SqlAlchemyTransaction) -> psycopg.Connection:
    with uow.reading():
        connection = uow.session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


# ---- what is set on a connection ---------------------------------------------------------------------------------


def test_every_session_has_the_limits_of_the_settings(open_unit: Open) -> None:
    limits = {
        "database_lock_timeout_s": 1.5,
        "database_statement_timeout_s": 2.5,
        "database_idle_timeout_s": 3.5,
    }

    with open_unit(**limits) as uow:
        assert show(uow, "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout") == [
            "1500ms",
            "2500ms",
            "3500ms",
        ]


def test_a_server_that_does_not_answer_is_given_up_sooner_than_in_two_hours(open_unit: Open) -> None:
    with open_unit() as uow:
        parameters = driver_connection(uow).info.get_parameters()

    assert {name: parameters[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
        "connect_timeout": "5",
        "keepalives_idle": "10",
        "tcp_user_timeout": "25000",
    }


def test_the_options_of_the_url_win_and_the_others_stay(open_unit: Open) -> None:
    query = {"connect_timeout": "9", "tcp_user_timeout": "9000", "options": "-c search_path=mine -c lock_timeout=9s"}

    with open_unit(query, database_check_schema=False) as uow:
        parameters = driver_connection(uow).info.get_parameters()

        assert [parameters[name] for name in ("connect_timeout", "tcp_user_timeout", "keepalives_idle")] == [
            "9",
            "9000",
            "10",
        ]
        assert show(uow, "search_path", "lock_timeout", "statement_timeout") == ["mine", "9s", "30s"]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_texts_travel_as_utf_8_whatever_the_server_would_use(
    open_unit: Open, administrator: psycopg.Connection, encoding: str
) -> None:
    require_own_database()
    database = Identifier(administrator.info.dbname)
    administrator.execute(SQL("ALTER DATABASE {} SET client_encoding = {}").format(database, encoding))

    with open_unit() as uow:
        assert get_order(uow, add_order(uow, "Ł€日").id).number == "Ł€日"


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Asia/Tokyo", datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("America/New_York", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_first_and_the_last_moment_are_read_whatever_the_zone_of_the_server(
    open_unit: Open, administrator: psycopg.Connection, zone: str, moment: datetime
) -> None:
    require_own_database()
    database = Identifier(administrator.info.dbname)
    administrator.execute(SQL("ALTER DATABASE {} SET timezone = {}").format(database, zone))
    order = Order(number="A-1", placed_at=moment)

    with open_unit() as uow:
        with uow:
            uow.orders.add(order)
            uow.commit()
        with uow.reading():
            read = uow.orders.get(order.id)

    assert read.placed_at == moment


def test_a_pooler_is_sent_no_limits_and_no_statements_to_prepare(open_unit: Open) -> None:
    with open_unit(database_pooler=True) as uow:
        assert show(uow, "lock_timeout", "statement_timeout") == ["0", "0"]
        assert driver_connection(uow).prepare_threshold is None


# ---- too little of something -------------------------------------------------------------------------------------


def test_a_slow_statement_is_reported_as_such_and_not_sent_again(open_unit: Open) -> None:
    tries = []

    @retry_transient
    def report(uow: Transaction) -> None:
        tries.append(1)
        with uow:
            assert isinstance(uow, SqlAlchemyTransaction)
            uow.session.execute(text("SELECT pg_sleep(60)"))

    with (
        open_unit(database_statement_timeout_s=0.05) as uow,
        pytest.raises(StatementTimeout, match="took longer .* or raise DATABASE_STATEMENT_TIMEOUT_S"),
    ):
        report(uow)

    assert len(tries) == 1


def test_a_lock_that_another_transaction_keeps_is_reported_as_such(
    open_unit: Open, administrator: psycopg.Connection
) -> None:
    with open_unit(database_lock_timeout_s=0.05) as uow:
        order = saved(uow)

        with (
            administrator.transaction(),
            pytest.raises(ConcurrencyConflict, match="has kept the data locked for too long"),
            uow,
        ):
            administrator.execute("SELECT * FROM house_orders FOR UPDATE")
            uow.orders.get(order.id, for_update=True)


@pytest.mark.parametrize(
    "goes_on", [lambda uow: uow.orders.count(), SqlAlchemyTransaction.commit], ids=["work", "commit"]
)
def test_a_block_that_was_idle_for_too_long_is_reported_and_nothing_of_it_is_saved(
    open_unit: Open, administrator: psycopg.Connection, goes_on: Callable[[SqlAlchemyOrderingUnitOfWork], None]
) -> None:
    with open_unit(database_idle_timeout_s=0.05) as uow:
        with pytest.raises(DatabaseUnavailable, match="was idle for longer .* or raise DATABASE_IDLE_TIMEOUT_S"), uow:
            uow.orders.add(Order(number="A-1"))
            uow.flush()
            wait_until_ended(administrator, uow)
            goes_on(uow)

        with uow.reading():
            assert uow.orders.count() == 0


def wait_until_ended(administrator: psycopg.Connection, uow: SqlAlchemyTransaction) -> None:
    connection = uow.session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    query, deadline = "SELECT 1 FROM pg_stat_activity WHERE pid = %s", monotonic() + 20
    while administrator.execute(query, [connection.info.backend_pid]).fetchone():
        assert monotonic() < deadline, "an idle block is not ended"


def test_a_service_goes_on_when_its_primary_has_become_a_stand_by(
    open_unit: Open, administrator: psycopg.Connection
) -> None:
    require_own_database()
    database = Identifier(administrator.info.dbname)
    administrator.execute(SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(database))

    with open_unit() as uow:
        with pytest.raises(DatabaseUnavailable, match="is a stand-by, or was set to read-only"), uow:
            uow.orders.add(Order(number="A-1"))
            uow.commit()
        with uow.reading():  # over a connection that only reads
            uow.orders.count()
        administrator.execute(SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(database))

        order = saved(uow)

        with uow.reading():
            assert uow.orders.page().items == (order,)
