"""What ``docs/migrations.md`` says to write makes the schema of the code, can be undone, and passes the linter."""

from tests.seedwork.reversal import assert_reversible
from tests.seedwork.revisions import History
from tests.seedwork.schema import Schema


def made_by(history: History, upgrade: str, downgrade: str) -> Schema:
    """Return the schema that a revision alone makes, and leave the database empty."""
    history.plant("first", upgrade, downgrade)
    history.upgrade()
    schema = history.schema()
    history.downgrade("base")
    return schema


# ---- a type that changes where a server default stands --------------------------------------------------------------

AMOUNTS = 'op.create_table("amounts", sa.Column("amount", {}, nullable=False, server_default="0"))'
NO_AMOUNTS = 'op.drop_table("amounts")'
CHANGE = """
    with op.batch_alter_table("amounts") as batch:
        batch.alter_column("amount", existing_type={}, type_={}, server_default="0")
    """


def test_a_server_default_is_written_again_when_its_column_gets_another_type(planted: History) -> None:
    older, newer = "sa.Integer()", "sa.Numeric(10, 2)"
    mapped = made_by(planted, AMOUNTS.format(newer), NO_AMOUNTS)
    planted.plant("first", AMOUNTS.format(older), NO_AMOUNTS)
    planted.plant("second", CHANGE.format(older, newer), CHANGE.format(newer, older), down="first")

    assert_reversible(planted)
    assert planted.schema() == mapped


def test_on_postgresql_a_server_default_that_is_not_written_again_differs(on_postgresql: History) -> None:
    older, newer = "sa.Integer()", "sa.Numeric(10, 2)"
    mapped = made_by(on_postgresql, AMOUNTS.format(newer), NO_AMOUNTS)
    on_postgresql.plant("first", AMOUNTS.format(older))
    kept = CHANGE.replace("server_default=", "existing_server_default=")
    on_postgresql.plant("second", kept.format(older, newer), down="first")

    on_postgresql.upgrade()

    assert on_postgresql.schema() != mapped
