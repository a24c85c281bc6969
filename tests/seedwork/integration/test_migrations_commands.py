"""``alembic`` from the command line: what it says, and the revisions that it writes."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from alembic import command
from alembic.config import main
from alembic.util import messaging
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Identity,
    Index,
    Integer,
    Interval,
    MetaData,
    NullPool,
    String,
    Table,
    Text,
    create_engine,
    false,
    func,
    inspect,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from adapters import mappers
from adapters.mappers import metadata
from adapters.seedwork.settings import PROJECT
from adapters.seedwork.types import JsonType, UtcDateTime
from tests.seedwork.fixtures import require_own_database
from tests.seedwork.revisions import History, ruff

FIRST = 'op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True))'

THEIRS = """
    # the state and the email are columns here
    op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("state", sa.String(9)))
    with op.batch_alter_table("parents") as batch_op:
        batch_op.add_column(sa.Column("email", sa.String(99), server_default="spatial_ref_sys"))
    op.execute("UPDATE parents SET email = state")
    """


# ---- tables of others ---------------------------------------------------------------------------------------------


def test_a_table_that_neither_the_code_nor_a_revision_names_is_left_alone(planted: History) -> None:
    planted.plant("first", THEIRS)
    planted.upgrade()
    with planted.engine.begin() as connection:
        for table in ("spatial_ref_sys", "state", "email"):
            connection.exec_driver_sql(f"CREATE TABLE {table} (srid INTEGER PRIMARY KEY)")

    planted.write("theirs stays")

    [revision] = set(planted.folder.glob("*.py")) - {planted.folder / "first.py"}
    upgrade, _, _ = revision.read_text().partition("def downgrade")
    assert re.findall(r'op.drop_table\("(\w+)"\)', upgrade) == ["parents"]


def test_a_table_that_left_the_code_is_dropped_by_the_next_revision(planted: History) -> None:
    planted.plant("first", FIRST)
    planted.upgrade()

    planted.write("ours goes")

    [revision] = set(planted.folder.glob("*.py")) - {planted.folder / "first.py"}
    assert 'op.drop_table("parents")' in revision.read_text()


# ---- from the command line ------------------------------------------------------------------------------------------


def test_the_command_line_prints_what_it_does_and_an_error_once(on_sqlite: History) -> None:
    on_sqlite.plant("first", FIRST)
    on_sqlite.upgrade()

    with on_sqlite.start("check") as check:
        output, _ = check.communicate()

    assert check.returncode == 255
    assert "INFO  [alembic.runtime.migration] Context impl CarefulSQLite." in output
    assert "INFO  [alembic.autogenerate.compare.tables] Detected removed table 'parents'" in output
    assert "plugin" not in output
    assert output.count("New upgrade operations detected") == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "mysql://localhost",
            "DATABASE_URL: write it like sqlite:///app.db or postgresql://user:password@host/database",
        ),
        (f"sqlite:///{__file__}", "The database can't be used: file is not a database"),
        ("postgresql://u:secret@127.0.0.1:1/db", "The database can't be used: connection failed: "),
    ],
    ids=["scheme", "file", "port"],
)
def test_a_wrong_url_is_reported_in_one_sentence(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(SystemExit):
        main(["-c", str(PROJECT / "pyproject.toml"), "current"])

    (output,) = " ".join(capsys.readouterr().out.split()).split("FAILED: ")[1:]
    assert output.startswith(message)
    assert "secret" not in output


def test_a_server_without_an_encoding_is_migrated(on_postgresql: History) -> None:
    require_own_database()
    with on_postgresql.engine.begin() as connection:
        name = make_url(on_postgresql.url).database
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET client_encoding = SQL_ASCII")
    on_postgresql.plant("first", FIRST)

    on_postgresql.upgrade()

    url = make_url(on_postgresql.url).update_query_dict({"client_encoding": "utf8"})
    assert inspect(create_engine(url, poolclass=NullPool)).has_table("parents")


def test_a_pooler_of_transactions_is_not_migrated_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_postgresql_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_postgresql_url)
    monkeypatch.setenv("DATABASE_POOLER", "true")

    with pytest.raises(SystemExit):
        main(["-c", str(PROJECT / "pyproject.toml"), "current"])

    assert "Set MIGRATION_DATABASE_URL to the server itself." in " ".join(capsys.readouterr().out.split())

    monkeypatch.setenv("MIGRATION_DATABASE_URL", empty_postgresql_url)
    main(["-c", str(PROJECT / "pyproject.toml"), "current"])


def test_a_missing_driver_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/db")
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(SystemExit):
        main(["-c", str(PROJECT / "pyproject.toml"), "current"])

    assert (
        'PostgreSQL\'s driver is missing. Install it: python -m pip install -e ".[postgresql]"'
        in capsys.readouterr().out
    )


@pytest.fixture
def failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Callable[[History], str]:
    """Upgrades from the command line, and returns the one line in which it says why that fails."""

    def upgrade(history: History) -> str:
        monkeypatch.setenv("DATABASE_URL", history.url)
        monkeypatch.setattr(messaging, "TERMWIDTH", None)  # else a terminal's width would break the line
        with pytest.raises(SystemExit, match="-1"):
            main(["-c", history.file(), "upgrade", "head"])
        [line] = capsys.readouterr().out.splitlines()
        assert [record for record in caplog.records if record.exc_info] == []
        assert line.startswith("FAILED: ")
        return line.removeprefix("FAILED: ")

    return upgrade


@pytest.mark.parametrize("revision", ["op.execute('CREATE TABLE')", "op.execute('SELECT * FROM missing')"])
def test_a_statement_that_fails_is_reported_in_one_line_with_the_words_of_the_database(
    planted: History, failure: Callable[[History], str], revision: str
) -> None:
    planted.plant("first", revision)

    assert re.match("The database refused a statement: (incomplete|no such|syntax|relation)", failure(planted))


def test_a_history_that_is_not_in_the_files_is_reported_with_what_to_do(
    planted: History, failure: Callable[[History], str]
) -> None:
    planted.plant("first", "pass")
    with planted.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version AS SELECT 'theirs' AS version_num"))

    assert re.match("Can't locate revision identified by 'theirs', at which the database is. .*docs/", failure(planted))


def test_a_type_that_the_engine_lacks_is_reported_in_one_line(
    on_sqlite: History, failure: Callable[[History], str]
) -> None:
    on_sqlite.plant("first", 'op.create_table("parents", sa.Column("tags", sa.ARRAY(sa.Text())))')

    assert re.match(
        r"sqlite has not .*'parents', column 'tags'\): sqlite can't render .* ARRAY\. Give", failure(on_sqlite)
    )


def test_a_full_disk_is_reported_in_one_line(on_sqlite: History, failure: Callable[[History], str]) -> None:
    on_sqlite.plant(
        "first", "op.execute('PRAGMA max_page_count = 3'); op.execute('CREATE TABLE t AS SELECT zeroblob(99999)')"
    )

    assert failure(on_sqlite) == "The database refused a statement: database or disk is full"


# ---- writing revisions ----------------------------------------------------------------------------------------------


class Document(TypeDecorator[object]):
    """A column type of the application's own, on a type of PostgreSQL's own."""

    impl = JSONB
    cache_ok = True


class Period(TypeDecorator[object]):
    """A column type of the application's own that is another one on each engine."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DATERANGE() if dialect.name == "postgresql" else String(30))


