"""What every revision must pass, on each engine. Nothing has to be added for a new one: the whole history is tried.

It is tried on rows too: ``tests/seedwork/reversal.py`` makes one up for each table. While there is no revision, the
database has no table of the application.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

import domain
from adapters.mappers import metadata, start_mappers
from adapters.seedwork.mapping import mapper_registry
from adapters.seedwork.settings import PROJECT
from domain.seedwork.entity import Entity
from tests.seedwork.reversal import Rows, assert_reversible
from tests.seedwork.revisions import History
from tests.seedwork.schema import Schema, not_validated, of_tables, schema_of


@pytest.fixture
def history(empty_url: str) -> History:
    """The project's own history, on an empty database."""
    return History(PROJECT / "migrations" / "versions", empty_url)


# ---- the history ----------------------------------------------------------------------------------------------------


def test_there_is_one_head(history: History) -> None:
    heads = ScriptDirectory.from_config(history.config()).get_heads()

    assert len(heads) <= 1, "merge them: alembic merge heads -m '...'"


def test_the_migrated_schema_is_the_mapped_one(history: History) -> None:
    with history.engine.begin() as connection:
        metadata.create_all(connection)
        mapped = schema_of(connection)
        metadata.drop_all(connection)

    history.upgrade()

    command.check(history.config())
    assert of_tables(history.schema()) ^ of_tables(mapped) == set()


BESIDE_TABLES = {
    "sqlite": [
        "CREATE TRIGGER kept BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'kept'); END",
        "CREATE VIEW numbers AS SELECT n FROM t",
    ],
    "postgresql": [
        "CREATE TRIGGER kept BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE VIEW numbers AS SELECT n FROM t",
        "CREATE POLICY of_one ON t USING (n = 1)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ],
}


def test_views_triggers_and_policies_are_those_of_revisions_alone(planted: History) -> None:
    with planted.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INT)")
    tables = schema = planted.schema()

    for statement in BESIDE_TABLES[planted.engine.dialect.name]:
        with planted.engine.begin() as connection:
            connection.exec_driver_sql(statement)
        schema, before = planted.schema(), schema
        assert schema > before, statement

    assert of_tables(schema) == tables


PARTITIONED = """
    op.create_table("t", sa.Column("id", sa.Uuid, primary_key=True), postgresql_partition_by="RANGE (id)")
    op.execute("CREATE TABLE t_2026 PARTITION OF t FOR VALUES"
               " FROM ('019b7700-0000-7000-8000-000000000000') TO ('019c1500-0000-7000-8000-000000000000')")
    op.execute("CREATE TABLE t_rest PARTITION OF t DEFAULT")
    """


def test_the_partitions_of_a_table_are_left_alone(on_postgresql: History) -> None:
    on_postgresql.plant("first", "pass")
    on_postgresql.upgrade()
    before = of_tables(on_postgresql.schema())
    on_postgresql.plant("second", PARTITIONED, 'op.drop_table("t")', down="first")

    assert_reversible(on_postgresql)

    made = of_tables(on_postgresql.schema()) - before
    assert {line.partition(":")[0] for line in made} == {"t"}
    assert "t: partitioned by RANGE (id)" in made


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

    assert not_mapped(entities(), {mapper.class_ for mapper in mappers}) == []
    assert [table for mapper in mappers for table in mapper.tables if table not in metadata.sorted_tables] == []
    assert {str(table) for mapper in mappers for table in mapper.tables} <= history.tables()


def test_a_base_of_mapped_classes_needs_no_table() -> None:
    class Owned(Entity): ...

    class Project(Owned): ...

    class Forgotten(Entity): ...

    assert not_mapped({Owned, Project}, {Project}) == []
    assert not_mapped({Owned, Project, Forgotten}, {Project}) == [
        "Forgotten is not mapped: write its map_once(...), and call it in start_mappers() of adapters/mappers.py"
    ]


def not_mapped(kinds: set[type[Entity]], mapped: set[type]) -> list[str]:
    return [
        f"{kind.__name__} is not mapped: write its map_once(...), and call it in start_mappers() of adapters/mappers.py"
        for kind in kinds
        if mapped.isdisjoint({kind, *subclasses(kind)})
    ]


