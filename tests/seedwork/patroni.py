"""A cluster under Patroni, which fails over by itself: three servers, one etcd, nothing that needs root.

``make cluster`` runs it where the programs ``patroni`` and ``etcd`` are on PATH, as after ``apt-get install patroni
etcd-server``; elsewhere it says that it is skipped.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from tests.seedwork.backends import migrate
from tests.seedwork.ordering import OrderId
from tests.seedwork.postgresql_server import DISK, _as_server, _candidates, _find_binaries, _new_folder
from tests.seedwork.shapes import create_tables

PROGRAMS = ("patroni", "etcd")
NAMES = ("one", "two", "three")
TTL_S = 20
"""After so many seconds without a sign of life a leader is replaced."""
DEADLINE_S = 120


def missing() -> list[str]:
    """Return which programs are not on PATH."""
    return [program for program in PROGRAMS if not shutil.which(program)]


@dataclass
class PatroniCluster:
    """Three servers, of which Patroni lets one take writes."""

    folder: Path
    binaries: Path
    etcd: int
    password: str = field(default_factory=secrets.token_hex, repr=False)
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Whichever server takes writes."""
        hosts = [f"127.0.0.1:{self.ports[name]}" for name in NAMES]
        url = URL.create("postgresql+psycopg", "postgres", self.password, host="", database="app")
        url = url.update_query_dict({"host": hosts, "target_session_attrs": "read-write"})
        return url.render_as_string(hide_password=False)

    @property
    def leader(self) -> str | None:
        """The name of the server that takes writes, if one does."""
        for name in NAMES:
            try:
                ((standby,),) = self.ask(name, "SELECT pg_is_in_recovery()", database="postgres")
            except psycopg.OperationalError:
                continue
            if not standby:
                return name
        return None

    def ask(self, name: str, statement: str, database: str = "app") -> list[tuple[Any, ...]]:
        """Execute a statement on one server."""
        place: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.ports[name],
            "dbname": database,
            "connect_timeout": 3,
        }
        with psycopg.connect(user="postgres", password=self.password, autocommit=True, **place) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start_node(self, name: str) -> None:
        """Start Patroni for one server: it makes the data, or follows the leader."""
        configuration = self.folder / f"{name}.json"
        configuration.write_text(json.dumps(self._configuration(name)))
        _own(configuration)
        self.processes[name] = self._start(name, ["patroni", str(configuration)])

    def fail_over(self) -> None:
        """Kill the leader and its Patroni, wait until another one leads, and let the dead one come back."""
        dead = self._wait(lambda: self.leader, "no leader")
        pid_file = self.folder / dead / "postmaster.pid"
        postmaster = int(pid_file.read_text().split()[0])
        for pid in (self.processes[dead].pid, postmaster):
            os.kill(pid, signal.SIGKILL)
        self.processes[dead].wait()
        self._wait(lambda: self.leader not in (None, dead), "no new leader")
        self.start_node(dead)
        self.wait_for_standbys()

    def wait_for_standbys(self) -> None:
        """Wait until Patroni itself knows that both others follow, and which of them may take over."""
        self._wait(lambda: self._roles() == ["leader", "replica", "sync_standby"], "the stand-bys do not follow")

    def _roles(self) -> list[str]:
        leader = self.leader
        if not leader:
            return []
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[f'{leader} api']}/cluster", timeout=3) as answer:
            members = json.load(answer)["members"]
        return sorted(member["role"] for member in members if member["state"] in ("running", "streaming"))

    def saved(self) -> list[OrderId]:
        """Return the ids of all orders that the leader has."""
        leader = self._wait(lambda: self.leader, "no leader")
        return [order_id for (order_id,) in self.ask(leader, "SELECT id FROM house_orders")]

    def stop(self) -> None:
        """End every process."""
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("ab") as log:
            options = _as_server()
            options["env"] = {**options["env"], "HOME": str(self.folder)}
            return subprocess.Popen(command, stdout=log, stderr=log, **options)

    def _wait(self, condition: Callable[[], Any], words: str) -> Any:
        deadline = time.monotonic() + DEADLINE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{words}:\n{self._last_words()}"
            time.sleep(0.2)
        return found

    def _last_words(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.stem}: {line}" for log in logs for line in log.read_text().splitlines()[-10:])

    def _configuration(self, name: str) -> dict[str, Any]:
        here = f"127.0.0.1:{self.ports[name]}"
        rest = f"127.0.0.1:{self.ports[f'{name} api']}"
        settings = {"max_connections": 50, "shared_buffers": "32MB", "wal_keep_size": "256MB", "fsync": "off"}
        return {
            "scope": "seedwork",
            "name": name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"host": f"127.0.0.1:{self.etcd}"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_S,
                    "loop_wait": 5,
                    "retry_timeout": 5,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": settings},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": here,
                "connect_address": here,
                "data_dir": str(self.folder / name),
                "bin_dir": str(self.binaries),
                "pgpass": str(self.folder / f"{name}.pgpass"),
                "authentication": {
                    "superuser": {"username": "postgres", "password": self.password},
                    "replication": {"username": "follower", "password": self.password},
                },
                "parameters": {"unix_socket_directories": str(self.folder)},
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
            },
        }


def _own(path: Path) -> None:
    path.chmod(0o600 if path.is_file() else 0o700)
    if "user" in (options := _as_server()):
        os.chown(path, options["user"], options["group"])


@contextmanager
def started() -> Iterator[PatroniCluster]:
    """Start etcd and three servers, migrated; at the end of the block nothing of it is left."""
    with ExitStack() as stack:
        _, binaries = _find_binaries(list(_candidates()), stack)
        folder = _new_folder(stack, DISK)
        _own(folder)
        ports = iter(_free_ports(2 + 2 * len(NAMES)))
        client, peer = next(ports), next(ports)
        cluster = PatroniCluster(folder, binaries, client)
        cluster.ports = {key: next(ports) for name in NAMES for key in (name, f"{name} api")}
        stack.callback(cluster.stop)
        urls = [f"http://127.0.0.1:{port}" for port in (client, peer)]
        options = {
            "data-dir": f"{folder}/etcd",
            "listen-client-urls": urls[0],
            "advertise-client-urls": urls[0],
            "listen-peer-urls": urls[1],
            "initial-advertise-peer-urls": urls[1],
            "initial-cluster": f"default={urls[1]}",
        }
        command = ["etcd", *(f"--{name}={value}" for name, value in options.items())]
        cluster.processes["etcd"] = cluster._start("etcd", command)
        for name in NAMES:
            cluster.start_node(name)
        cluster.wait_for_standbys()
        leader = cluster.leader
        assert leader
        cluster.ask(leader, "CREATE DATABASE app", "postgres")
        migrate(cluster.url)
        create_tables(cluster.url)
        yield cluster


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
