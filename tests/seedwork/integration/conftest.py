"""What modules share: histories of planted revisions on empty databases, and a server behind a proxy."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.seedwork.backends import migrate
from tests.seedwork.cluster import ask
from tests.seedwork.fixtures import start_postgresql
from tests.seedwork.given.facts import facts
from tests.seedwork.given.session import VARIABLE
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.revisions import History
from tests.seedwork.shapes import create_tables
from tests.seedwork.tcp_proxy import TcpProxy


@pytest.fixture
def planted(empty_url: str, tmp_path: Path) -> History:
    """On each engine in turn."""
    return History(tmp_path / "revisions", empty_url)


@pytest.fixture
def on_sqlite(empty_sqlite_url: str, tmp_path: Path) -> History:
    """On SQLite."""
    return History(tmp_path / "revisions", empty_sqlite_url)


@pytest.fixture
def on_postgresql(empty_postgresql_url: str, tmp_path: Path) -> History:
    """On PostgreSQL, in the same folder."""
    return History(tmp_path / "revisions", empty_postgresql_url)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server on a port, where a proxy can listen in or cut, and whose roles and databases a test may change."""
    with start_postgresql(tcp=True) as server:
        server.create_template("template", migrate, create_tables)
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database on it; where a server is given, on that one."""
    if facts():
        yield request.getfixturevalue("postgresql_url")
        return
    server: PostgresServer = request.getfixturevalue("server")
    server.create_database("proxied", template="template")
    yield server.url("proxied")
    server.drop_database("proxied")


@pytest.fixture
def proxy(database_url: str) -> Iterator[TcpProxy]:
    """A proxy before it."""
    url = make_url(database_url)
    try:
        socket.create_connection((url.host or "", url.port or 5432), timeout=5).close()
    except OSError as error:
        pytest.skip(f"it needs a proxy, and the server of {VARIABLE} is not on one port: {error}")
    with TcpProxy(url.host or "", url.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(database_url: str, proxy: TcpProxy) -> str:
    """The database behind the proxy, without TLS, so that the proxy can read what is said."""
    url = make_url(database_url).set(host="127.0.0.1", port=proxy.port).update_query_dict({"sslmode": "disable"})
    text = url.render_as_string(hide_password=False)
    try:
        psycopg.connect(text.replace("+psycopg", "")).close()
    except psycopg.OperationalError as error:
        pytest.skip(
            f"it needs a proxy that can read, and the server of {VARIABLE} answers no client without TLS: {error}"
        )
    proxy.sent.clear()
    return text


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    """A server that a stand-by can follow."""
    with start_postgresql(tcp=True) as server:
        server.create_template("app", migrate, create_tables)
        yield server


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A server that has all that the primary acknowledges."""
    with PostgresServer.start(standby_of=primary) as server:
        ask(primary, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        ask(primary, "SELECT pg_reload_conf()")
        while not ask(primary, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"):
            pass
        yield server
