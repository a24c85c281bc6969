"""Every aggregate of yours is registered everywhere; a line that is missing is named."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from adapters.cli import app
from adapters.seedwork.cli.program import PLACEHOLDER, THIS_COMMAND
from tests.seedwork.bare import copy_project, remove_aggregates
from tests.seedwork.command_line import PROGRAM
from tests.seedwork.registration import missing_registrations

DOMAIN = """
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from domain.seedwork.entity import Entity
from domain.seedwork.errors import NotFound
from domain.seedwork.repository import Repository

InvoiceId = NewType("InvoiceId", UUID)


@dataclass(eq=False, kw_only=True)
class Invoice(Entity): ...


class InvoiceNotFound(NotFound): ...


class InvoiceRepository(Repository[Invoice, InvoiceId]):
    not_found = InvoiceNotFound
"""
ADAPTERS = """
from sqlalchemy import Column, Integer, Table

from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.mapping import map_once, metadata
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from adapters.seedwork.types import IdType
from domain.invoice import Invoice, InvoiceId, InvoiceRepository

invoices = Table(
    "invoices", metadata, Column("id", IdType(), primary_key=True), Column("version", Integer, nullable=False)
)


def map_invoices() -> None:
    map_once(Invoice, invoices, version_id_col=invoices.c.version)


class SqlAlchemyInvoiceRepository(SqlAlchemyRepository[Invoice, InvoiceId], InvoiceRepository):
    entity = Invoice


class InMemoryInvoiceRepository(InMemoryRepository[Invoice, InvoiceId], InvoiceRepository):
    entity = Invoice
"""
COMMANDS = """
from typer import Typer

app = Typer()
"""

REPOSITORY_OF = "from adapters.seedwork.registration import RepositoryOf"
REGISTRATIONS = [
    (
        "adapters/mappers.py",
        "    with mapping():\n",
        "        map_invoices()\n",
        "from adapters.invoices import map_invoices",
    ),
    (
        "service_layer/unit_of_work.py",
        "class UnitOfWork(Transaction):\n",
        "    invoices: InvoiceRepository\n",
        "from domain.invoice import InvoiceRepository",
    ),
    (
        "adapters/unit_of_work.py",
        "class SqlAlchemyUnitOfWork(SqlAlchemyTransaction, UnitOfWork):\n",
        "    invoices = RepositoryOf(SqlAlchemyInvoiceRepository)\n",
        f"from adapters.invoices import SqlAlchemyInvoiceRepository\n{REPOSITORY_OF}",
    ),
    (
        "adapters/unit_of_work.py",
        "class InMemoryUnitOfWork(InMemoryTransaction, UnitOfWork):\n",
        "    invoices = RepositoryOf(InMemoryInvoiceRepository)\n",
        f"from adapters.invoices import InMemoryInvoiceRepository\n{REPOSITORY_OF}",
    ),
    (
        "adapters/cli/__init__.py",
        'app.add_typer(db(settings), name="db")\n',
        'app.add_typer(invoices.app, name="invoices")\n',
        "from adapters.cli import invoices",
    ),
]
"""Where, after which line, what, and the imports that it needs."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose only aggregate is registered nowhere."""
    tree = tmp_path / "project"
    copy_project(tree)
    remove_aggregates(tree)
    (tree / "domain" / "invoice.py").write_text(DOMAIN)
    (tree / "adapters" / "invoices.py").write_text(ADAPTERS)
    (tree / "adapters" / "cli" / "invoices.py").write_text(COMMANDS)
    return tree


def register(project: Path, file: str, after: str, line: str, imported: str) -> None:
    source = (project / file).read_text()
    assert source.count(after) == 1
    (project / file).write_text(f"{imported}\n{source.replace(after, after + line)}")


def missing_in(project: Path) -> list[str]:
    script = "from tests.seedwork.registration import missing_registrations as m; print('\\n'.join(m()), end='')"
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=project, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    return result.stdout.splitlines()


def test_all_that_is_yours_is_registered() -> None:
    assert missing_registrations() == []


def commands(group: Any, path: str = PROGRAM) -> Iterator[tuple[str, str]]:  # Any: typer's types have no public names
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{path} {name}")
        if not hasattr(command, "commands"):
            yield f"{path} {name}", command.help or ""


def test_the_help_of_each_command_of_yours_shows_an_example() -> None:
    lacking = [
        path
        for path, help in commands(get_command(app))
        if f"$ {path}" not in help.replace(PLACEHOLDER, PROGRAM).replace(THIS_COMMAND, path)
    ]

    assert lacking == []


def test_each_line_that_is_missing_is_named_with_its_file(project: Path) -> None:
    named = [sentence.partition(" In ")[2] for sentence in missing_in(project)]

    assert named == [f"{file} write: {line.strip()}" for file, _, line, _ in REGISTRATIONS]


def test_a_line_is_named_when_it_alone_is_missing(project: Path) -> None:
    for registration in (*REGISTRATIONS[:2], *REGISTRATIONS[3:]):
        register(project, *registration)

    assert missing_in(project) == [
        f"SqlAlchemyUnitOfWork has no InvoiceRepository. In {REGISTRATIONS[2][0]} write: {REGISTRATIONS[2][2].strip()}"
    ]


def test_an_entity_without_a_repository_is_named(project: Path) -> None:
    (project / "domain" / "invoice.py").write_text(DOMAIN.partition("\n\nclass InvoiceNotFound")[0])
    (project / "adapters" / "invoices.py").write_text(
        ADAPTERS.partition("\n\nclass SqlAlchemyInvoice")[0].replace(", InvoiceId, InvoiceRepository", "")
    )
    register(project, *REGISTRATIONS[0])
    register(project, *REGISTRATIONS[-1])

    [sentence] = missing_in(project)
    assert sentence.startswith("Invoice is mapped and has no repository. In domain/invoice.py write: class InvoiceRep")


def test_a_repository_that_does_not_say_what_it_raises_is_named_and_nothing_that_is_registered(project: Path) -> None:
    (project / "domain" / "invoice.py").write_text(DOMAIN.replace("not_found = InvoiceNotFound", "pass"))
    for registration in REGISTRATIONS:
        register(project, *registration)

    assert missing_in(project) == [
        "InvoiceRepository does not say what get() raises. In domain/invoice.py write: not_found = InvoiceNotFound"
    ]


def test_a_package_of_yours_with_code_of_its_own_goes_from_the_copy_as_a_module_does(tmp_path: Path) -> None:
    tree = tmp_path / "project"
    copy_project(tree)
    (tree / "domain" / "of_yours.py").write_text("class OfYours: ...\n")
    (tree / "adapters" / "package_of_yours").mkdir()
    (tree / "adapters" / "package_of_yours" / "__init__.py").write_text("from domain.of_yours import OfYours\n")
    container = tree / "adapters" / "container.py"
    container.write_text(f"from adapters.package_of_yours import OfYours\n{container.read_text()}")

    remove_aggregates(tree)

    assert missing_in(tree) == []
