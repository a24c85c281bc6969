"""``make check`` refuses revisions that would block or break a running application."""

from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from migrations.seedwork.lint import refusals
from tests.seedwork.revisions import History

TABLES = """
    op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True), sa.Column("age", sa.Integer))
    op.create_table("children", sa.Column("parent_id", sa.Integer), sa.Column("name", sa.String(50)))
    """
DROP = 'op.drop_column("parents", "age")'


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path / "revisions", "postgresql://")
    history.plant("first", TABLES)
    return history


def refused(history: History) -> list[str]:
    return [refusal.partition("\n")[0] for refusal in refusals(history.config())]


def test_the_projects_own_revisions_pass() -> None:
    assert refused(History(PROJECT / "migrations" / "versions", "postgresql://")) == []


def test_a_history_without_a_revision_passes(tmp_path: Path) -> None:
    assert refused(History(tmp_path / "revisions", "postgresql://")) == []


@pytest.mark.parametrize(
    ("rule", "upgrade"),
    [
        ("adding-required-field", 'op.add_column("parents", sa.Column("name", sa.String(50), nullable=False))'),
        ("adding-not-nullable-field", 'op.alter_column("parents", "age", nullable=False)'),
        ("renaming-column", 'op.alter_column("parents", "age", new_column_name="years")'),
        ("renaming-table", 'op.rename_table("parents", "people")'),
        ("changing-column-type", 'op.alter_column("parents", "age", type_=sa.BigInteger)'),
        ("require-concurrent-index-creation", 'op.create_index("ix", "parents", ["age"])'),
        ("require-concurrent-index-deletion", 'op.drop_index("ix", "parents")'),
        ("adding-foreign-key-constraint", 'op.create_foreign_key("fk", "children", "parents", ["parent_id"], ["id"])'),
        ("constraint-missing-not-valid", 'op.create_check_constraint("ck", "parents", "age > 0")'),
        ("disallowed-unique-constraint", 'op.create_unique_constraint("uq", "parents", ["age"])'),
        ("ban-drop-column", DROP),
        ("ban-drop-table", 'op.drop_table("parents")'),
        ("ban-drop-constraint", 'op.drop_constraint("ck", "parents")'),
        ("ban-drop-not-null", 'op.alter_column("parents", "id", nullable=True)'),
        ("syntax-error", 'op.execute("DELETE parents")'),
    ],
)
def test_a_dangerous_revision_is_refused(history: History, rule: str, upgrade: str) -> None:
    history.plant("second", upgrade, down="first")

    assert f"second.py: {rule}" in [refusal.rpartition(": ")[0] for refusal in refused(history)]


@pytest.mark.parametrize(
    "upgrade",
    [
        'op.add_column("parents", sa.Column("name", sa.String(50)))',
        'op.add_column("parents", sa.Column("is_new", sa.Boolean, nullable=False, server_default=sa.false()))',
        'op.create_table("t", sa.Column("n", sa.Integer)); op.create_index("ix", "t", ["n"])',
        'op.create_foreign_key("fk", "children", "parents", ["parent_id"], ["id"], postgresql_not_valid=True)',
        """
        op.execute("UPDATE parents SET age = 1")
        with op.get_context().autocommit_block():
            op.drop_index("ix", "parents", if_exists=True, postgresql_concurrently=True)
            op.create_index("ix", "parents", ["age"], postgresql_concurrently=True)
        """,
    ],
    ids=["nullable column", "column with default", "index of a new table", "key not validated", "concurrent index"],
)
def test_a_safe_revision_passes(history: History, upgrade: str) -> None:
    history.plant("second", upgrade, down="first")

    assert refused(history) == []


@pytest.mark.parametrize(
    "statement",
    [
        'op.add_column("parents", sa.Column("name", sa.String(50)))',
        'op.drop_index("ix", "parents", postgresql_concurrently=True)',
        'op.create_index("ix", "parents", ["age"], postgresql_concurrently=True)',
        'op.create_index("ix", "parents", ["age"], postgresql_concurrently=True, if_not_exists=True)',
    ],
    ids=["column", "index that goes", "index", "index that may be a broken one"],
)
def test_a_statement_outside_a_transaction_that_can_not_be_repeated_is_refused(
    history: History, statement: str
) -> None:
    history.plant("second", f"with op.get_context().autocommit_block():\n    {statement}", down="first")

    assert "second.py: prefer-robust-stmts" in [refusal.rpartition(": ")[0] for refusal in refused(history)]


def test_what_a_block_that_is_not_shown_would_commit_too_early_is_refused(history: History) -> None:
    history.plant(
        "second",
        """
        from alembic import context
        with op.batch_alter_table("parents") as batch:
            batch.add_column(sa.Column("name", sa.String(50)))
        if not context.is_offline_mode():
            with op.get_context().autocommit_block():
                op.execute("UPDATE parents SET name = 'x'")
        """,
        down="first",
    )

    (refusal,) = refusals(history.config())

    assert "second.py: autocommit-block-first: autocommit_block() commits op.batch_alter_table()" in refusal


def test_a_broken_index_is_refused_with_what_to_write(history: History) -> None:
    create = 'op.create_index("ix", "parents", ["age"], postgresql_concurrently=True)'
    history.plant("second", f"with op.get_context().autocommit_block():\n    {create}", down="first")

    (refusal,) = refusals(history.config())

    assert "Drop it first: op.drop_index(..., if_exists=True, postgresql_concurrently=True)" in refusal
    assert "Missing" not in refusal


def test_a_marker_with_a_reason_lets_its_rule_pass_and_no_other(history: History) -> None:
    marker = "# squawk: allow ban-drop-column: no release reads it any more"

    history.plant("second", f'{marker}\n{DROP}\nop.drop_table("children")', down="first")

    assert refused(history) == ["second.py: ban-drop-table: DROP TABLE children;"]


@pytest.mark.parametrize(
    "past",
    ["# squawk: allow ban-drop-column", "# squawk: allow ban-drop-column:", 'op.execute("-- squawk-ignore-file")'],
    ids=["a marker without a reason", "an empty reason", "a comment in the SQL"],
)
def test_nothing_else_allows_what_is_refused(history: History, past: str) -> None:
    history.plant("second", f"{past}\n{DROP}", down="first")

    assert refused(history) == ["second.py: ban-drop-column: ALTER TABLE parents DROP COLUMN age;"]


def test_a_marker_for_nothing_is_refused(history: History) -> None:
    history.plant("second", "# squawk: allow ban-drop-column: there was one\npass", down="first")

    assert refused(history) == ["second.py: nothing to allow for ban-drop-column. Remove the marker."]


def test_a_revision_that_has_no_sql_before_it_runs_is_refused(history: History) -> None:
    history.plant("second", "op.get_bind().execute(sa.text('SELECT 1')).scalar()", down="first")

    (refusal,) = refused(history)

    assert refusal.startswith("No SQL can be shown of what follows first: ")
