"""The sample leaves a fork in one command, and nothing of the fork's own goes with it."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold.checkout import Refused, git
from scaffold.leaving import REVISION
from scaffold.rehearsal import commit, pass_the_gates, run
from scaffold.sample import main
from tests.scaffold import updating
from tests.scaffold.updating import revision

SAMPLE = r"\busers\b|[Dd]omain[./]user\b|\bUser(Id|Details|Repository|NotFound)?\b|register_user"
NEWEST = "b203ca35a206"
"""The newest revision of Groundwork."""


def has(database: Path, question: str) -> list[str]:
    """The values of the first column that a query finds."""
    with closing(sqlite3.connect(database)) as connection:
        return [value for (value, *_) in connection.execute(question)]


def given(database: Path, revision: str, *statements: str) -> None:
    """Make a database that is at a revision: the sample's table, and what else is given."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in ("CREATE TABLE users (id)", "CREATE TABLE alembic_version (version_num)", *statements):
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))


def tables(database: Path) -> list[str]:
    return has(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")


@pytest.fixture
def invoices(fork: Path) -> Path:
    """The fork's own revision, after the sample's, with a row in the development's database."""
    given(fork / "app.db", "0123456789ab", "CREATE TABLE invoices (id)", "INSERT INTO invoices VALUES ('1')")
    return revision(fork, "0123456789ab", f'"{REVISION}"', "invoices")


@pytest.mark.rehearsal
def test_every_gate_is_green_without_it(without_sample: Path) -> None:
    pass_the_gates(without_sample)


def test_the_tests_that_are_left_pass(without_sample: Path) -> None:
    registered = "tests/seedwork/e2e/test_registration.py::test_all_that_is_yours_is_registered"

    said = run(without_sample, "pytest", "-q", "-k", "not postgresql", "tests/e2e", registered)

    assert re.search(r"\d\d passed", said)


def test_no_file_speaks_of_it(without_sample: Path) -> None:
    files = [without_sample / name for name in git(without_sample, "ls-files").split()]
    speaking = [file.relative_to(without_sample).as_posix() for file in files if re.search(SAMPLE, file.read_text())]

    assert [name for name in speaking if not name.startswith(("docs/decisions/", "scaffold/"))] == []
    assert re.findall("sample|celery", (without_sample / "pyproject.toml").read_text()) == []


def test_the_recipe_that_shows_no_user_stays(without_sample: Path) -> None:
    assert [page.name for page in (without_sample / "docs" / "recipes").iterdir()] == ["container.md"]


def test_it_may_be_dropped_twice(without_sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(without_sample, [])

    assert capsys.readouterr().out == "The sample is gone already.\n"


def test_comments_and_lines_that_are_yours_stay(fork: Path, without_sample: Path) -> None:
    before, after = ((tree / "adapters" / "unit_of_work.py").read_text() for tree in (fork, without_sample))

    assert "# the fake reads the mapping too" in after
    assert set(after.splitlines()) <= set(before.splitlines())


def test_the_sample_of_groundwork_itself_stays() -> None:
    with pytest.raises(Refused, match="Begin a fork first"):
        main(PROJECT, [])


def test_the_revisions_and_rows_that_are_yours_stay(fork: Path, invoices: Path) -> None:
    main(fork, [])

    assert re.findall("down_revision.*", invoices.read_text()) == ["down_revision: str | None = None"]
    assert tables(fork / "app.db") == ["alembic_version", "invoices"]
    assert has(fork / "app.db", "SELECT id FROM invoices") == ["1"]
    assert has(fork / "app.db", "SELECT version_num FROM alembic_version") == ["0123456789ab"]


def test_a_database_that_has_the_sample_alone_is_as_new(fork: Path) -> None:
    given(fork / "app.db", REVISION)

    main(fork, [])

    assert has(fork / "app.db", "SELECT version_num FROM alembic_version") == []
    assert tables(fork / "app.db") == ["alembic_version"]


def test_with_its_history_kept_a_new_revision_drops_the_table(fork: Path, invoices: Path) -> None:
    invoices.write_text(invoices.read_text().replace(REVISION, NEWEST))
    commit(fork, "create invoices after all that Groundwork has")

    main(fork, ["--keep-history"])

    [dropped] = fork.glob("migrations/versions/*_drop_users.py")
    text = dropped.read_text()
    assert '= "0123456789ab"' in text
    assert re.findall("# squawk.*|def .*|op.*_table", text) == [
        "# squawk: allow ban-drop-table: no release reads or writes the sample's table",
        "def upgrade() -> None:",
        "op.drop_table",
        "def downgrade() -> None:",
        "op.create_table",
    ]
    assert tables(fork / "app.db") == ["alembic_version", "invoices", "users"]
    run(fork, "ruff", "format", "--check", "migrations")


def test_what_its_history_lacks_is_said(fork: Path, invoices: Path) -> None:
    with pytest.raises(Refused, match="have 2 heads. Write first: alembic merge heads"):
        main(fork, ["--keep-history"])

    for file in (fork / "migrations" / "versions").glob(f"*_{REVISION}_*"):
        file.unlink()
    with pytest.raises(Refused, match=f"revision, {REVISION}, is not there. Bring its file back"):
        main(fork, ["--keep-history"])


def new_revision(fork: Path, before: str) -> Path:
    """Write the fork's own revision after another one, and do not commit it."""
    file = fork / "migrations" / "versions" / "20270101_0000_0123456789ab_create_invoices.py"
    file.write_text(updating.REVISION.format(id="0123456789ab", before=f'"{before}"', table="invoices"))
    return file


def test_a_revision_that_is_not_committed_yet_is_followed_too(fork: Path) -> None:
    new_revision(fork, NEWEST)

    main(fork, ["--keep-history"])

    [dropped] = fork.glob("migrations/versions/*_drop_users.py")
    assert 'down_revision: str | Sequence[str] | None = "0123456789ab"' in dropped.read_text()


def test_a_revision_that_is_not_committed_yet_loses_the_samples_before_it(fork: Path) -> None:
    file = new_revision(fork, REVISION)

    main(fork, [])

    assert "down_revision: str | None = None" in file.read_text()


def test_what_still_uses_it_is_named_and_nothing_is_written(fork: Path, invoices: Path) -> None:
    (fork / "domain" / "invoice.py").write_text("from domain.user import UserId\n\npayer: UserId\n")
    invoices.write_text(invoices.read_text() + '\nREFERRED = "users.id"\n')
    commit(fork, "invoices have a payer")

    with pytest.raises(Refused, match=r"(?s)domain/invoice\.py uses the sample.*create_invoices\.py names the table"):
        main(fork, [])

    assert git(fork, "status", "--porcelain") == ""
    assert tables(fork / "app.db") == ["alembic_version", "invoices", "users"]


def test_another_database_than_the_developments_is_never_touched(fork: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{fork}/production.db")
    given(fork / "production.db", REVISION)

    with pytest.raises(Refused, match="keep-history=1"):
        main(fork, [])

    assert tables(fork / "production.db") == ["alembic_version", "users"]
    assert git(fork, "status", "--porcelain") == ""


def test_it_is_dropped_as_a_whole_where_nobody_reads_what_it_says(fork: Path, without_sample: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    ended = subprocess.run([sys.executable, "-m", "scaffold", "drop-sample"], cwd=fork, stdout=writer, check=False)

    os.close(writer)
    commit(fork, "drop-sample")
    assert ended.returncode == 0
    assert git(fork, "rev-parse", "HEAD:") == git(without_sample, "rev-parse", "HEAD:")


def test_a_link_and_a_submodule_stay_as_they_are(fork: Path) -> None:
    (fork / "pages").symlink_to("docs")
    (fork / "HOUSE.md").symlink_to("CONTRIBUTING.md")
    commit(fork, "link")
    run(fork, "git", "update-index", "--add", "--cacheinfo", f"160000,{git(fork, 'rev-parse', 'HEAD').strip()},protos")
    (fork / "protos").mkdir()
    (fork / "domain" / ".#user.py").symlink_to("ann@house.17")  # by which Emacs says that a file is being edited

    main(fork, [])

    assert [(fork / link).readlink().name for link in ("pages", "HOUSE.md")] == ["docs", "CONTRIBUTING.md"]
    assert (fork / "protos").is_dir()
    assert not (fork / "domain" / "user.py").exists()


def test_what_git_does_not_have_is_not_lost(fork: Path) -> None:
    with (fork / "domain" / "user.py").open("a") as module:
        module.write("# mine\n")

    with pytest.raises(Refused, match=r"domain/user\.py would be lost with changes that git does not have"):
        main(fork, [])

    assert git(fork, "status", "--porcelain") == " M domain/user.py\n"


def test_reports_that_are_yours_stay(fork: Path) -> None:
    with (fork / "service_layer" / "reports.py").open("a") as module:
        module.write(
            '\n\ndef turnover(uow: UnitOfWork) -> int:\n    """Add up."""\n    with uow.reading():\n        return 0\n'
        )
    commit(fork, "report the turnover")

    main(fork, [])

    left = (fork / "service_layer" / "reports.py").read_text()
    assert re.findall(r"^(?:def|class) (\w+)", left, re.MULTILINE) == ["turnover"]
    assert not (fork / "adapters" / "reports.py").exists()
    run(fork, "ruff", "check", "service_layer")


def test_a_revision_beside_the_samples_is_left_to_you(fork: Path, invoices: Path) -> None:
    invoices.write_text(invoices.read_text().replace(f'"{REVISION}"\n', f'("{REVISION}", "abcdef")\n'))
    commit(fork, "merge two heads")

    with pytest.raises(Refused, match="follows the sample's revision and another one: write keep-history=1"):
        main(fork, [])
