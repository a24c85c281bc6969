"""The import rules find planted violations, in this project and in a copy without your aggregates."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.seedwork.bare import copy_project, remove_aggregates

LAYERS = "imports run adapters -> service_layer -> domain only"
DOMAIN = "the domain imports the standard library only"
USE_CASES = "use cases know neither the database nor the container"
CONTAINER = "only the command line imports the composition root"
SEEDWORK = "seedwork imports nothing that is yours"
HALVES = "sqlalchemy and memory know neither each other nor the command line"

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

IMPORT_ALL = """
import pkgutil, sys
from importlib import import_module
sys.path.insert(0, sys.argv[1])
import domain
for module in pkgutil.walk_packages(domain.__path__, "domain."):
    import_module(module.name)
"""


PLANTED = [
    ("domain/seedwork/entity.py", "service_layer.seedwork.errors", LAYERS),
    ("service_layer/unit_of_work.py", "adapters.seedwork.mapping", LAYERS),
    ("domain/seedwork/entity.py", "sqlalchemy", DOMAIN),
    ("service_layer/unit_of_work.py", "sqlalchemy", USE_CASES),
    ("service_layer/seedwork/retry.py", "dependency_injector", USE_CASES),
    ("adapters/mappers.py", "adapters.container", CONTAINER),
    ("migrations/seedwork/lint.py", "adapters.container", CONTAINER),
    ("domain/seedwork/entity.py", "domain.invoice", SEEDWORK),
    ("service_layer/seedwork/retry.py", "service_layer.unit_of_work", SEEDWORK),
    ("adapters/seedwork/sqlalchemy/engine.py", "adapters.settings", SEEDWORK),
    ("adapters/seedwork/memory/repository.py", "domain.invoice", SEEDWORK),
    ("adapters/seedwork/cli/__init__.py", "adapters.cli", SEEDWORK),
    ("migrations/seedwork/environment.py", "adapters.mappers", SEEDWORK),
    ("adapters/seedwork/sqlalchemy/engine.py", "adapters.seedwork.memory.store", HALVES),
    ("adapters/seedwork/memory/store.py", "adapters.seedwork.sqlalchemy.engine", HALVES),
    ("adapters/seedwork/sqlalchemy/engine.py", "adapters.seedwork.cli", HALVES),
    ("adapters/seedwork/memory/store.py", "adapters.seedwork.cli", HALVES),
]
"""A file, what it must not import, and the rule that says so."""


@pytest.fixture(scope="module", params=["project", "bare"])
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is, and without your aggregates; nobody changes it."""
    tree = tmp_path_factory.mktemp("copied") / "project"
    copy_project(tree)
    if request.param == "bare":
        remove_aggregates(tree)
    for folder in ("benchmarks", "docs", "scaffold", "tests"):  # no rule looks at them
        shutil.rmtree(tree / folder, ignore_errors=True)
    return tree


@pytest.fixture
def project(copied: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(copied, tmp_path / "project"))


@pytest.fixture(scope="module")
def violations(copied: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is reported for each rule where all violations are planted."""
    tree = Path(shutil.copytree(copied, tmp_path_factory.mktemp("planted") / "project"))
    (tree / "domain" / "invoice.py").write_text("class Invoice: ...\n")  # a module of yours that no rule names
    for file, imported, _ in PLANTED:
        append(tree / file, f"import {imported}")
    return broken_rules(tree)


def append(file: Path, line: str) -> None:
    assert file.exists(), "a new file would show nothing about those that are there"
    with file.open("a") as source:
        source.write(f"\n{line}\n")


def broken_rules(project: Path) -> dict[str, str]:
    """The rules that the imports of a project break, and what is reported for each."""
    command = [sys.executable, "-c", LINT, "--no-cache"]
    result = subprocess.run(
        command, cwd=project, env={"COLUMNS": "200"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Contracts: " in result.stdout, result.stdout + result.stderr
    reports = re.split(r"^(.+)\n-+\n", result.stdout, flags=re.MULTILINE)
    broken = re.findall(r"^(.+?) BROKEN", result.stdout, re.MULTILINE)
    found = {title: report for title, report in zip(reports[1::2], reports[2::2], strict=True) if title in broken}
    assert found.keys() == set(broken)
    return found


def import_all_of_the_domain(project: Path) -> str:
    """Import its modules without any package that is installed; return what went wrong."""
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(project)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stderr


def test_the_project_as_it_is_breaks_no_rule(copied: Path) -> None:
    assert broken_rules(copied) == {}


@pytest.mark.parametrize(("file", "imported", "rule"), PLANTED)
def test_a_planted_violation_is_found(violations: dict[str, str], file: str, imported: str, rule: str) -> None:
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    [report] = [report for title, report in violations.items() if rule in title]
    # a chain of its own: a link of another one would be there without the rule as well
    assert re.search(rf"^-\s+{re.escape(f'{module} -> {imported}')} \(l\.\d+\)\n(\n|\Z)", report, re.MULTILINE)


def test_the_domain_runs_on_the_standard_library_alone(project: Path) -> None:
    assert import_all_of_the_domain(project) == ""


def test_a_package_that_no_rule_names_is_found_in_the_domain(project: Path) -> None:
    append(project / "domain" / "seedwork" / "errors.py", "import psycopg")

    assert "No module named 'psycopg'" in import_all_of_the_domain(project)


@pytest.mark.parametrize("name", ['"adapters.edge_of_yours"', "'adapters.edge_of_yours'"])
def test_an_edge_of_yours_may_import_the_composition_root_where_the_rule_names_it(tmp_path: Path, name: str) -> None:
    tree = tmp_path / "project"
    copy_project(tree)
    (tree / "adapters" / "edge_of_yours.py").write_text("from adapters.container import bootstrap\n")
    rules = tree / "pyproject.toml"
    rules.write_text(rules.read_text().replace("allowed_importers = [", f"allowed_importers = [{name}, "))

    assert broken_rules(tree) == {}

    remove_aggregates(tree)
    assert broken_rules(tree) == {}
