"""A connection that breaks, at any moment, in any way: what is saved is known, or reported as unknown."""

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL
from sqlalchemy import event, make_url, text

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from service_layer.seedwork.errors import (
    CommitOutcomeUnknown,
    DatabaseRefused,
    DatabaseUnavailable,
    FailedTransaction,
    UnitOfWorkMisuse,
)
from tests.seedwork.fixtures import require_own_database
from tests.seedwork.ordering import Line, Order, OrderId, SqlAlchemyOrderingUnitOfWork
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.tcp_proxy import TcpProxy
from tests.seedwork.use_cases import add_order, get_order, list_orders, raise_deposit


class Interrupted(Exception):
    """What a caller's own code raises."""


@pytest.fixture
def container(proxied_url: str) -> Iterator[Container]:
    """An application that reaches its database through the proxy, with one connection in its pool."""
    patience = {"connect_timeout": "2", "tcp_user_timeout": "1000"}
    url = make_url(proxied_url).update_query_dict(patience)
    settings = Settings(database_url=url.render_as_string(hide_password=False), database_pool_size=1)
    with bootstrap(settings=settings) as container:
        yield container


@pytest.fixture
def uow(container: Container) -> SqlAlchemyOrderingUnitOfWork:
    """A unit of work whose connection is in the pool."""
    uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
    assert list_orders(uow).items == ()
    return uow


@pytest.fixture
def direct(database_url: str) -> Iterator[SqlAlchemyOrderingUnitOfWork]:
    """A unit of work without the proxy, whose connection is in the pool."""
    with bootstrap(settings=Settings(database_url=database_url)) as container:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        assert list_orders(uow).items == ()
        yield uow


