"""What ``docs/migrations.md`` says to write makes the schema of the code, can be undone, and passes the linter."""

import re
from textwrap import dedent

from migrations.seedwork.lint import refusals
from tests.seedwork.pages import page
from tests.seedwork.reversal import assert_reversible
from tests.seedwork.revisions import History
from tests.seedwork.schema import Schema

PAGE = page("migrations.md")


def block_with(words: str) -> str:
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    [block] = [block for block in blocks if words in block]
    return dedent(str(block))


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


# ---- a table of another name -----------------------------------------------------------------------------------------

TABLES = """
    op.create_table(
        "{0}",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("age", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.CheckConstraint("age > 0", name=op.f("ck_{0}_age")),
        sa.UniqueConstraint("code", name=op.f("uq_{0}_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_{0}")),
    )
    op.create_index(op.f("ix_{0}_age"), "{0}", ["age"])
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["{0}.id"], name=op.f("fk_orders_customer_id_{0}")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    """
NO_TABLES = """
    op.drop_table("orders")
    op.drop_table("{0}")
    """
RENAME = """
    # squawk: allow renaming-table: nothing runs meanwhile
    # squawk: allow renaming-object: no code reads these names
    op.rename_table("{0}", "{1}")
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE {1} RENAME CONSTRAINT pk_{0} TO pk_{1}")
        op.execute("ALTER TABLE {1} RENAME CONSTRAINT ck_{0}_age TO ck_{1}_age")
        op.execute("ALTER TABLE {1} RENAME CONSTRAINT uq_{0}_code TO uq_{1}_code")
        op.execute("ALTER INDEX ix_{0}_age RENAME TO ix_{1}_age")
        op.execute("ALTER TABLE orders RENAME CONSTRAINT fk_orders_customer_id_{0} TO fk_orders_customer_id_{1}")
    else:
        with op.batch_alter_table("{1}") as batch:
            batch.drop_constraint(op.f("pk_{0}"), type_="primary")
            batch.create_primary_key(op.f("pk_{1}"), ["id"])
            batch.drop_constraint(op.f("ck_{0}_age"), type_="check")
            batch.create_check_constraint(op.f("ck_{1}_age"), "age > 0")
            batch.drop_constraint(op.f("uq_{0}_code"), type_="unique")
            batch.create_unique_constraint(op.f("uq_{1}_code"), ["code"])
            batch.drop_index(op.f("ix_{0}_age"))
            batch.create_index(op.f("ix_{1}_age"), ["age"])
        with op.batch_alter_table("orders") as batch:
            batch.drop_constraint(op.f("fk_orders_customer_id_{0}"), type_="foreignkey")
            batch.create_foreign_key(op.f("fk_orders_customer_id_{1}"), "{1}", ["customer_id"], ["id"])
    """


def test_a_table_is_renamed_with_every_name_that_it_is_a_part_of(planted: History) -> None:
    mapped = made_by(planted, TABLES.format("clients"), NO_TABLES.format("clients"))
    planted.plant("first", TABLES.format("customers"), NO_TABLES.format("customers"))
    planted.plant("second", RENAME.format("customers", "clients"), RENAME.format("clients", "customers"), down="first")

    assert_reversible(planted)
    assert planted.schema() == mapped
    assert [*refusals(planted.config())] == []


def test_a_name_that_was_left_when_its_table_was_renamed_is_seen(planted: History) -> None:
    mapped = made_by(planted, TABLES.format("clients"), NO_TABLES.format("clients"))
    planted.plant("first", TABLES.format("customers"))
    planted.plant("second", 'op.rename_table("customers", "clients")', down="first")

    planted.upgrade()

    missing = " ".join(mapped - planted.schema())
    names = ("pk_clients", "ck_clients_age", "uq_clients_code", "ix_clients_age", "fk_orders_customer_id_clients")
    assert [name for name in names if name not in missing] == []


# ---- a unique constraint on a large table ----------------------------------------------------------------------------

CUSTOMERS = 'op.create_table("customers", sa.Column("id", sa.Uuid()), sa.Column("nickname", sa.String(length=50)))'
NO_CUSTOMERS = 'op.drop_table("customers")'
UNIQUE = """
    with op.batch_alter_table("customers") as batch:
        batch.create_unique_constraint(op.f("uq_customers_nickname"), ["nickname"])
    """
NOT_UNIQUE = """
    with op.batch_alter_table("customers") as batch:
        batch.drop_constraint(op.f("uq_customers_nickname"), type_="unique")
    """


def test_a_unique_constraint_is_built_beside_the_writers(planted: History) -> None:
    mapped = made_by(planted, f"{CUSTOMERS}\n{dedent(UNIQUE)}", NO_CUSTOMERS)
    planted.plant("first", CUSTOMERS, NO_CUSTOMERS)
    planted.plant("second", block_with("UNIQUE USING INDEX"), NOT_UNIQUE, down="first")

    assert_reversible(planted)
    assert planted.schema() == mapped
    assert [*refusals(planted.config())] == []
