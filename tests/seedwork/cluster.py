"""A primary and two synchronous stand-bys, which die and come back in turn."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import cast

import psycopg
from sqlalchemy import make_url

from tests.seedwork.backends import migrate
from tests.seedwork.ordering import OrderId
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.shapes import create_tables

NAMES = ("one", "two", "three")
DEADLINE_S = 30
# A stand-by that follows a new primary needs what it has missed, and looks for it at once.
SETTINGS = ("wal_keep_size = '256MB'", "wal_retrieve_retry_interval = '100ms'")


def ask(server: PostgresServer, statement: str) -> list[tuple[object, ...]]:
    """Execute a statement on the database of a primary or a stand-by."""
    with psycopg.connect(server.url("app").replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def saved(server: PostgresServer) -> list[OrderId]:
    """Return the ids of all orders that a server has."""
    return sorted(cast("OrderId", order_id) for (order_id,) in ask(server, "SELECT id FROM house_orders"))


def one_url(*servers: PostgresServer) -> str:
    """Return the URL of whichever of these servers takes writes."""
    urls = [make_url(server.url("app")) for server in servers]
    hosts = {"host": [f"{url.host}:{url.port}" for url in urls], "target_session_attrs": "read-write"}
    return urls[0].set(host="", port=None).update_query_dict(hosts).render_as_string(hide_password=False)


class Cluster:
    """Three servers, of which one takes writes and acknowledges what one of the others has too."""

    def __init__(self, servers: dict[str, PostgresServer], primary: str, stack: ExitStack) -> None:
        self._servers, self._primary, self._stack = servers, primary, stack
        self.url = one_url(*servers.values())

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Cluster"]:
        """Start three servers; at the end of the block stop them."""
        with ExitStack() as stack:
            first, *others = NAMES
            primary = stack.enter_context(PostgresServer.start(tcp=True))
            primary.create_template("app", migrate, create_tables)
            for setting in SETTINGS:  # the stand-bys copy them
                ask(primary, f"ALTER SYSTEM SET {setting}")
            ask(primary, "SELECT pg_reload_conf()")
            servers = {first: primary}
            for name in others:
                servers[name] = stack.enter_context(PostgresServer.start(standby_of=primary, name=name))
            cluster = cls(servers, first, stack)
            for server in servers.values():
                ask(server, f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({', '.join(NAMES)})'")
                ask(server, "SELECT pg_reload_conf()")
            cluster._wait_for_standbys()
            yield cluster

    @property
    def primary(self) -> PostgresServer:
        """The server that takes writes."""
        return self._servers[self._primary]

    @property
    def standbys(self) -> list[str]:
        """The names of those that follow it now, synchronously."""
        followers = ask(self.primary, "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'quorum'")
        return [str(name) for (name,) in followers]

    def fail_over(self) -> None:
        """Kill the primary, promote the stand-by that has most, and let the dead one come back as a stand-by."""
        dead = self._primary
        self.primary.kill()
        self._primary = max((name for name in NAMES if name != dead), key=self._received)
        ask(self.primary, "SELECT pg_promote()")
        for name in NAMES:
            if name not in (dead, self._primary):
                ask(
                    self._servers[name],
                    f"ALTER SYSTEM SET primary_conninfo = '{self.primary.followed_as(name)}'",
                )
                ask(self._servers[name], "SELECT pg_reload_conf()")
        self._servers[dead].stop()
        # a copy of the new primary: its own data may hold what nobody was told of, on a timeline that has ended
        again = PostgresServer.start(standby_of=self.primary, name=dead, port=self._servers[dead].port)
        self._servers[dead] = self._stack.enter_context(again)
        self._wait_for_standbys()

    def saved(self) -> list[OrderId]:
        """Return the ids of all orders that the primary has."""
        return saved(self.primary)

    def _received(self, name: str) -> int:
        position = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint"
        ((received,),) = ask(self._servers[name], position)
        assert isinstance(received, int)
        return received

    def _wait_for_standbys(self) -> None:
        deadline = monotonic() + DEADLINE_S
        while len(self.standbys) < len(NAMES) - 1:
            assert monotonic() < deadline, f"only {self.standbys} follow {self._primary}"
