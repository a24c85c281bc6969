"""The application on a schema that is not the one it needs, and the command ``db status``."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dependency_injector import providers
from sqlalchemy import make_url, text
from typer.testing import CliRunner

from adapters.cli import app
from adapters.container import bootstrap
from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy import schema
from adapters.settings import Settings
from adapters.unit_of_work import InMemoryUnitOfWork
from service_layer.seedwork.errors import DatabaseUnavailable, SchemaOutdated
from tests.seedwork.revisions import History


@pytest.fixture
def release(tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[History]:
    """A release that has one revision, and a database that has none."""
    shutil.copytree(PROJECT / "migrations", tmp_path / "migrations", ignore=shutil.ignore_patterns("versions"))
    history = History(tmp_path / "migrations" / "versions", empty_url)
    history.plant("older", 'op.create_table("sketches", sa.Column("id", sa.Integer, primary_key=True))')
    monkeypatch.setattr(schema, "PROJECT", tmp_path)
    schema._revisions.cache_clear()
    yield history
    schema._revisions.cache_clear()


@pytest.fixture
def migrated(release: History) -> History:
    """One on a database that has it."""
    release.upgrade()
    return release


@pytest.fixture
def newer(migrated: History) -> History:
    """One with a second revision that the database does not have."""
    migrated.plant("newer", 'op.create_table("planted", sa.Column("id", sa.Integer, primary_key=True))', down="older")
    return migrated


def test_the_newest_revisions_are_known_without_alembic(newer: History) -> None:
    newer.plant("branch", "pass", down="older")
    assert schema._heads() == {"newer", "branch"}

    newer.plant("merge", "pass", down=("newer", "branch"))
    assert schema._heads() == {"merge"} == schema._revisions()[0]


def start(url: str, *, check: bool = True) -> None:
    with bootstrap(settings=Settings(database_url=url, database_check_schema=check)):
        pass


def status(url: str, monkeypatch: pytest.MonkeyPatch, *arguments: str, exit_code: int = 0) -> str:
    monkeypatch.setenv("DATABASE_URL", url)
    result = CliRunner().invoke(app, ["db", "status", *arguments], catch_exceptions=False)
    assert result.exit_code == exit_code
    return result.output


# ---- bootstrap() ----------------------------------------------------------------------------------------------------


def test_the_application_starts_on_a_migrated_database(migrated: History) -> None:
    start(migrated.url)


def test_the_application_starts_on_an_empty_database_while_there_is_no_revision(release: History) -> None:
    shutil.rmtree(release.folder)

    start(release.url)


def test_a_database_that_is_not_migrated_is_refused_with_the_command_to_run(release: History) -> None:
    with pytest.raises(SchemaOutdated, match="not migrated, and this code needs older. Run: alembic upgrade head"):
        start(release.url)


def test_a_file_that_is_not_there_is_refused_and_not_made(release: History, tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdated, match="not migrated, and this code needs older"):
        start(f"sqlite:///{tmp_path / 'absent.db'}")

    assert not (tmp_path / "absent.db").exists()


def test_a_database_that_is_behind_is_refused_with_the_command_to_run(newer: History) -> None:
    with pytest.raises(SchemaOutdated, match="at revision older, and this code needs newer. Run: alembic upgrade"):
        start(newer.url)

    newer.upgrade()
    start(newer.url)


def test_a_database_that_is_ahead_is_refused_with_what_to_do(migrated: History) -> None:
    with migrated.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'newer'"))

    with pytest.raises(
        SchemaOutdated, match="at revision newer, which this code does not know: a newer release, or another branch"
    ):
        start(migrated.url)
    start(migrated.url, check=False)


def test_a_database_that_another_service_has_migrated_is_refused_with_what_to_do(migrated: History) -> None:
    with migrated.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'theirs'"))

    with pytest.raises(
        SchemaOutdated, match=r"another service's: give each a schema of its own \(docs/operations.md\)"
    ):
        start(migrated.url)


@pytest.mark.parametrize("empty_url", ["postgresql"], indirect=True)
def test_two_services_live_in_one_database_where_each_has_a_schema(release: History) -> None:
    url = make_url(release.url).update_query_dict({"options": "-csearch_path=mine"})
    mine = History(release.folder, url.render_as_string(hide_password=False))
    with release.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA mine"))
        connection.execute(text("CREATE TABLE alembic_version AS SELECT 'theirs' AS version_num"))

    mine.upgrade()

    start(mine.url)
    assert mine.tables() == {"alembic_version", "sketches"}
    assert release.tables() == {"alembic_version"}


def test_an_application_in_memory_asks_no_database(empty_sqlite_url: str) -> None:
    parts = {"settings": Settings(database_url=empty_sqlite_url), "unit_of_work": providers.Factory(InMemoryUnitOfWork)}

    with bootstrap(**parts) as container, container.unit_of_work() as uow:
        uow.commit()


def test_a_database_that_cannot_be_reached_is_reported_by_the_first_block_and_not_by_the_check() -> None:
    with bootstrap(settings=Settings(database_url="postgresql://127.0.0.1:1/nowhere")) as container:
        uow = container.unit_of_work()

        with pytest.raises(DatabaseUnavailable), uow.reading():
            pytest.fail("entered")


# ---- db status -----------------------------------------------------------------------------------------------------


def test_status_of_a_migrated_database_has_nothing_pending(migrated: History, monkeypatch: pytest.MonkeyPatch) -> None:
    output = status(migrated.url, monkeypatch)

    assert "Revision  older" in output
    assert "Pending   nothing" in output


def test_status_shows_what_is_pending_and_its_sql(newer: History, monkeypatch: pytest.MonkeyPatch) -> None:
    output = status(newer.url, monkeypatch, exit_code=1)

    assert "Revision  older\nHead      newer\nPending   newer newer\n" in output
    assert "-- Running upgrade older -> newer\n\nCREATE TABLE planted (" in output
    assert "Running upgrade  ->" not in output


def test_status_of_an_empty_database_shows_all_of_it(release: History, monkeypatch: pytest.MonkeyPatch) -> None:
    output = status(release.url, monkeypatch, exit_code=1)

    assert "Revision  none: it is not migrated" in output
    assert "-- Running upgrade  -> older" in output


def test_status_says_where_the_sql_depends_on_the_database(newer: History, monkeypatch: pytest.MonkeyPatch) -> None:
    newer.plant("newest", """op.get_bind().execute(sa.text("SELECT 1")).scalar()""", down="newer")

    output = status(newer.url, monkeypatch, exit_code=1)

    assert "CREATE TABLE planted" in output
    assert "-- What follows depends on what the database holds by then: AttributeError: " in output


def test_status_of_a_database_that_a_newer_release_has_migrated_says_so(
    newer: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer.upgrade()
    (newer.folder / "newer.py").unlink()
    schema._revisions.cache_clear()

    output = status(newer.url, monkeypatch)

    assert "Revision  newer\n" in output
    assert "Pending   unknown: a newer release, another branch or another service has migrated this database" in output


def test_status_of_a_database_that_claims_a_revision_and_the_one_before_it_says_so(
    newer: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer.upgrade()
    with newer.engine.begin() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('older')"))

    output = status(newer.url, monkeypatch, exit_code=1)

    assert "alembic_version has the rows newer and older, and one of them comes before another one" in output


def test_status_can_be_read_by_a_program(newer: History, monkeypatch: pytest.MonkeyPatch) -> None:
    output = json.loads(status(newer.url, monkeypatch, "--json", exit_code=1))

    assert output["current"] == ["older"]
    assert output["pending"] == [{"id": "newer", "message": "newer"}]
    assert "CREATE TABLE planted" in output["sql"]


def test_status_of_a_file_that_is_not_there_fails_and_makes_none(
    release: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = status(f"sqlite:///{tmp_path / 'absent.db'}", monkeypatch, exit_code=1)

    assert "Revision  none: it is not migrated" in output
    assert "Pending   older" in output
    assert not (tmp_path / "absent.db").exists()


def test_status_shows_no_password(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make_url(postgresql_url)
    password = url.password or "p@ssword"

    url = url.set(password=password).update_query_dict({"sslpassword": "hunter2"})
    output = status(url.render_as_string(hide_password=False), monkeypatch)

    assert f"Database  postgresql+psycopg://{url.username}:***@" in output
    assert f":{password}@" not in output
    assert "hunter2" not in output


def test_status_of_a_wrong_setting_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://localhost")

    result = CliRunner().invoke(app, ["db", "status"])

    assert result.exit_code == 1
    assert ": DATABASE_URL: write it like sqlite:///app.db" in result.stderr
