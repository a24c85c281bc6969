"""What is not as it should be in a fork is said in one line each, with the command that mends it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from scaffold.checkout import git
from scaffold.doctor import CHECKS
from scaffold.rehearsal import commit, ended, run
from tests.scaffold.updating import noted, revision

TYPES = "adapters/seedwork/types.py"
REQUIRED = """"nowhere",
    "elsewhere; python_version < '3'",
    "tenacity"""


def doctor(tree: Path, *arguments: str, **environment: str) -> tuple[int, list[dict[str, str]]]:
    """Run the command in a tree; return its exit code, and what it found."""
    others = ("DATABASE_", "MIGRATION_", "MAKE")
    unset = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    command = [sys.executable, "-m", "scaffold", "doctor", "--json", *arguments]
    done = subprocess.run(
        command, cwd=tree, env=unset | environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def on(subject: str, found: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """What was found on one subject: how it is, in which words, and the command."""
    return [(one["level"], one["said"], one["command"]) for one in found if one["subject"] == subject]


def edit(file: Path, old: str, new: str) -> None:
    """Replace what stands in a file."""
    text = file.read_text()
    assert old in text, (file, old)
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def set_up(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork whose database is migrated, and whose name the environment knows; nobody changes it."""
    tree = Path(shutil.copytree(begun, tmp_path_factory.mktemp("set_up") / "clinic"))
    edit(tree / "pyproject.toml", "clinic", "groundwork")
    run(tree, "alembic", "upgrade", "head")
    commit(tree, "set up")
    return tree


@pytest.fixture
def healthy(set_up: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(set_up, tmp_path / "clinic"))


def test_where_all_is_as_it_should_be_it_says_so(healthy: Path) -> None:
    code, found = doctor(healthy)

    assert [(one["subject"], one["level"], one["command"]) for one in found] == [
        (subject, "ok", "") for subject in CHECKS
    ]
    assert code == 0


@pytest.mark.rehearsal
def test_for_people_it_is_one_line_each(healthy: Path) -> None:
    with (healthy / TYPES).open("a") as module:
        module.write("# mine\n")

    done = subprocess.run(
        [sys.executable, "-m", "scaffold", "doctor"], cwd=healthy, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 8
    assert lines[4] == "ok    registration  all that is yours is registered"
    assert lines[7].startswith(f"mend  seedwork      {TYPES} is edited, +1 -0. Run: git restore --source=")


def test_what_is_edited_gone_or_added_in_seedwork_is_named_with_the_command_that_mends_it(healthy: Path) -> None:
    with (healthy / TYPES).open("a") as module:
        module.write("# mine\n")
    (healthy / "tests" / "seedwork" / "watch.py").unlink()
    (healthy / "domain" / "seedwork" / "mine.py").write_text('"""Mine."""\n')
    (healthy / "scaffold" / "aggregates.toml").write_text("")

    code, found = doctor(healthy)

    said = on("seedwork", found)
    assert [(level, words) for level, words, _ in said] == [
        ("mend", f"{TYPES} is edited, +1 -0"),
        ("mend", "domain/seedwork/mine.py is not Groundwork's: move it to a folder that is yours"),
        ("mend", "tests/seedwork/watch.py is gone"),
    ]
    assert code == 1
    for _, _, command in (said[0], said[2]):
        subprocess.run(command, shell=True, cwd=healthy, check=True)
    assert git(healthy, "status", "--porcelain") == "?? domain/seedwork/mine.py\n?? scaffold/aggregates.toml\n"


def test_a_folder_of_seedwork_that_is_gone_is_named_once(healthy: Path) -> None:
    shutil.rmtree(healthy / "tests" / "seedwork" / "unit")
    (healthy / "tests" / "seedwork" / "watch.py").unlink()

    said = on("seedwork", doctor(healthy)[1])

    assert [words for _, words, _ in said] == ["tests/seedwork/unit is gone", "tests/seedwork/watch.py is gone"]
    for _, _, command in said:
        subprocess.run(command, shell=True, cwd=healthy, check=True)
    assert git(healthy, "status", "--porcelain") == ""


@pytest.mark.rehearsal
def test_in_a_folder_of_a_repository_what_needs_the_repository_is_left_out(healthy: Path, tmp_path: Path) -> None:
    shutil.rmtree(healthy / ".git")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "all services")

    code, found = doctor(healthy)

    said = "clinic/ is a folder in a repository, and only a repository"
    assert on("updates", found) == [("note", f"{said} can be updated", "")]
    assert on("seedwork", found) == [("note", f"{said} can be compared", "")]
    assert on("conflicts", found) == [("ok", "there are none", "")]
    assert code == 0


@pytest.mark.rehearsal
def test_without_a_repository_it_names_the_commands_that_make_one(healthy: Path) -> None:
    shutil.rmtree(healthy / ".git")

    said = on("conflicts", doctor(healthy)[1])

    assert [(level, command) for level, _, command in said] == [("mend", "")]
    assert f"{healthy} is not in a repository with a commit. Write: git init && " in said[0][1]


@pytest.mark.rehearsal
def test_where_pyproject_can_not_be_read_that_is_to_be_mended_first(healthy: Path) -> None:
    edit(healthy / "pyproject.toml", "[tool.ruff]", "[tool.ruff")

    found = doctor(healthy)[1]

    assert {on(subject, found)[0][2] for subject in ("Python", "packages", "updates", "seedwork")} == {
        "In pyproject.toml mend that place"
    }


def test_a_file_in_conflict_is_to_be_merged_and_not_to_be_restored(healthy: Path) -> None:
    text = (healthy / TYPES).read_text()
    git(healthy, "checkout", "--quiet", "-b", "theirs")
    (healthy / TYPES).write_text(f"{text}# theirs\n")
    commit(healthy, "theirs")
    git(healthy, "checkout", "--quiet", "-b", "mine", "HEAD~1")
    (healthy / TYPES).write_text(f"{text}# mine\n")
    commit(healthy, "mine")
    subprocess.run(["git", "merge", "--quiet", "theirs"], cwd=healthy, check=False, capture_output=True)

    found = doctor(healthy)[1]

    assert on("conflicts", found) == [("mend", f"{TYPES} is not merged yet: edit it", f"git add {TYPES}")]
    assert on("seedwork", found) == [("note", "edits can't all be seen until the conflicts are merged", "")]


def test_a_line_of_registration_that_is_missing_is_named(healthy: Path) -> None:
    edit(healthy / "service_layer" / "unit_of_work.py", "    users: UserRepository\n", "    size: int\n")

    code, found = doctor(healthy)

    assert on("registration", found) == [
        ("mend", "UnitOfWork has no UserRepository", "In service_layer/unit_of_work.py write: users: UserRepository")
    ]
    assert code == 1


@pytest.mark.rehearsal
def test_a_mapping_that_is_broken_is_said_and_the_other_checks_go_on(healthy: Path) -> None:
    edit(healthy / "adapters" / "users.py", "from adapters.seedwork.types import", "from adapters.nowhere import")

    code, found = doctor(healthy)

    [(level, said, command)] = on("registration", found)
    assert (level, command) == ("mend", "git status")
    assert said == "it can't be looked at: ModuleNotFoundError: No module named 'adapters.nowhere'"
    assert [one["level"] for one in found if one["subject"] in {"settings", "database", "seedwork"}] == ["ok"] * 3
    assert code == 1


@pytest.mark.rehearsal
def test_a_package_that_is_missing_or_another_is_named(healthy: Path) -> None:
    elsewhere = "mdurl==0.0; os_name == 'x'  # not here\n"
    (healthy / "constraints.txt").write_text(f"alembic==1.0\nmdurl=={version('mdurl')} ; os_name != 'x'\n{elsewhere}")
    edit(healthy / "pyproject.toml", '"tenacity', REQUIRED)

    code, found = doctor(healthy, MAKELEVEL="1")

    packages = on("packages", found)
    assert packages[1] == ("mend", "not installed: nowhere", "touch pyproject.toml && make setup")
    assert packages[2][1].startswith("alembic is 1.")
    assert packages[2][1].endswith(", 1.0 is pinned")
    assert code == 1


@pytest.mark.rehearsal
def test_who_does_not_call_make_is_told_what_pip_installs(healthy: Path) -> None:
    edit(healthy / "pyproject.toml", '"tenacity', REQUIRED)

    [(_, said, command)] = on("packages", doctor(healthy)[1])

    assert (said, command) == ("not installed: nowhere", 'python -m pip install -c constraints.txt -e ".[dev]"')


def test_who_has_no_pip_is_told_what_uv_installs(begun: Path, tmp_path: Path) -> None:
    run(tmp_path, sys.executable, "-m", "venv", "--without-pip", "bare")

    done = ended(begun, "env", "-u", "MAKELEVEL", f"{tmp_path}/bare/bin/python", "-m", "scaffold", "doctor")

    assert ". Run: uv sync --extra dev\n" in done.stdout


@pytest.mark.rehearsal
def test_a_pin_that_excludes_what_is_needed_is_named(healthy: Path) -> None:
    edit(healthy / "pyproject.toml", '"alembic~=1.20"', '"alembic~=1.99"')
    edit(healthy / "constraints.txt", f"mdurl=={version('mdurl')}\n", "mdurl==9.0\n")

    code, found = doctor(healthy)

    level, said, advice = on("packages", found)[0]
    assert said.split("; ") == [
        f"pyproject.toml needs alembic~=1.99, and {version('alembic')} is pinned",
        "markdown-it-py needs mdurl~=0.1, and 9.0 is pinned",
    ]
    assert (level, code) == ("mend", 1)
    assert advice == "In constraints.txt and in [tool.uv] of pyproject.toml write a version that fits"


@pytest.mark.rehearsal
def test_an_older_python_is_named(healthy: Path) -> None:
    edit(healthy / "pyproject.toml", 'requires-python = ">=3.11"', 'requires-python = ">=3.99"')

    [(level, said, command)] = on("Python", doctor(healthy)[1])

    assert level == "mend"
    assert said.endswith("and >=3.99 is needed")
    assert command == "rm -r .venv && make setup PYTHON=python3.99"


@pytest.mark.parametrize(
    ("url", "subject", "said", "command"),
    [
        ("sqlite:///new.db", "database", "new.db is not there yet", "alembic upgrade head"),
        (
            "mysql://ann:secret@host/x",
            "settings",
            "DATABASE_URL: write it like sqlite:///app.db",
            "diff .env .env.example",
        ),
        ("postgresql://ann:secret@localhost:1/x", "database", "", "diff .env .env.example"),
    ],
    ids=["not there", "not allowed", "not reachable"],
)
@pytest.mark.rehearsal
def test_a_database_that_can_not_be_used_is_named_without_its_secret(
    healthy: Path, url: str, subject: str, said: str, command: str
) -> None:
    code, found = doctor(healthy, DATABASE_URL=url)

    [(level, words, advice)] = on(subject, found)
    assert (level, advice, code) == ("mend", command, 1)
    assert words.startswith(said)
    assert "secret" not in str(found)
    assert not (healthy / "new.db").exists()


@pytest.mark.rehearsal
def test_a_database_behind_the_code_is_named(healthy: Path) -> None:
    subprocess.run([sys.executable, "-m", "alembic", "downgrade", "base"], cwd=healthy, check=True, capture_output=True)

    assert on("database", doctor(healthy)[1]) == [
        ("mend", "it is at no revision, and the code needs b203ca35a206", "alembic upgrade head")
    ]


@pytest.mark.rehearsal
def test_two_heads_are_named_alone_though_the_database_is_at_both(healthy: Path) -> None:
    for id in ("111111111111", "222222222222"):
        revision(healthy, id, '"b203ca35a206"', f"table_{id}")
    run(healthy, "alembic", "upgrade", "heads")

    said = "the revisions have 2 heads: 111111111111 and 222222222222; if both change one table, see docs/migrations.md"
    assert on("database", doctor(healthy)[1]) == [("mend", said, "alembic merge heads")]
    assert on("database", doctor(healthy, DATABASE_URL="sqlite:///new.db")[1]) == [
        ("mend", said, "alembic merge heads")
    ]


@pytest.mark.rehearsal
def test_a_setting_that_nothing_reads_is_named(healthy: Path) -> None:
    # with the mark that some programs of Windows begin a file with, as the settings themselves read it
    (healthy / ".env").write_text("DATABASE_ULR=sqlite:///x.db\nOTHER=1\n", "utf-8-sig")

    assert on("settings", doctor(healthy)[1])[0] == (
        "mend",
        ".env has DATABASE_ULR, and no setting has that name",
        "diff .env .env.example",
    )


def test_a_system_of_another_encoding_reads_the_files_as_they_are_written(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [newest, *_] = (healthy / "migrations" / "versions").glob("*create_outbox.py")
    edit(newest, '"""create outbox', '"""create “outbox”')
    with closing(sqlite3.connect(healthy / "app.db")) as connection:
        connection.execute("CREATE TABLE of_somebody_else (id INTEGER)")
    for name, value in {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}.items():
        monkeypatch.setenv(name, value)

    code, found = doctor(healthy)

    assert on("seedwork", found) == [("ok", "its files are as Groundwork has them", "")]
    assert code == 0
    run(healthy, "alembic", "check")
    run(healthy, "python", "-c", "from adapters.container import bootstrap; bootstrap().__enter__()")
    run(healthy, "python", "-m", "migrations.seedwork.lint")


@pytest.mark.rehearsal
def test_how_far_groundwork_is_ahead_is_only_to_be_known(healthy: Path, begun: Path, tmp_path: Path) -> None:
    source = tmp_path / "groundwork"
    git(tmp_path, "clone", "--quiet", str(begun), str(source))
    git(source, "checkout", "--quiet", "-B", "main", "HEAD~1")
    (source / "NEW.md").write_text("New.\n")
    commit(source, "go on")
    edit(healthy / "pyproject.toml", f'source = "{noted(healthy)["source"]}"', f'source = "{source}"')

    code, found = doctor(healthy)

    assert on("updates", found) == [("note", "Groundwork is 1 change ahead, at its head", "make update dry-run=1")]
    assert code == 0


@pytest.mark.rehearsal
def test_a_fork_that_notes_itself_as_its_source_is_named(healthy: Path, begun: Path) -> None:
    edit(healthy / "pyproject.toml", f'source = "{noted(healthy)["source"]}"', f'source = "{begun}"')

    assert on("updates", doctor(healthy)[1]) == [
        ("mend", f"{begun} is not Groundwork: its project has another name", "make update source=URL")
    ]


@pytest.mark.rehearsal
def test_without_a_network_the_rest_is_looked_at(healthy: Path) -> None:
    edit(
        healthy / "pyproject.toml",
        f'source = "{noted(healthy)["source"]}"',
        'source = "https://localhost:1/groundwork"',
    )

    code, found = doctor(healthy)

    [(level, said, _)] = on("updates", found)
    assert level == "note"
    assert said.startswith("it is unknown if there are any: https://localhost:1/groundwork can't be read")
    assert on("seedwork", found) == [("ok", "its files are as Groundwork has them", "")]
    assert code == 0
