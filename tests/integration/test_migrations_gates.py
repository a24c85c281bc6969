"""What every revision must pass, on each engine. Nothing has to be added for a new one: the whole history is tried.

It is tried on rows too. One is made up for each table; where a CHECK does not allow it, give its values in ``ROWS``.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, Table, inspect, select
from sqlalchemy.exc import DBAPIError

import domain
from adapters.mappers import metadata, start_mappers
from adapters.orm import mapper_registry
from adapters.settings import PROJECT
from domain.entity import Entity
from tests.revisions import History
from tests.schema import Schema, schema_of

ROWS: dict[str, dict[str, object]] = {}
"""By table and column: values, where those that are made up are not allowed."""

VALUES: dict[type, object] = {
    bool: True,
    bytes: b"abc",
    date: date(2000, 1, 1),
    datetime: datetime(2000, 1, 1, tzinfo=UTC),
    Decimal: Decimal(1),
    dict: {},
    float: 1.0,
    int: 1,
    list: [],
    str: "abc",
    time: time(1),
    timedelta: timedelta(1),
    UUID: UUID(int=1),
}
"""By type: the value that is made up. It is always the same, so that a foreign key finds its row."""


@pytest.fixture
def history(empty_url: str) -> History:
    """The house's own history, on an empty database."""
    return History(PROJECT / "migrations" / "versions", empty_url)


@pytest.fixture
def planted(empty_url: str, tmp_path: Path) -> History:
    return History(tmp_path / "revisions", empty_url)


# ---- the history ----------------------------------------------------------------------------------------------------


def script(history: History) -> ScriptDirectory:
    return ScriptDirectory.from_config(history.config())


def test_there_is_one_head(history: History) -> None:
    heads = script(history).get_heads()

    assert len(heads) == 1, "merge them: alembic merge heads -m '...'"


def test_the_migrated_schema_is_the_mapped_one(history: History) -> None:
    with history.engine.begin() as connection:
        metadata.create_all(connection)
        mapped = schema_of(connection)
        metadata.drop_all(connection)

    history.upgrade()

    command.check(history.config())
    assert history.schema() == mapped


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
    ],
    ids=["the text of a CHECK", "a constraint's name", "a primary key", "the condition of an index"],
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
    assert {table.name for mapper in mappers for table in mapper.tables} <= set(history.schema())


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

Cell = tuple[str, str, str, str]
"""Table, key, column and value."""


@dataclass(frozen=True)
class State:
    schema: Schema
    cells: frozenset[Cell]


@dataclass(frozen=True)
class Step:
    """What a revision did to a database with rows, and what was left when it was undone and done again."""

    revision: str
    before: State
    up: State
    down: State
    again: State

    @property
    def untouched(self) -> frozenset[Cell]:
        return self.before.cells & self.up.cells


def walk(history: History) -> Iterator[Step]:
    for revision in reversed([*script(history).walk_revisions()]):
        before = state(history)
        history.upgrade(revision.revision)
        up = state(history)
        history.downgrade(revision._all_down_revisions[0] if revision.is_merge_point else f"{revision.revision}@-1")
        down = state(history)
        history.upgrade(revision.revision)
        yield Step(revision.revision, before, up, down, state(history))
        fill(history)


def state(history: History) -> State:
    with history.engine.connect() as connection:
        cells = frozenset(cell for table in tables(connection) for cell in cells_of(connection, table))
        return State(schema_of(connection), cells)


def tables(connection: Connection) -> list[Table]:
    there = MetaData()
    there.reflect(connection)
    return [table for table in there.sorted_tables if table.name != "alembic_version"]


def cells_of(connection: Connection, table: Table) -> Iterator[Cell]:
    for row in connection.execute(select(table)).mappings():
        key = repr([row[column] for column in table.primary_key])
        yield from ((table.name, key, column.name, repr(row[column])) for column in table.columns)


def fill(history: History) -> None:
    with history.engine.begin() as connection:
        for table in tables(connection):
            if connection.execute(select(table)).first() is None:
                try:
                    connection.execute(table.insert(), row_of(connection, table))
                except DBAPIError as error:
                    raise AssertionError(f"No row could be made up for {table}. Write one into ROWS.") from error


def row_of(connection: Connection, table: Table) -> dict[str, object]:
    checks = [str(check["sqltext"]) for check in inspect(connection).get_check_constraints(table.name)]
    row: dict[str, object] = {}
    for column in table.columns:
        if column.computed is None and column.identity is None:
            value = VALUES[column.type.python_type]
            if isinstance(value, str):  # status IN ('draft', 'placed') is a CHECK, too
                words = [re.findall("'([^']*)'", check) for check in checks if re.search(rf"\b{column.name}\b", check)]
                value = next((word for [word, *_] in filter(None, words)), value)[
                    : getattr(column.type, "length", None)
                ]
            row[column.name] = value
    return row | ROWS.get(table.name, {})


def test_every_revision_up_down_and_up_again_leaves_the_schema_and_untouched_rows_as_they_were(
    history: History,
) -> None:
    steps = [*walk(history)]

    assert steps
    assert_reversible(steps)


def assert_reversible(steps: list[Step]) -> None:
    assert [step.revision for step in steps if step.down.schema != step.before.schema] == [], "downgrade differs"
    assert [step.revision for step in steps if step.again.schema != step.up.schema] == [], "second upgrade differs"
    lost = [(step.revision, step.untouched - (step.down.cells & step.again.cells)) for step in steps]
    assert [loss for loss in lost if loss[1]] == [], "rows are lost or changed"


TABLE = """
    status = sa.CheckConstraint("status IN ('draft', 'placed')", name="ck")
    op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("status", sa.String(9)), status)
    """


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "difference"),
    [
        ('op.create_index("ix", "t", ["status"])', "pass", "downgrade differs|already exists"),
        ("pass", 'op.execute("DELETE FROM t")', "rows are lost or changed"),
        ("pass", "op.execute(\"UPDATE t SET status = 'placed'\")", "rows are lost or changed"),
    ],
)
def test_a_revision_that_can_not_be_undone_is_seen(
    planted: History, upgrade: str, downgrade: str, difference: str
) -> None:
    planted.plant("first", TABLE, 'op.drop_table("t")')
    planted.plant("second", upgrade, downgrade, down="first")

    with pytest.raises((AssertionError, DBAPIError), match=difference):
        assert_reversible([*walk(planted)])


def test_merged_branches_can_be_undone(planted: History) -> None:
    planted.plant("first", TABLE, 'op.drop_table("t")')
    planted.plant("left", 'op.create_index("ix_left", "t", ["status"])', 'op.drop_index("ix_left", "t")', down="first")
    planted.plant("right", 'op.create_index("ix_right", "t", ["id"])', 'op.drop_index("ix_right", "t")', down="first")
    planted.plant("merged", "pass", down=("left", "right"))

    assert_reversible([*walk(planted)])
