"""A fork is begun in one command, with a name of its own, and every gate is green right after."""

import re
import shutil
import sys
import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold import fork as fork_module
from scaffold.checkout import Refused, git
from scaffold.constraints import still_needed
from scaffold.fork import main, objection_to
from scaffold.rehearsal import TESTS, ended, run


def status(tree: Path) -> str:
    """What git sees changed."""
    return git(tree, "status", "--porcelain")


def naming(tree: Path, word: str) -> set[str]:
    """The files beside the scaffold's that have a word in them."""
    return set(git(tree, "grep", "-Iil", word, "--", ".", ":!scaffold").split())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("class", "is a word of Python"),
        ("match", "is a word of Python"),
        ("Clinic", "write it in lower_snake_case"),
        ("my-clinic", "write it in lower_snake_case"),
        ("2clinic", "write it in lower_snake_case"),
        ("clinic_", "write it in lower_snake_case"),
        ("Bücher", "write it in lower_snake_case"),
        ("klinik; rm -rf x", "write it in lower_snake_case"),
        ("../clinic", "write it in lower_snake_case"),
        ("", "write it in lower_snake_case"),
        ("clinic\n", "write it in lower_snake_case"),
        ("domain", "is a folder here"),
        ("seedwork", "is a folder here"),
        ("groundwork", "is a folder here, or Groundwork itself"),
        ("statistics", "is a module of the standard library"),
        ("sqlmodel", "is a package or a program"),
        ("django", "is a package or a program"),
        ("pytest", "is a package or a program"),
        ("git", "is a program here already: /"),
        ("python3", "is a program here already: /"),
    ],
)
def test_a_name_that_would_not_do_is_refused_with_the_reason(name: str, reason: str) -> None:
    assert reason in str(objection_to(name, PROJECT))


@pytest.mark.parametrize("name", ["clinic", "my_clinic", "clinic2", "order"])
def test_any_other_name_will_do(name: str) -> None:
    assert objection_to(name, PROJECT) is None


def test_a_name_that_was_installed_for_a_fork_of_here_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shop").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "is a program here already" in str(objection_to("shop", PROJECT))

    installed = EntryPoints([EntryPoint("shop", "adapters.cli:app", "console_scripts")])
    monkeypatch.setattr(fork_module, "entry_points", lambda group: installed.select(group=group))

    assert objection_to("shop", PROJECT) is None


@pytest.mark.parametrize("arguments", [["class"], [], ["clinic", "ward"], ["--help"]], ids=str)
def test_what_is_refused_changes_nothing(arguments: list[str]) -> None:
    before = status(PROJECT)

    with pytest.raises(Refused, match="make fork name=clinic"):
        main(PROJECT, arguments)

    assert status(PROJECT) == before


def test_a_folder_in_another_repository_is_refused(groundwork: Path) -> None:
    inner = groundwork / "services" / "clinic"
    shutil.copytree(groundwork, inner, ignore=shutil.ignore_patterns(".git", "services"))

    with pytest.raises(Refused, match=r"is a folder in another repository.*Write: git init, and commit"):
        main(inner, ["clinic"])

    assert status(groundwork) == "?? services/\n"


def test_a_folder_without_a_repository_is_refused_with_the_commands_that_make_one(
    groundwork: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "unpacked"
    shutil.copytree(groundwork, tree, ignore=shutil.ignore_patterns(".git"))

    with pytest.raises(Refused, match=r"is not in a repository with a commit\. Write: (.*) \(git says") as refused:
        main(tree, ["clinic"])

    found = re.search(r"Write: (.*) \(git says", str(refused.value))
    assert found
    run(tree, "sh", "-c", found[1])
    main(tree, ["clinic"])


def test_the_name_stands_in_three_files_alone(fork: Path) -> None:
    assert naming(fork, "clinic") == {"LICENSE", "README.md", "pyproject.toml"}
    assert naming(fork, "groundwork") == {"LICENSE", "README.md", "pyproject.toml"}


@pytest.mark.parametrize("tree", ["fork", "without_sample"])
def test_what_is_left_is_formatted(tree: str, request: pytest.FixtureRequest) -> None:
    for check in (["format", "--check"], ["check"]):
        run(request.getfixturevalue(tree), "ruff", *check)


def test_make_hands_on_what_is_typed_as_it_is(fork: Path) -> None:
    typed = run(fork, "make", "--dry-run", "fork", "name=o'brien $(shell echo no)")

    assert r"scaffold fork 'o'\''brien $(shell echo no)'" in typed


def test_make_format_lays_out_what_ruff_can_not_fix(fork: Path) -> None:
    module = fork / "domain" / "clinic.py"
    module.write_text(f'"""The clinic."""\n\nROOMS = [{", ".join(["123456789"] * 12)}]\n')
    environment = fork / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "ruff").symlink_to(Path(sys.executable).with_name("ruff"))

    run(fork, "make", "--old-file=.venv/.development", "format")

    run(fork, "ruff", "format", "--check", "domain/clinic.py")


