"""What the tests of `make update` share: Groundwork with a newer commit, and what git says of a fork."""

import tomllib
from pathlib import Path

from scaffold.checkout import git
from scaffold.rehearsal import commit
from scaffold.update import main

ERRORS = "domain/seedwork/errors.py"
TYPES = "adapters/seedwork/types.py"
GONE = "tests/seedwork/watch.py"
NEW = "adapters/seedwork/clock.py"
REVISION = '''"""create parcels"""

import sqlalchemy as sa
from alembic import op

revision: str = "{id}"
down_revision: str | None = {before}


def upgrade() -> None:
    op.create_table("{table}", sa.Column("id", sa.Uuid(), nullable=False), sa.PrimaryKeyConstraint("id"))


def downgrade() -> None:
    op.drop_table("{table}")
'''


def edit(tree: Path, name: str, old: str, new: str) -> None:
    """Replace what stands in a file, once."""
    text = (tree / name).read_text()
    assert text.count(old) >= 1, (name, old)
    (tree / name).write_text(text.replace(old, new, 1))


def append(tree: Path, name: str, text: str) -> None:
    (tree / name).write_text(f"{(tree / name).read_text()}{text}")


def changed(tree: Path) -> dict[str, str]:
    """What git says of each file that is not as it was committed."""
    lines = git(tree, "status", "--porcelain", "--untracked-files=all").splitlines()
    return {line[3:]: line[:2] for line in lines}


def noted(tree: Path) -> dict[str, str]:
    """What a fork notes of Groundwork."""
    found: dict[str, str] = tomllib.loads((tree / "pyproject.toml").read_text())["tool"]["groundwork"]
    return found


def update(fork: Path, source: Path, *arguments: str) -> None:
    main(fork, ["--source", str(source), *arguments])


def revision(tree: Path, id: str, before: str, table: str) -> Path:
    file = tree / "migrations" / "versions" / f"20300101_0000_{id}_create_{table}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(REVISION.format(id=id, before=before, table=table))
    commit(tree, f"create {table}")
    return file


def change_a_file_of_each_kind(groundwork: Path) -> None:
    """Commit what is new in Groundwork."""
    append(groundwork, ERRORS, "\n\nNEW = 1\n")
    append(groundwork, TYPES, "\n\nNEW = 1\n")
    append(groundwork, "domain/user.py", "\n\nNEW = 1\n")
    append(groundwork, "benchmarks/clock.py", "\n\nNEW = 1\n")
    append(groundwork, "README.md", "\nNew.\n")
    edit(groundwork, "pyproject.toml", '"alembic~=1.20"', '"alembic~=1.21"')
    edit(groundwork, "pyproject.toml", 'version = "', 'version = "9.')
    edit(groundwork, "Makefile", "# groundwork: begin", "new: ## New\n\n# groundwork: begin\nnewest: ## Newest\n")
    (groundwork / NEW).write_text('"""A clock."""\n')
    (groundwork / GONE).unlink()
    commit(groundwork, "change a file of each kind")