@contextmanager
def mapped(*columns: Column[Any]) -> Iterator[None]:
    """Let the application have this table alone for a while: of yours, autogenerate may not see all on SQLite."""
    alone = MetaData(naming_convention=metadata.naming_convention)
    Table("documents", alone, *columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mappers, "metadata", alone)
        yield


def test_a_written_revision_is_formatted_and_needs_no_code_of_the_application(on_postgresql: History) -> None:
    with mapped(Column("body", Document())):
        on_postgresql.write("make it all")
        on_postgresql.upgrade()
        command.check(on_postgresql.config())

    (revision,) = on_postgresql.folder.glob("*.py")
    assert "adapters" not in revision.read_text()
    assert ruff("format --diff", revision.read_text()) == ""
    assert ruff("check --quiet", revision.read_text()) == ""


@pytest.fixture
def index_of_yours() -> Iterator[None]:
    """An index of a fork's own, on an expression, which autogenerate does not see on SQLite."""
    table = Table("parcels", metadata, Column("label", String(20)))
    Index("ix_parcels_label", func.lower(table.c.label))
    yield
    metadata.remove(table)


@pytest.mark.usefixtures("index_of_yours")
def test_a_revision_that_was_written_on_sqlite_makes_the_mapped_schema_on_postgresql_too(
    on_sqlite: History, on_postgresql: History
) -> None:
    flag: Column[bool] = Column("flag", Boolean, nullable=False, server_default=false())
    moment: Column[datetime] = Column("moment", DateTime(timezone=True), server_default=func.now())
    number: Column[int] = Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)

    with mapped(flag, moment, number):
        on_sqlite.write("make it all")
        for history in (on_sqlite, on_postgresql):
            history.upgrade()
            command.check(history.config())


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    ("type_", "written"),
    [
        (Interval(), "sa.Interval()"),
        (UtcDateTime(), "sa.DateTime(timezone=True)"),
        (Period(), "sa.String(length=30).with_variant(postgresql.DATERANGE()"),
        (
            JsonType().with_variant(JSONB(none_as_null=True), "postgresql"),
            "sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text())",
        ),
        (
            JsonType().with_variant(ARRAY(Text), "postgresql"),
            "sa.JSON(none_as_null=True).with_variant(postgresql.ARRAY(sa.Text())",
        ),
        (JSONB().with_variant(JSON(), "sqlite"), "sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text())"),
    ],
    ids=["SQLAlchemy's", "ours", "by engine", "a variant", "a variant with a type within", "a variant of PostgreSQL's"],
)
def test_a_revision_has_the_type_of_each_engine(
    engine: str, type_: TypeEngine[Any], written: str, on_sqlite: History, on_postgresql: History
) -> None:
    histories = {"sqlite": on_sqlite, "postgresql": on_postgresql}

    with mapped(Column("body", type_)):
        histories[engine].write("make it all")
        for history in histories.values():
            history.upgrade()
            command.check(history.config())

    (revision,) = on_sqlite.folder.glob("*.py")
    assert "".join(written.split()) in "".join(revision.read_text().split())


def test_an_empty_revision_is_formatted_by_the_template_alone(on_sqlite: History) -> None:
    on_sqlite.start("revision", "--message", "do nothing").communicate()

    (revision,) = on_sqlite.folder.glob("*.py")
    assert ruff("format --diff", revision.read_text()) == ""
    assert ruff("check --quiet", revision.read_text()) == ""