@pytest.mark.parametrize("command", ["doctor", "update"])
def test_make_begins_what_names_or_mends_a_fault_where_nothing_can_be_installed(fork: Path, command: str) -> None:
    venv = fork / "environment"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@"\n[ "$2" != pip ]\n')
    python.chmod(0o755)

    done = ended(fork, "make", "--no-print-directory", f"VENV={venv}", "PATH=/usr/bin:/bin", command)

    assert done.stdout.splitlines()[-1].rstrip() == f"-m scaffold {command}"
    assert done.returncode == 0
    assert "Going on with the packages that are there.\n" in done.stderr

    (venv / ".development").touch()
    done = ended(fork, "make", "--no-print-directory", f"VENV={venv}", command)

    assert (done.stdout.rstrip(), done.stderr) == (f"-m scaffold {command}", "")


def test_what_only_groundwork_needs_is_gone(fork: Path) -> None:
    assert not (fork / "benchmarks").exists()
    assert not (fork / "tests" / "scaffold").exists()
    assert "help" in run(fork, "make", "help")
    assert re.findall("bench|cluster|mutants|rehearsal", (fork / "Makefile").read_text()) == []
    assert re.findall("bench|django", (fork / "pyproject.toml").read_text()) == []


def test_the_license_keeps_its_notice_beside_the_forks_own(fork: Path) -> None:
    text = (fork / "LICENSE").read_text()

    assert re.findall(r"Copyright \(c\) \d+ (.*)", text) == ["The Groundwork authors", "The clinic authors"]
    assert "without restriction" in text


def test_it_notes_where_it_began(fork: Path, begun: Path) -> None:
    note = tomllib.loads((fork / "pyproject.toml").read_text())["tool"]["groundwork"]

    assert note["commit"] == git(fork, "rev-parse", "HEAD~1").strip()
    assert note["source"] == str(begun.with_name("groundwork"))
    assert note["commit"] in (fork / "README.md").read_text()


def test_it_says_where_it_takes_groundwork_to_be(
    groundwork: Path, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(groundwork, ["clinic"])

    assert f"\nYour fork notes that Groundwork is at {begun}. If that is your own repository" in capsys.readouterr().out


def test_the_page_of_the_fork_names_what_is_there(fork: Path) -> None:
    page, makefile = (fork / "README.md").read_text(), (fork / "Makefile").read_text()
    targets = re.findall(r"[$`] ?make ([a-z-]+)", page)

    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    assert [link for link in re.findall(r"\]\((docs[^)]+)\)", page) if not (fork / link).exists()] == []


def test_the_tests_run_without_the_pages_that_they_try(without_sample: Path, tmp_path: Path) -> None:
    fork = Path(shutil.copytree(without_sample, tmp_path / "clinic"))
    shutil.rmtree(fork / "docs")

    said = run(fork, *TESTS, "-rs", "-k", "test_migrations_roles")  # all are collected

    assert "docs/roles.sql is not here" in said


def test_only_packages_that_are_still_asked_for_are_pinned(fork: Path) -> None:
    pinned = (fork / "constraints.txt").read_text()

    assert "Django" not in pinned
    assert "SQLAlchemy==" in pinned
    assert "trove-classifiers==" in pinned
    yours = f"# ours since the spring\n--prefer-binary\n{pinned}"
    assert still_needed(f"{yours}Django==5.2  # once\n", (fork / "pyproject.toml").read_text()) == yours


def test_a_second_run_says_what_it_is_already(fork: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(fork, ["clinic"])

    assert capsys.readouterr().out.startswith("This is clinic already, begun from Groundwork at commit ")
    with pytest.raises(Refused, match=r"This is clinic already.*change pyproject\.toml"):
        main(fork, ["ward"])
    assert status(fork) == ""


def test_a_run_that_was_killed_can_be_repeated(fork: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(fork, "tag", "whole")
    git(fork, "reset", "--quiet", "HEAD~1")
    git(fork, "checkout", "--quiet", "HEAD", "--", "pyproject.toml", "docs/performance.md", "Makefile")

    main(fork, ["clinic"])

    *_, last = re.findall(r"^ *[a-z]+  (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert (git(fork, "diff", "whole"), last) == ("", "pyproject.toml"), "its note is what refuses a second run"


def test_what_git_does_not_have_is_not_lost(fork: Path) -> None:
    git(fork, "checkout", "--quiet", "HEAD~1")
    with (fork / "README.md").open("a") as page:
        page.write("mine\n")
    before = git(fork, "diff")

    with pytest.raises(Refused, match=r"README\.md would be lost with changes that git does not have"):
        main(fork, ["clinic"])

    assert git(fork, "diff") == before
