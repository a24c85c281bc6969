"""The file of an SQLite database: who may read it, how it is opened while others write, and which numbers it keeps."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from sqlalchemy import Column, Float, MetaData, Numeric, Table, func, literal, make_url, select
from sqlalchemy.types import TypeEngine

from adapters.container import bootstrap
from adapters.settings import Settings
from service_layer.seedwork.errors import ConcurrencyConflict
from tests.seedwork.backends import migrate


def open_application(url: str, lock_timeout_s: float = 5.0) -> None:
    settings = Settings(database_url=url, database_lock_timeout_s=lock_timeout_s, database_check_schema=False)
    with bootstrap(settings=settings) as container, container.unit_of_work() as uow:
        uow.rollback()


@pytest.fixture
def file(empty_sqlite_url: str) -> Path:
    return Path(make_url(empty_sqlite_url).database or "")


@pytest.fixture
def writer(file: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who writes to a file that has no write-ahead log yet."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


@pytest.mark.parametrize("use", [open_application, migrate])
def test_a_new_file_is_its_owners_alone(file: Path, use: Callable[[str], None]) -> None:
    use(f"sqlite:///{file}")

    assert file.stat().st_mode & 0o777 == 0o600


def test_the_write_ahead_log_of_a_new_file_is_its_owners_alone(file: Path) -> None:
    with bootstrap(settings=Settings(database_url=f"sqlite:///{file}", database_check_schema=False)) as container:
        with container.engine().begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")

        assert Path(f"{file}-wal").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("use", [open_application, migrate])
def test_a_file_that_exists_keeps_its_mode(file: Path, use: Callable[[str], None]) -> None:
    file.touch(0o640)
    file.chmod(0o640)

    use(f"sqlite:///{file}")

    assert file.stat().st_mode & 0o777 == 0o640


def test_the_first_who_opens_a_file_waits_for_a_writer(file: Path, writer: sqlite3.Connection) -> None:
    ending = Timer(0.2, writer.execute, ["COMMIT"])
    ending.start()

    open_application(f"sqlite:///{file}")

    ending.join()
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_first_who_opens_a_file_gives_up_after_the_lock_timeout(file: Path, writer: sqlite3.Connection) -> None:
    with pytest.raises(ConcurrencyConflict, match="kept the data locked for too long"):
        open_application(f"sqlite:///{file}", lock_timeout_s=0.05)


def stored(url: str, column: TypeEngine[Any], value: object) -> object:
    """Return a number as it comes back from a column."""
    numbers = Table("numbers", MetaData(), Column("number", column))
    settings = Settings(database_url=url, database_check_schema=False)
    with bootstrap(settings=settings) as container, container.engine().begin() as connection:
        numbers.create(connection)
        connection.execute(numbers.insert(), {"number": value})
        return connection.scalar(numbers.select())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Numeric(24, 6), Decimal("123456789.123456")),
        (Numeric(24, 6), Decimal("1E+20")),
        (Numeric(24, 6), Decimal("-1000000000000000000.000000")),
        (Numeric(20, 0), 123456789012345),
        (Numeric(20, 0), None),
    ],
)
def test_a_number_that_sqlite_keeps_comes_back(empty_sqlite_url: str, column: Numeric[Any], value: object) -> None:
    assert stored(empty_sqlite_url, column, value) == value


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (Decimal("0.1234561234567890"), Decimal("0.123456")),
        (Decimal("9.9999999999999994515327145420957165172950370278739e-21"), Decimal(0)),
    ],
)
def test_places_that_a_column_has_not_are_no_digits_that_sqlite_loses(
    empty_sqlite_url: str, value: Decimal, kept: Decimal
) -> None:
    assert stored(empty_sqlite_url, Numeric(24, 6), value) == kept


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Numeric(24, 6), Decimal("123456789012345678.123456")),
        (Numeric(20, 0), 12345678901234567890),
        (Numeric(60, 2), Decimal("1234567890123456789012345678901234567890.12")),
    ],
)
def test_a_number_of_which_sqlite_would_lose_digits_is_refused(
    empty_sqlite_url: str, column: TypeEngine[Any], value: object
) -> None:
    with pytest.raises(ValueError, match=f"15 digits of a number exactly, not {value}. Let a rule"):
        stored(empty_sqlite_url, column, value)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Numeric(5, 2), Decimal("NaN")),
        (Numeric(5, 2), float("nan")),
        (Float(), float("nan")),
        (Float(), Decimal("NaN")),
    ],
)
def test_what_is_no_number_is_refused_and_not_stored_as_null(
    empty_sqlite_url: str, column: TypeEngine[Any], value: object
) -> None:
    with pytest.raises(ValueError, match="SQLite makes NULL of NaN"):
        stored(empty_sqlite_url, column, value)


@pytest.mark.parametrize("value", [float("inf"), 1e-300, 0.1, 5, None])
def test_a_float_comes_back(empty_sqlite_url: str, value: object) -> None:
    assert stored(empty_sqlite_url, Float(), value) == value


def test_a_number_that_is_compared_may_have_any_digits(empty_sqlite_url: str) -> None:
    numbers = Table("numbers", MetaData(), Column("number", Numeric(7, 2)))
    third = Decimal(100) / 3
    settings = Settings(database_url=empty_sqlite_url, database_check_schema=False)
    with bootstrap(settings=settings) as container, container.engine().begin() as connection:
        numbers.create(connection)
        connection.execute(numbers.insert(), {"number": Decimal("33.34")})
        query = select(numbers).group_by(numbers.c.number).having(func.avg(numbers.c.number) > third)

        assert connection.scalar(query.where(numbers.c.number < Decimal("Infinity"))) == Decimal("33.34")
        assert connection.scalar(select(literal(third))) == pytest.approx(third)


def test_a_number_that_is_not_stored_keeps_its_places(empty_sqlite_url: str) -> None:
    prices = Table("prices", MetaData(), Column("net", Numeric(7, 2)), Column("gross", Numeric(7, 2)))
    settings = Settings(database_url=empty_sqlite_url, database_check_schema=False)
    with bootstrap(settings=settings) as container, container.engine().begin() as connection:
        prices.create(connection)
        connection.execute(prices.insert(), {"net": Decimal("100.004")})
        connection.execute(prices.update().values(gross=prices.c.net * Decimal("1.195")))
        limit, others = Decimal("99.996"), [Decimal("100.001"), Decimal("100.002")]
        query = select(prices.c.gross).where(prices.c.net - limit > Decimal("0.003"), prices.c.net.not_in(others))

        assert connection.execute(query).scalar_one() == Decimal("119.50")
