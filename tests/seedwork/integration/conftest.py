"""What modules share: histories of planted revisions on empty databases, and a server behind a proxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.seedwork.backends import migrate
from tests.seedwork.fixtures import start_postgresql
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


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of the module's own, on a port, where a proxy can listen in or cut."""
    with start_postgresql(tcp=True) as server:
        server.create_database("template")
        migrate(server.url("template"))
        create_tables(server.url("template"))
        yield server


@pytest.fixture
def database_url(server: PostgresServer) -> Iterator[str]:
    """A migrated database on it."""
    server.create_database("proxied", template="template")
    yield server.url("proxied")
    server.drop_database("proxied")


@pytest.fixture
def proxy(database_url: str) -> Iterator[TcpProxy]:
    """A proxy before it."""
    url = make_url(database_url)
    assert url.host
    assert url.port
    with TcpProxy(url.host, url.port) as proxy:
        yield proxy
