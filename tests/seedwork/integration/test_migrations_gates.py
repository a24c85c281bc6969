"""What every revision must pass, on each engine. Nothing has to be added for a new one: the whole history is tried.

It is tried on rows too: ``tests/seedwork/reversal.py`` makes one up for each table.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

import domain
from adapters.mappers import metadata, start_mappers
from adapters.seedwork.mapping import mapper_registry
from adapters.seedwork.settings import PROJECT
from domain.seedwork.entity import Entity
from tests.seedwork.reversal import assert_reversible
from tests.seedwork.revisions import History
from tests.seedwork.schema import Schema, not_validated, schema_of


@pytest.fixture
def history(empty_url: str) -> History:
    """The house's own history, on an empty database."""
    return History(PROJECT / "migrations" / "versions", empty_url)


# ---- the history ----------------------------------------------------------------------------------------------------


def test_there_is_one_head(history: History) -> None:
    heads = ScriptDirectory.from_config(history.config()).get_heads()

    assert len(heads) == 1, "merge them: alembic merge heads -m '...'"


def test_the_migrated_schema_is_the_mapped_one(history: History) -> None:
    with history.engine.begin() as connection:
        metadata.create_all(connection)
        mapped = schema_of(connection)
        metadata.drop_all(connection)

    history.upgrade()

    command.check(history.config())
    assert history.schema() ^ mapped == set()


def test_every_constraint_was_validated(history: History) -> None:
    history.upgrade()

    with history.engine.connect() as connection:
        assert not_validated(connection) == [], "write a revision with ALTER TABLE ... VALIDATE CONSTRAINT ..."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TABLE t (n INT, CONSTRAINT ck CHECK (n > 0))", "CREATE TABLE t (n INT, CONSTRAINT ck CHECK (n > 1))"),
        ("CREATE TABLE t (n INT, CONSTRAINT a UNIQUE (n))", "CREATE TABLE t (n INT, CONSTRAINT b UNIQUE (n))"),
        ("CREATE TABLE t (n INT, m INT, PRIMARY KEY (n))", "CREATE TABLE t (n INT, m INT, PRIMARY KEY (n, m))"),
        (
            "CREATE TABLE t (n INT); CREATE INDEX ix ON t (n) WHERE n > 0",
            "CREATE TABLE t (n INT); CREATE INDEX ix ON t (n) WHERE n > 1",
        ),
        ("CREATE TABLE t (n INT); CREATE INDEX ix ON t (abs(n))", "CREATE TABLE t (n INT)"),
        (
            "CREATE TABLE t (n INT, m INT GENERATED ALWAYS AS (n + 1) STORED)",
            "CREATE TABLE t (n INT, m INT GENERATED ALWAYS AS (n + 2) STORED)",
        ),
    ],
    ids=[
        "the text of a CHECK",
        "a constraint's name",
        "a primary key",
        "the condition of an index",
        "an index on an expression",
        "a computed column",
    ],
)
def test_the_comparison_sees_what_autogenerate_does_not(planted: History, one: str, other: str) -> None:
    assert made_by(one, planted) == made_by(one, planted)
    assert made_by(one, planted) != made_by(other, planted)


def made_by(statements: str, history: History) -> Schema:
    with history.engine.begin() as connection:
        for statement in statements.split(";"):
            connection.exec_driver_sql(statement)
        schema = schema_of(connection)
        connection.exec_driver_sql("DROP TABLE t")
    return schema


def test_every_entity_is_mapped_and_the_table_of_every_mapped_class_is_in_a_migration(history: History) -> None:
    start_mappers()
    history.upgrade()

    mappers = [mapper for mapper in mapper_registry.mappers if of_the_domain(mapper.class_)]

    assert entities() <= {mapper.class_ for mapper in mappers}
    assert [table for mapper in mappers for table in mapper.tables if table not in metadata.sorted_tables] == []
    assert {str(table) for mapper in mappers for table in mapper.tables} <= history.tables()


def of_the_domain(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == domain.__name__


def entities() -> set[type]:
    for module in pkgutil.walk_packages(domain.__path__, "domain."):
        importlib.import_module(module.name)
    return {kind for kind in subclasses(Entity) if of_the_domain(kind)}


def subclasses(kind: type[Entity]) -> Iterator[type[Entity]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_offline_sql_renders(history: History) -> None:
    with refusing_to_rebuild_a_table():
        assert "CREATE TABLE" in history.offline()


@contextmanager
def refusing_to_rebuild_a_table() -> Iterator[None]:
    """Let Alembic refuse it on SQLite, where a table is rebuilt from what it is by then."""
    try:
        yield
    except CommandError as error:
        if "batch mode with dialect sqlite requires a live database connection" not in str(error):
            raise


# ---- up, down and up again ------------------------------------------------------------------------------------------


def test_every_revision_up_down_and_up_again_leaves_the_schema_and_untouched_rows_as_they_were(
    history: History,
) -> None:
    assert_reversible(history)


TABLE = """
    status = sa.CheckConstraint("status IN ('draft', 'placed')", name="ck")
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("status", sa.String(9)), status)
    """


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "difference"),
    [
        ('op.create_index("ix", "t", ["status"])', "pass", "downgrade does not undo it"),
        ("pass", 'op.execute("DELETE FROM t")', "values are lost or changed"),
        ("pass", "op.execute(\"UPDATE t SET status = 'placed'\")", "values are lost or changed"),
    ],
)
def test_a_revision_that_can_not_be_undone_is_seen(
    planted: History, upgrade: str, downgrade: str, difference: str
) -> None:
    planted.plant("first", TABLE, 'op.drop_table("t")')
    planted.plant("second", upgrade, downgrade, down="first")

    with pytest.raises((AssertionError, DBAPIError), match=difference):
        assert_reversible(planted)


def test_merged_branches_can_be_undone(planted: History) -> None:
    planted.plant("first", TABLE, 'op.drop_table("t")')
    planted.plant("left", 'op.create_index("ix_left", "t", ["status"])', 'op.drop_index("ix_left", "t")', down="first")
    planted.plant("right", 'op.create_index("ix_right", "t", ["id"])', 'op.drop_index("ix_right", "t")', down="first")
    planted.plant("merged", "pass", down=("left", "right"))

    assert_reversible(planted)