@pytest.fixture
def administrator(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@pytest.fixture
def numbers(administrator: psycopg.Connection) -> Callable[[], list[str]]:
    """What is saved, as another client sees it."""
    return lambda: [number for (number,) in administrator.execute("SELECT number FROM house_orders ORDER BY number")]


@pytest.mark.parametrize("word", [b"pg_catalog.version", b"standard_conforming_strings"])
@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
def test_an_application_starts_again_whose_first_connection_is_lost(
    proxied_url: str, proxy: TcpProxy, word: bytes, cut: str
) -> None:
    getattr(proxy, cut)(word)  # while SQLAlchemy asks what the server is

    with bootstrap(settings=Settings(database_url=proxied_url)) as container:
        assert list_orders(SqlAlchemyOrderingUnitOfWork(container.session_factory())).items == ()


def terminate_all(administrator: psycopg.Connection) -> None:
    require_own_database()
    administrator.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


# ---- during COMMIT: the outcome is unknown -----------------------------------------------------------------------


def test_cut_before_commit_arrives_the_outcome_is_unknown_and_nothing_is_saved(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    proxy.cut_before(b"COMMIT")

    with pytest.raises(CommitOutcomeUnknown, match="lost during COMMIT"):
        add_order(uow, "A-1")

    assert numbers() == []


def test_cut_after_the_commit_the_outcome_is_unknown_and_the_work_is_saved_once(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    proxy.cut_after(b"COMMIT")

    with pytest.raises(CommitOutcomeUnknown, match="lost during COMMIT"):
        add_order(uow, "A-1")

    assert numbers() == ["A-1"]


def test_after_a_commit_of_unknown_outcome_nothing_is_called(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    called: list[str] = []
    proxy.cut_after(b"COMMIT")

    with pytest.raises(CommitOutcomeUnknown), uow:
        uow.orders.add(Order(number="A-1"))
        uow.after_commit(lambda: called.append("sent"))
        uow.commit()

    assert called == []


@pytest.mark.parametrize("cut", [TcpProxy.cut_before, TcpProxy.cut_after], ids=["before", "after"])
def test_a_request_of_unknown_outcome_can_be_repeated_by_its_id(
    uow: SqlAlchemyOrderingUnitOfWork,
    proxy: TcpProxy,
    numbers: Callable[[], list[str]],
    cut: Callable[[TcpProxy, bytes], None],
) -> None:
    order_id = OrderId(new_id())
    cut(proxy, b"COMMIT")
    with pytest.raises(CommitOutcomeUnknown):
        add_order(uow, "A-1", voucher="V-1", order_id=order_id)

    order = add_order(uow, "A-1", voucher="V-1", order_id=order_id)

    assert (order.id, order.version) == (order_id, 1)
    assert numbers() == ["A-1"]


def test_a_backend_that_was_terminated_before_commit_leaves_the_outcome_unknown(
    uow: SqlAlchemyOrderingUnitOfWork, administrator: psycopg.Connection, numbers: Callable[[], list[str]]
) -> None:
    with pytest.raises(CommitOutcomeUnknown), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        terminate_all(administrator)
        uow.commit()

    assert numbers() == []


# ---- what other engines answer -----------------------------------------------------------------------------------


def test_a_conflict_that_is_reported_at_commit_is_answered_by_running_the_function_again(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    proxy.fail_commit("40001")
    proxy.fail_commit("40001")

    add_order(uow, "A-1")

    assert numbers() == ["A-1"]
    assert sum(b"COMMIT" in request for request in proxy.sent) == 3


def test_a_commit_that_the_server_calls_ambiguous_leaves_the_outcome_unknown(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    proxy.fail_commit("40003")

    with pytest.raises(CommitOutcomeUnknown):
        add_order(uow, "A-1")

    assert numbers() == []
    add_order(uow, "B-2")
    assert numbers() == ["B-2"]


def test_without_savepoints_an_inner_block_is_refused_with_what_to_write(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    proxy.misspell(b"SAVEPOINT")

    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(UnitOfWorkMisuse, match="has no savepoints.*Write all of it in one block"), uow:
            uow.orders.count()
        with pytest.raises(FailedTransaction):
            uow.commit()

    add_order(uow, "B-2")


# ---- before COMMIT nothing is saved, and the function is run again -----------------------------------------------


@pytest.mark.parametrize("word", [b"BEGIN", b"SELECT", b"UPDATE"])
@pytest.mark.parametrize("cut", [TcpProxy.cut_before, TcpProxy.cut_after], ids=["before", "after"])
def test_a_service_function_goes_on_if_the_connection_is_cut_before_its_commit(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, cut: Callable[[TcpProxy, bytes], None], word: bytes
) -> None:
    order = add_order(uow, "A-1")
    cut(proxy, word)

    changed = raise_deposit(uow, order.id)

    assert (changed.cents, changed.version) == (1, 2)
    assert get_order(uow, order.id) == changed


def test_a_lost_connection_fails_its_block_and_those_around_it(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(DatabaseUnavailable), uow:
            proxy.cut_before(b"SELECT")
            uow.orders.count()
        with pytest.raises(FailedTransaction, match="DatabaseUnavailable"):
            uow.commit()

    assert numbers() == []


def test_a_new_entity_keeps_its_parts_though_an_inner_block_was_undone_by_a_lost_connection(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1)])
    with pytest.raises(DatabaseUnavailable), uow:
        uow.orders.add(order)
        with uow:
            order.number = "A-2"
            uow.flush()
            order.lines[0].quantity = 2
            proxy.cut_before(b"ROLLBACK TO")
            uow.rollback()

    with uow:
        uow.orders.add(order)
        uow.commit()

    with uow.reading():
        assert [line.product for line in uow.orders.get(order.id).lines] == ["chair"]


def test_an_inner_block_that_has_lost_the_connection_is_rolled_back_in_silence(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1)])
    with uow:
        uow.orders.add(order)
        with uow:
            order.lines[0].quantity = 2
            uow.flush()
            proxy.cut_before(b"SELECT")
            with pytest.raises(DatabaseUnavailable):
                uow.orders.count()
            uow.rollback()
        with pytest.raises(FailedTransaction, match="DatabaseUnavailable"):
            uow.commit()

    assert (order.version, order.lines[0].product) == (0, "chair")


def test_the_parts_that_are_left_are_readable_though_a_flush_of_an_inner_block_loses_the_connection(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    order_id = _add_order_with_two_lines(uow)

    with pytest.raises(DatabaseUnavailable), uow:
        order = uow.orders.get(order_id)
        with uow:
            del order.lines[0]
            uow.flush()
            uow.orders.add(Order(number="A-2"))
            proxy.cut_before(b"INSERT")
            uow.commit()

    assert [line.product for line in order.lines] == ["table"]


def test_parts_are_readable_though_the_connection_is_lost_before_a_rollback_has_loaded_them_again(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    order_id = _add_order_with_two_lines(uow)

    with pytest.raises(DatabaseUnavailable), uow:
        order = uow.orders.get(order_id)
        with uow:
            order.add_line("lamp")
            uow.flush()
            proxy.cut_before(b"SELECT house_order_lines")
            uow.rollback()

    assert [line.product for line in order.lines] == ["chair", "table", "lamp"]


def test_parts_are_readable_though_the_connection_is_lost_while_one_that_was_changed_is_loaded_again(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    order_id = _add_order_with_two_lines(uow)

    with pytest.raises(DatabaseUnavailable), uow:
        order = uow.orders.get(order_id)
        with uow:
            order.lines[0].quantity = 2
            proxy.cut_before(b"SELECT")
            uow.rollback()

    assert [line.product for line in order.lines] == ["chair", "table"]


def _add_order_with_two_lines(uow: SqlAlchemyOrderingUnitOfWork) -> OrderId:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1), Line(product="table", quantity=1)])
    with uow:
        uow.orders.add(order)
        uow.commit()
    return order.id


def test_what_an_inner_block_has_flushed_is_readable_though_the_connection_is_lost_after_its_rollback(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1)])
    with uow:
        uow.orders.add(order)
        uow.commit()
    with pytest.raises(DatabaseUnavailable), uow:
        order = uow.orders.get(order.id)
        with uow:
            order.lines[0].quantity = 2
            uow.flush()
            proxy.cut_before(b"SELECT")
            uow.rollback()

    assert (order.number, order.lines[0].product) == ("A-1", "chair")


def test_a_connection_lost_in_an_inner_commit_is_no_unknown_outcome(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    with pytest.raises(DatabaseUnavailable), uow:
        with uow:
            uow.orders.add(Order(number="A-1"))
            proxy.cut_before(b"RELEASE SAVEPOINT")
            uow.commit()
        uow.commit()

    assert numbers() == []


def test_an_error_of_the_callers_own_is_not_replaced_by_a_lost_connection(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    mine = Interrupted("mine")

    with pytest.raises(Interrupted) as caught, uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        proxy.cut_before(b"ROLLBACK")
        raise mine

    assert caught.value is mine
    assert "Closing the unit of work failed as well: DatabaseUnavailable" in caught.value.__notes__[0]


def test_a_backend_that_was_terminated_during_a_block_fails_it(
    uow: SqlAlchemyOrderingUnitOfWork, administrator: psycopg.Connection, numbers: Callable[[], list[str]]
) -> None:
    with pytest.raises(DatabaseUnavailable, match="connection to it was lost"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        terminate_all(administrator)
        uow.orders.count()

    assert numbers() == []


# ---- between calls -----------------------------------------------------------------------------------------------


def test_a_backend_that_was_terminated_between_two_blocks_fails_no_block(
    direct: SqlAlchemyOrderingUnitOfWork, administrator: psycopg.Connection, numbers: Callable[[], list[str]]
) -> None:
    with direct.reading():  # the answer to its ROLLBACK is read by the next block
        assert direct.orders.page().items == ()
    terminate_all(administrator)

    with direct:
        direct.orders.add(Order(number="A-1"))
        direct.commit()

    assert numbers() == ["A-1"]


def test_a_connection_that_refused_the_rollback_of_a_reading_block_is_replaced(
    uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy, numbers: Callable[[], list[str]]
) -> None:
    with uow.reading():
        assert uow.orders.page().items == ()
        proxy.misspell(b"ROLLBACK")  # as if an administrator cancelled it

    add_order(uow, "A-1")

    assert numbers() == ["A-1"]


def test_a_server_without_room_for_a_second_connection_is_asked_once(
    proxied_url: str, proxy: TcpProxy, administrator: psycopg.Connection
) -> None:
    with bootstrap(settings=Settings(database_url=proxied_url)) as container:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        list_orders(uow)
        proxy.refuse(times=5)

        for _ in range(200):
            list_orders(uow)

        assert proxy.refused == 1


@pytest.mark.parametrize("end", [PostgresServer.restart, PostgresServer.kill], ids=["stopped", "killed"])
def test_a_server_that_was_restarted_between_two_blocks_fails_no_block(
    server: PostgresServer, direct: SqlAlchemyOrderingUnitOfWork, end: Callable[[PostgresServer], None]
) -> None:
    add_order(direct, "A-1")
    end(server)
    server.restart()

    with direct:
        assert direct.orders.count() == 1


def test_a_healthy_connection_is_not_tested_by_a_statement(uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy) -> None:
    order = add_order(uow, "A-1")
    proxy.sent.clear()

    raise_deposit(uow, order.id)

    assert [re.findall(b"SELECT|UPDATE|COMMIT", request)[0] for request in proxy.sent] == [
        b"SELECT",
        b"SELECT",
        b"UPDATE",
        b"COMMIT",
    ]


# ---- no connection at all ----------------------------------------------------------------------------------------


def test_a_server_that_refuses_connections_for_a_while_fails_no_call(
    container: Container, uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    container.engine().dispose()
    proxy.refuse(times=3)

    assert list_orders(uow).items == ()


def test_a_server_that_closes_each_new_connection_is_reported_as_such(
    container: Container, uow: SqlAlchemyOrderingUnitOfWork, administrator: psycopg.Connection
) -> None:
    terminate_all(administrator)
    event.listen(container.engine(), "connect", lambda *_: terminate_all(administrator))

    with pytest.raises(DatabaseUnavailable, match="connection to it was lost"), uow:
        uow.orders.count()


REFUSED = "The server refuses the login. Correct .* in DATABASE_URL"


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"port": 1}, DatabaseUnavailable, "can't be reached.*Connection refused"),
        ({"password": "hunter2"}, DatabaseRefused, f"{REFUSED}.*password authentication failed"),
        ({"database": "elsewhere"}, DatabaseRefused, f'{REFUSED}.*database "elsewhere" does not exist'),
        ({"username": "stranger"}, DatabaseRefused, f'{REFUSED}.*permission denied for database "proxied"'),
        ({"username": "sleeper"}, DatabaseRefused, f'{REFUSED}.*role "sleeper" is not permitted to log in'),
    ],
    ids=["no server", "wrong password", "no database", "no permission", "no login"],
)
def test_a_failure_to_connect_is_reported_in_the_words_of_the_driver_and_without_the_password(
    server: PostgresServer, database_url: str, wrong: dict[str, Any], kind: type[Exception], words: str
) -> None:
    url = make_url(database_url).set(**wrong)
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as administrator:
        administrator.execute("REVOKE CONNECT ON DATABASE proxied FROM PUBLIC; DROP ROLE IF EXISTS stranger, sleeper")
        administrator.execute(
            SQL("CREATE ROLE stranger LOGIN PASSWORD {0}; CREATE ROLE sleeper PASSWORD {0}").format(url.password)
        )

    with (
        bootstrap(settings=Settings(database_url=url.render_as_string(hide_password=False))) as container,
        pytest.raises(DatabaseUnavailable, match=words) as caught,
        container.unit_of_work(),
    ):
        pytest.fail("entered")

    assert type(caught.value) is kind
    assert str(url.password) not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize(("password", "tries"), [("hunter2", 1), (None, 3)], ids=["refused", "away"])
def test_a_login_that_is_refused_is_not_tried_again(
    server: PostgresServer, database_url: str, monkeypatch: pytest.MonkeyPatch, password: str | None, tries: int
) -> None:
    monkeypatch.setenv("RETRY_TRIES", "3")
    url = make_url(database_url)
    url = url.set(password=password) if password else url.set(port=1)
    settings, made = Settings(database_url=url.render_as_string(hide_password=False), database_check_schema=False), []

    with bootstrap(settings=settings) as container:
        event.listen(container.engine(), "do_connect", lambda *_: made.append(1))
        with pytest.raises(DatabaseUnavailable):
            list_orders(SqlAlchemyOrderingUnitOfWork(container.session_factory()))

    assert len(made) == tries


def test_where_one_of_two_servers_is_away_the_other_ones_refusal_is_not_the_last_word(
    server: PostgresServer, database_url: str
) -> None:
    url = make_url(database_url).set(password="hunter2")
    hosts = [f"127.0.0.1:{url.port}", "127.0.0.1:1"]
    both = url.set(host="", port=None).update_query_dict({"host": hosts}).render_as_string(hide_password=False)

    with (
        bootstrap(settings=Settings(database_url=both)) as container,
        pytest.raises(DatabaseUnavailable, match="password authentication failed") as caught,
        container.unit_of_work(),
    ):
        pytest.fail("entered")

    assert not isinstance(caught.value, DatabaseRefused)


# ---- a server that does not answer -------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives up on what a peer does not take")
def test_a_server_that_takes_nothing_any_more_is_given_up(uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy) -> None:
    with pytest.raises(DatabaseUnavailable, match="connection to it was lost"), uow:
        uow.orders.count()
        proxy.fall_silent()
        uow.session.execute(text("SELECT length(:long)"), {"long": "x" * 2**24})


def test_a_server_that_does_not_answer_a_new_connection_is_given_up(
    container: Container, uow: SqlAlchemyOrderingUnitOfWork, proxy: TcpProxy
) -> None:
    container.engine().dispose()
    proxy.fall_silent()

    with pytest.raises(DatabaseUnavailable, match="timeout expired"), uow:
        pytest.fail("entered")
