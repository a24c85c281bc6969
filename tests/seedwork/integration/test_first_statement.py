"""What comes first on a connection to PostgreSQL, whatever it is: it is undone or saved with its block."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import String, bindparam, cast, func, literal, literal_column, select, text
from sqlalchemy.exc import DataError, ProgrammingError
from sqlalchemy.types import NullType

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from service_layer.seedwork.errors import FailedTransaction, UnitOfWorkMisuse
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.ordering import Order, SqlAlchemyOrderingUnitOfWork, map_orders

Unit = SqlAlchemyOrderingUnitOfWork

INSERT = "INSERT INTO house_orders (id, number, status, version) VALUES (gen_random_uuid(), 'A-1', 'draft', 1)"


@pytest.fixture
def container(postgresql_url: str) -> Iterator[Container]:
    with bootstrap(settings=Settings(database_url=postgresql_url, database_pool_size=1)) as container:
        map_orders()
        yield container


@pytest.fixture
def uow(container: Container) -> Unit:
    return Unit(container.session_factory())


def driver(uow: Unit) -> psycopg.Connection[Any]:
    connection = uow.session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def a_unit_s_own(uow: Unit) -> None:
    uow.orders.add(Order(number="A-1"))


def several_statements(uow: Unit) -> None:
    uow.session.execute(text(f"SELECT 1; {INSERT}"))


def a_comment(uow: Unit) -> None:
    uow.session.execute(text(f"-- ours;\n{INSERT}"))


def a_cursor_of_the_driver(uow: Unit) -> None:
    driver(uow).execute(INSERT)


def many_rows(uow: Unit) -> None:
    driver(uow).cursor().executemany(INSERT.replace("'A-1'", "%s"), [("A-1",)])


def a_pipeline(uow: Unit) -> None:
    with driver(uow).pipeline():
        uow.orders.add(Order(number="A-1"))
        uow.flush()


def copy(uow: Unit) -> None:
    with driver(uow).cursor().copy("COPY house_orders (id, number, status, version) FROM STDIN") as target:
        target.write_row((uuid4(), "A-1", "draft", 1))


def a_stream(uow: Unit) -> None:
    assert list(driver(uow).cursor().stream(f"{INSERT} RETURNING number")) == [("A-1",)]


def a_server_side_cursor(uow: Unit) -> None:
    assert list(uow.orders.stream()) == []
    uow.orders.add(Order(number="A-1"))


def an_inner_block(uow: Unit) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()


first_ones = pytest.mark.parametrize(
    "first",
    [
        a_unit_s_own,
        several_statements,
        a_comment,
        a_cursor_of_the_driver,
        many_rows,
        a_pipeline,
        copy,
        a_stream,
        a_server_side_cursor,
        an_inner_block,
    ],
)


def numbers(uow: Unit) -> list[str]:
    with uow.reading():
        return [order.number for order in uow.orders.page().items]


@first_ones
@pytest.mark.parametrize("prepare", [lambda _: [], numbers], ids=["new connection", "used connection"])
def test_whatever_comes_first_is_undone_with_its_block(
    uow: Unit, first: Callable[[Unit], None], prepare: Callable[[Unit], list[str]]
) -> None:
    prepare(uow)
    with uow:
        first(uow)
        uow.flush()
        uow.rollback()

    assert numbers(uow) == []


@first_ones
def test_whatever_comes_first_is_saved_with_its_block(uow: Unit, first: Callable[[Unit], None]) -> None:
    with uow:
        first(uow)
        uow.flush()
        uow.orders.add(Order(number="B-2"))
        uow.commit()

    assert sorted(numbers(uow)) == ["A-1", "B-2"]


def test_what_the_driver_was_refused_and_nobody_heard_of_is_never_taken_for_saved(uow: Unit) -> None:
    with pytest.raises(FailedTransaction, match=r"uow\.commit\(\) after a failure"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        with suppress(psycopg.Error), driver(uow).cursor().copy("COPY house_orders (id) FROM STDIN") as copy:
            copy.write_row(["no id"])
        uow.commit()

    with uow:
        uow.orders.add(Order(number="B-2"))
        with suppress(psycopg.Error), uow:
            driver(uow).execute(f"{INSERT}; {INSERT}")
        uow.commit()
    assert numbers(uow) == ["B-2"]


def test_a_first_statement_of_any_size_is_sent(uow: Unit) -> None:
    large = "x" * 20_000_000
    with uow.reading():
        assert uow.session.scalar(select(literal(large))) == large


VALUES = [
    *(True, None, "it's 100 % \\ :a", b"\x00\\'", UUID(int=7)),
    *(0, -1, -(2**15), -(2**31), -(2**63), 2**63 - 1),
    *(1.5, -0.0, 5e-324, float("inf"), Decimal(5), Decimal("-0.10")),
    *(date(2026, 1, 2), datetime(2026, 1, 2, 3, tzinfo=UTC), timedelta(days=-1, microseconds=1)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_the_same_in_a_first_statement_and_in_a_later_one(uow: Unit, value: object) -> None:
    with uow.reading():
        first, later = (repr(uow.session.scalar(select(literal(value)))) for _ in range(2))

    assert first == later


@pytest.mark.parametrize(
    "value", [value for value in VALUES if not isinstance(value, str | None)] + [[1, -2], [1.5]], ids=repr
)
def test_a_value_without_a_type_of_sqlalchemy_s_has_the_same_type_in_both(uow: Unit, value: object) -> None:
    kind = cast(func.pg_typeof(bindparam("value", value, NullType())), String)
    with uow.reading():
        first, later = (uow.session.scalar(select(kind)) for _ in range(2))

    assert first == later


def test_a_value_of_plain_sql_is_the_same_in_a_first_statement_and_in_a_later_one(uow: Unit) -> None:
    with uow.reading():
        kinds = [uow.session.scalar(text("SELECT pg_typeof(:value)::text"), {"value": 1.5}) for _ in range(2)]

    assert kinds == ["double precision", "double precision"]


def test_a_refused_first_statement_leaves_nothing_of_it_in_the_connection(uow: Unit) -> None:
    for _ in range(7):  # more often than it takes psycopg to prepare a statement
        with pytest.raises(DataError), uow:
            uow.session.execute(select(literal(1) / literal(0)))

    assert numbers(uow) == []


def test_after_a_first_statement_that_the_server_can_t_parse_nothing_is_saved(uow: Unit) -> None:
    with uow:
        session = uow.session
        with pytest.raises(ProgrammingError):
            session.execute(select(literal_column("1 +")))
        session.execute(text(INSERT))

    assert numbers(uow) == []


def test_a_second_statement_that_was_injected_is_refused(uow: Unit) -> None:
    injected = text(f"number = 'x'; {INSERT}; COMMIT; SELECT 'a'")
    with pytest.raises(ProgrammingError, match="multiple commands"), uow:
        uow.session.execute(select(literal(1)).where(injected))

    assert numbers(uow) == []


def test_an_error_shows_no_value_of_a_first_statement(uow: Unit) -> None:
    with pytest.raises(ProgrammingError) as caught, uow:
        uow.session.execute(select(literal_column("1 IN :value")).where(text("1 IN :value")).params(value="SECRET"))

    assert "SECRET" not in str(caught.value)


def test_a_column_whose_type_changes_under_a_prepared_statement_of_reading_blocks_is_a_reason_to_retry(
    uow: Unit, postgresql_url: str
) -> None:
    @retry_transient
    def read(uow: Unit) -> str:
        with uow.reading():
            number = select(literal_column("number", String)).select_from(Order)
            return f"{uow.orders.count()} {uow.session.scalar(number)}"

    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()
    for _ in range(8):
        read(uow)
    with psycopg.connect(postgresql_url.replace("+psycopg", "")) as owner:
        owner.execute("ALTER TABLE house_orders ALTER number TYPE text")

    assert read(uow) == "1 A-1"


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_after_plain_sql_has_ended_the_transaction_nothing_is_saved(uow: Unit, end: str) -> None:
    with uow:
        session = uow.session
        session.execute(select(literal(1)))
        with pytest.raises(UnitOfWorkMisuse):
            session.execute(text(end))
        session.execute(text(INSERT))

    assert numbers(uow) == []


def test_without_a_unit_of_work_a_connection_begins_as_its_caller_has_set_it(container: Container, uow: Unit) -> None:
    numbers(uow)
    options: dict[str, Any] = {"isolation_level": "SERIALIZABLE", "postgresql_readonly": True}
    shows = [text(f"SHOW transaction_{name}") for name in ("isolation", "read_only", "deferrable")]

    with container.engine().connect().execution_options(**options, postgresql_deferrable=True) as connection:
        as_set = [connection.scalar(show) for show in shows]
    with uow:
        of_a_unit = [uow.session.scalar(show) for show in shows]
    with container.engine().connect() as connection:
        renewed = [connection.scalar(show) for show in shows]

    assert as_set == ["serializable", "on", "on"]
    assert of_a_unit == renewed == ["read committed", "off", "off"]


@pytest.mark.parametrize(
    ("options", "saved"), [({}, []), ({"isolation_level": "AUTOCOMMIT"}, ["A-1"])], ids=["usual", "autocommit"]
)
def test_without_a_unit_of_work_a_statement_is_saved_as_its_caller_has_set_it(
    container: Container, uow: Unit, options: dict[str, Any], saved: list[str]
) -> None:
    numbers(uow)
    with container.engine().connect().execution_options(**options) as connection:
        connection.execute(text(INSERT))
    with container.engine().connect() as connection:
        connection.execute(text(INSERT.replace("A-1", "B-2")))

    assert numbers(uow) == saved