def of_the_domain(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == domain.__name__


def entities() -> set[type[Entity]]:
    for module in pkgutil.walk_packages(domain.__path__, "domain."):
        importlib.import_module(module.name)
    return {kind for kind in subclasses(Entity) if of_the_domain(kind)}


def subclasses(kind: type[Entity]) -> Iterator[type[Entity]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_offline_sql_renders(history: History) -> None:
    with refusing_to_rebuild_a_table():
        assert history.offline().count("-- Running upgrade") == len(revisions(history))


def revisions(history: History) -> list[Script]:
    return [*ScriptDirectory.from_config(history.config()).walk_revisions()]


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
    history: History, revision_rows: Rows
) -> None:
    assert_reversible(history, revision_rows)


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


T = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INT{})"
LOST = [
    ("CREATE TRIGGER tr AFTER UPDATE ON t BEGIN SELECT 1; END", "lost: t: trigger tr"),
    ("CREATE INDEX ix ON t (n DESC)", "lost: t: index ix"),
    ("CREATE INDEX ix ON t (abs(n))", "lost: t: index ix"),
    ("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, n INT)", "lost: t: AUTOINCREMENT"),
    ("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n VARCHAR(9) COLLATE NOCASE)", "lost: t: COLLATE NOCASE"),
    ("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INT, UNIQUE (n) ON CONFLICT IGNORE)", "lost: t: ON CONFLICT"),
]
KEPT = [
    "CREATE INDEX ix ON t (n) WHERE n > 0",
    "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INT) STRICT",
    "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INT) WITHOUT ROWID",
    'create table "t" (id integer not null primary key, "n" int default 1)',
]
REBUILD = """
{before}
with op.batch_alter_table("t", recreate="always"{options}) as batch:
    batch.{change}
{after}
"""


def plant_a_rebuild(history: History, statement: str, before: str = "", options: str = "", after: str = "") -> None:
    statements = [statement] if "table" in statement.lower() else [T.format(""), statement]
    history.plant("first", "\n".join(f"op.execute({each!r})" for each in statements), 'op.drop_table("t")')
    around = {"before": before, "options": options, "after": after.format(statement)}
    add = REBUILD.format(change='add_column(sa.Column("m", sa.Integer))', **around)
    history.plant("second", add, REBUILD.format(change='drop_column("m")', **around), down="first")


@pytest.mark.parametrize(("statement", "lost"), LOST)
def test_what_a_rebuilt_table_of_sqlite_loses_is_named(on_sqlite: History, statement: str, lost: str) -> None:
    plant_a_rebuild(on_sqlite, statement)

    with pytest.raises(AssertionError, match=f"second: .*(?s:.*){lost}"):
        assert_reversible(on_sqlite)


@pytest.mark.parametrize("statement", KEPT)
def test_what_a_rebuilt_table_of_sqlite_keeps_is_accepted(on_sqlite: History, statement: str) -> None:
    plant_a_rebuild(on_sqlite, statement)

    assert_reversible(on_sqlite)


@pytest.mark.parametrize(
    ("statement", "recipe"),
    [
        ("CREATE TRIGGER tr AFTER UPDATE ON t BEGIN SELECT 1; END", {"after": "op.execute('{}')"}),
        ("CREATE INDEX ix ON t (n DESC)", {"before": "op.drop_index('ix')", "after": "op.execute('{}')"}),
        ("CREATE INDEX ix ON t (abs(n))", {"before": "op.drop_index('ix')", "after": "op.execute('{}')"}),
        (
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, n INT)",
            {"options": ", table_kwargs={'sqlite_autoincrement': True}"},
        ),
        (
            T.format(", s VARCHAR(9) COLLATE NOCASE"),
            {"options": ", reflect_args=[sa.Column('s', sa.String(9, collation='NOCASE'))]"},
        ),
        (
            T.format(", CONSTRAINT uq UNIQUE (n) ON CONFLICT IGNORE"),
            {"options": ", table_args=[sa.UniqueConstraint('n', name='uq', sqlite_on_conflict='IGNORE')]"},
        ),
        (T.format(", CHECK (n > 0)"), {"options": ", table_args=[sa.CheckConstraint('n > 0')]"}),
        (
            T.format(", g INT GENERATED ALWAYS AS (n + 1) VIRTUAL"),
            {
                "before": "op.drop_column('t', 'g')",
                "after": "op.add_column('t', sa.Column('g', sa.Integer, sa.Computed('n + 1', persisted=False)))",
            },
        ),
    ],
)
def test_what_a_rebuilt_table_of_sqlite_loses_the_page_brings_back(
    on_sqlite: History, statement: str, recipe: dict[str, str]
) -> None:
    plant_a_rebuild(on_sqlite, statement, **recipe)

    assert_reversible(on_sqlite)


