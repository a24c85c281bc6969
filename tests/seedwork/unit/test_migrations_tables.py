"""Which tables a revision names."""

import pytest

from migrations.seedwork.tables import tables_of


@pytest.mark.parametrize(
    "revision",
    [
        'op.create_table("orders", sa.Column("id", sa.Uuid()))',
        'op.create_table(\n    "orders",\n    sa.Column("id", sa.Uuid()),\n)',
        'op.create_table(table_name="orders")',
        'op.rename_table("orders", "orders")',
        'op.rename_table(old_table_name="orders", new_table_name="orders")',
        'op.drop_table("orders")',
        'with op.batch_alter_table("orders", schema=None) as batch_op:\n    batch_op.drop_column("state")',
        'NAME: str = "orders"\nop.create_table(NAME)',
        'def upgrade():\n    table = "orders"\n    op.create_table(table)',
        'PREFIX = "or"\nop.create_table(f"{PREFIX}ders")',
        'PREFIX = "or"\nop.create_table(PREFIX + "ders")',
        'op.execute("CREATE TABLE orders (state TEXT)")',
        "op.execute('create unlogged table if not exists shop.\"Orders\"(state TEXT)')",
        'op.execute(sa.text("DROP TABLE IF EXISTS "\n    "orders"))',
        'TABLE = "orders"\nop.execute(f"ALTER TABLE {TABLE} ADD COLUMN state TEXT")',
        'op.execute("""\n    ALTER TABLE ONLY\n        orders RENAME TO orders""")',
        'op.get_bind().exec_driver_sql("ALTER TABLE orders RENAME COLUMN a TO state")',
    ],
)
def test_a_table_that_a_revision_makes_or_changes_is_named(revision: str) -> None:
    assert tables_of(revision) == {"orders"}


@pytest.mark.parametrize(
    "revision",
    [
        '"""add the state"""',
        "# CREATE TABLE state",
        'op.add_column("?", sa.Column("state", sa.String(9), sa.ForeignKey("email.id")))',
        'op.create_index("state", "key", ["email"])',
        'op.execute("INSERT INTO ours SELECT state FROM email")',
        'op.execute("CREATE TABLE IF NOT EXISTS ONLY ours_2026 PARTITION OF ours DEFAULT")',
        "op.execute('create table \"ours_2026\"\\n  partition of ours default')",
    ],
)
def test_any_other_word_of_a_revision_is_no_tables_name(revision: str) -> None:
    assert tables_of(revision) == set()


def test_a_name_that_is_a_variable_is_not_seen() -> None:
    assert "add" not in tables_of('for table in ("a", "b"):\n    op.execute(f"ALTER TABLE {table} ADD state TEXT")')
