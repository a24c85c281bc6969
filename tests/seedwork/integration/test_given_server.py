"""A server that stands already: what it lacks is found out once, and the tests leave nothing on it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL

from adapters.seedwork.settings import PROJECT
from tests.seedwork.backends import migrate
from tests.seedwork.given.facts import FOUND, Facts, facts, find_out
from tests.seedwork.given.server import GivenServer
from tests.seedwork.given.session import PREFIX, VARIABLE, connected, parse
from tests.seedwork.postgresql_server import PostgresServer
from tests.seedwork.tcp_proxy import TcpProxy

Find = Callable[[URL], Facts]
EVERYTHING = (
    "SELECT datname FROM pg_database UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1"
)


@pytest.fixture
def given(server: PostgresServer) -> Iterator[URL]:
    """A database that is not the tests', with a role that owns nothing else, and a row in it."""
    server.create_database("shop")
    url = parse(server.url("shop"))
    with connected(url) as connection:
        connection.execute("DROP ROLE IF EXISTS tester")
        connection.execute("CREATE ROLE tester LOGIN PASSWORD 'secret'")
        connection.execute("ALTER DATABASE shop OWNER TO tester")
        connection.execute("CREATE TABLE orders AS SELECT 1 AS id")
    yield url
    server.drop_database("shop")


@pytest.fixture
def owner(given: URL) -> URL:
    return given.set(username="tester", password="secret")


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Find:
    """Name a server, and find out what it can."""

    def find(url: URL) -> Facts:
        monkeypatch.setenv(VARIABLE, url.render_as_string(hide_password=False))
        monkeypatch.setenv(FOUND, "")
        monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
        find_out()
        found = facts()
        assert found
        return found

    return find


def everything(url: URL) -> list[tuple[str]]:
    with connected(url) as connection:
        return connection.execute(EVERYTHING).fetchall()


def test_who_may_make_databases_gets_copies_and_leaves_nothing(given: URL, find: Find) -> None:
    before = everything(given)

    with GivenServer(find(given)) as server:
        server.create_template("template", migrate)
        server.create_database("one", template="template")
        server.create_database("two", template="template")
        with connected(parse(server.url("one"))) as connection:
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
            assert connection.info.dbname.startswith(PREFIX)

    assert find(given) == Facts("copies", (), ())
    assert everything(given) == before


def build(url: str) -> None:
    """Do what migrations would."""
    with connected(parse(url)) as connection:
        connection.execute("CREATE TABLE shelves (id integer PRIMARY KEY)")


def test_who_may_not_gets_schemas_and_leaves_nothing(given: URL, owner: URL, find: Find) -> None:
    before, found = everything(given), find(owner)

    with GivenServer(found) as server:
        server.create_template("template", build)
        for name in ("one", "two"):
            server.create_database(name, template="template")
            with connected(parse(server.url(name))) as connection:
                assert connection.execute("SELECT current_database()").fetchone() == ("shop",)
                connection.execute("INSERT INTO shelves VALUES (1)")

    assert found.place == "schema"
    assert "permission denied to create database" in found.sentences[0]
    assert everything(given) == before


def test_an_extension_that_a_new_database_would_lack_keeps_the_tests_in_the_given_one(given: URL, find: Find) -> None:
    with connected(given) as connection:
        names = [str(name) for (name,) in connection.execute("SELECT name FROM pg_available_extensions")]
        extension = next(name for name in ("vector", "citext") if name in names)  # of our programs, and of most servers
        connection.execute(SQL("CREATE EXTENSION {}").format(Identifier(extension)))

    found = find(given)

    assert found.place == "schema"
    assert f"a new database lacks the extension {extension}" in found.sentences[0]


@pytest.mark.parametrize("who", ["given", "owner"])
def test_what_a_killed_run_has_left_the_next_one_drops_and_leaves_what_a_live_one_uses(
    given: URL, find: Find, request: pytest.FixtureRequest, who: str
) -> None:
    url: URL = request.getfixturevalue(who)
    before, found = everything(given), find(url)
    live, killed = GivenServer(found), GivenServer(found)
    for server in (live, killed):
        server.create_database("left")
    killed._session.__exit__()
    with connected(given) as connection:  # a session ends a moment after its connection
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = %s",
            [killed._session.name],
        )

    find(url)

    assert len(everything(given)) == len(before) + 1
    with live:
        assert connected(parse(live.url("left")))
    assert everything(given) == before


def test_what_others_have_made_is_not_dropped_whatever_its_name(given: URL, owner: URL, find: Find) -> None:
    with connected(given) as connection:
        connection.execute(f"CREATE SCHEMA {PREFIX}of_another_role")

    find(owner)

    assert (f"{PREFIX}of_another_role",) in everything(given)


def test_each_gap_is_told_in_one_sentence(given: URL, find: Find) -> None:
    assert given.host
    assert given.port
    with TcpProxy(given.host, given.port) as proxy:
        for word in (b"SAVEPOINT", b"pg_try_advisory_lock", b"application_name", b"TEMPLATE"):
            proxy.misspell(word)

        found = find(given.set(port=proxy.port))

    assert found.place == "database"
    assert found.lacks == ("savepoints", "advisory locks")
    assert [sentence.partition(":")[0] for sentence in found.sentences] == [
        'It copies no database (option "templatx" not recognized)',
        "It has no SAVEPOINT",
        "It has no advisory locks",
        "It does not show who is connected",
    ]


def test_a_server_that_takes_no_options_is_used_as_a_pooler(given: URL, owner: URL, find: Find) -> None:
    assert given.host
    assert given.port
    with TcpProxy(given.host, given.port) as proxy:
        proxy.misspell(b"options")

        found = find(given.set(port=proxy.port))
        with pytest.raises(pytest.UsageError, match="no schema .a schema needs `options` at connect"):
            find(owner.set(port=proxy.port))

    assert (found.place, found.lacks) == ("copies", ("options",))
    assert "DATABASE_POOLER=true" in found.sentences[0]


def test_a_server_that_can_not_be_used_is_reported_in_one_sentence(owner: URL, find: Find) -> None:
    with pytest.raises(pytest.UsageError, match='can.t be used: .*database "nowhere" does not exist'):
        find(owner.set(database="nowhere"))


def test_a_role_that_may_make_nothing_is_refused_with_what_to_name(given: URL, owner: URL, find: Find) -> None:
    with connected(given) as connection:
        connection.execute("ALTER DATABASE shop OWNER TO postgres")

    with pytest.raises(pytest.UsageError, match="no database .* no schema .*Name a role that may make databases"):
        find(owner)


def test_several_worker_processes_run_tests_on_it_and_leave_nothing(given: URL) -> None:
    before = everything(given)
    run = [sys.executable, "-m", "pytest", "-n2", "-p", "no:cacheprovider"]
    run += ["-k", "earlier_block and postgresql and not async", "tests/seedwork/contract/test_repositories.py"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    done = subprocess.run(
        run,
        cwd=PROJECT,
        env={**environment, VARIABLE: given.render_as_string(hide_password=False)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout
    assert f"PostgreSQL: the server of {VARIABLE}" in done.stdout
    assert everything(given) == before