def test_a_generated_column_of_sqlite_is_refused_by_the_database(on_sqlite: History) -> None:
    plant_a_rebuild(
        on_sqlite, "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INT GENERATED ALWAYS AS (id + 1) STORED)"
    )

    with pytest.raises(CommandError, match='cannot INSERT into generated column "n"'):
        assert_reversible(on_sqlite)


@pytest.mark.parametrize(
    ("before", "after"),
    [("String(50)", "DateTime"), ("DateTime", "Date"), ("DateTime", "Integer"), ("Integer", "Time")],
)
def test_a_cast_of_which_sqlite_keeps_the_year_alone_is_refused(on_sqlite: History, before: str, after: str) -> None:
    on_sqlite.plant("first", f'op.create_table("t", sa.Column("at", sa.{before}))', 'op.drop_table("t")')
    cast = f'alter_column("at", existing_type=sa.{before}(), type_=sa.{after}())'.replace(")()", ")")
    on_sqlite.plant("second", REBUILD.format(change=cast, before="", options="", after=""), down="first")

    with pytest.raises(CommandError, match=f"The column at would become {after}.*only the year"):
        on_sqlite.upgrade()


def test_for_a_row_that_a_check_refuses_the_values_are_asked_for(planted: History) -> None:
    check = 'sa.CheckConstraint("n > 7", name="ck")'
    table = f'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer), {check})'
    planted.plant("first", table, 'op.drop_table("t")')

    with pytest.raises(AssertionError, match="No row could be made up for t. Write it into revision_rows"):
        assert_reversible(planted)

    planted.downgrade("base")
    assert_reversible(planted, {"t": {"n": 8}})


def test_a_column_of_a_type_that_has_no_example_is_left_empty(on_postgresql: History) -> None:
    table = 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("flags", BIT(3)))'
    on_postgresql.plant("first", f"from sqlalchemy.dialects.postgresql import BIT\n{table}", 'op.drop_table("t")')

    assert_reversible(on_postgresql)


def test_of_tables_that_refer_to_each_other_the_row_that_may_do_without_is_the_first(planted: History) -> None:
    table = 'op.create_table("{}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("other", sa.Integer, {}))\n'
    add = """
        with op.batch_alter_table("b") as batch:
            batch.create_foreign_key("fk", "a", ["other"], ["id"])
        """
    drop = """
        with op.batch_alter_table("b") as batch:
            batch.drop_constraint("fk")
        """
    planted.plant(
        "first",
        table.format("b", "nullable=True") + table.format("a", 'sa.ForeignKey("b.id", name="fk_b"), nullable=False'),
        'op.drop_table("a")\nop.drop_table("b")',
    )
    planted.plant("second", add, drop, down="first")
    planted.plant("third", "pass", down="second")

    assert_reversible(planted)


def test_merged_branches_can_be_undone(planted: History) -> None:
    planted.plant("first", TABLE, 'op.drop_table("t")')
    planted.plant("left", 'op.create_index("ix_left", "t", ["status"])', 'op.drop_index("ix_left", "t")', down="first")
    planted.plant("right", 'op.create_index("ix_right", "t", ["id"])', 'op.drop_index("ix_right", "t")', down="first")
    planted.plant("merged", "pass", down=("left", "right"))

    assert_reversible(planted)
