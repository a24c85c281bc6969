"""The file of an SQLite database: who may read it, and how it is opened while others write."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import make_url

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
