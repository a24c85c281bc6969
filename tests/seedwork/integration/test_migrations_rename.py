"""The column that ``docs/migrations.md`` renames in three deploys, while services of two releases run."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Semaphore
from uuid import UUID

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, event, text
from sqlalchemy.orm import registry
from sqlalchemy.orm.attributes import set_attribute

from adapters.seedwork.sqlalchemy.engine import create_engine, session_factory
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.seedwork.types import IdType
from adapters.settings import Settings
from domain.seedwork.entity import Entity, new_id
from migrations.seedwork.lint import refusals
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.pages import blocks, page
from tests.seedwork.reversal import assert_reversible
from tests.seedwork.revisions import History, ruff

PAGE = page("migrations.md")
ADD, FILL, REQUIRE, DROP = [block for block in blocks(PAGE, "python") if block.startswith('"""')][:4]

BASE, *_ = re.findall(r'down_revision: str \| None = "(\w+)"', ADD)
CREATE = """
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("name = trim(name) AND length(name) BETWEEN 1 AND 100", name=op.f("ck_customers_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
    )
    """

OLD = 2_500
"""How many customers are there before: more than a batch."""


@dataclass(eq=False, kw_only=True)
class Customer(Entity):
    id: UUID = field(default_factory=new_id)
    name: str


class Customers(SqlAlchemyRepository[Customer, UUID]):
    def __init__(self, uow: SqlAlchemyTransaction, kind: type[Customer]) -> None:
        self.entity = kind
        super().__init__(uow)


class Release:
    """The code of one deploy: how it maps a customer, and its services."""

    def __init__(self, url: str, name: str, *, copy: str | None = None, unmapped: str | None = None) -> None:
        columns = [Column(column, String(100)) for column in (name, copy, unmapped) if column]
        id: Column[UUID] = Column("id", IdType[UUID](), primary_key=True)
        table = Table("customers", MetaData(), id, Column("version", Integer), *columns)
        self.customer: type[Customer] = type("Customer", (Customer,), {})
        registry().map_imperatively(
            self.customer,
            table,
            version_id_col=table.c.version,
            properties={"name": table.c[name]} | ({"_copy": table.c[copy]} if copy else {}),
            exclude_properties=[table.c[unmapped]] if unmapped else [],
        )
        if copy:
            event.listen(
                vars(self.customer)["name"], "set", lambda customer, value, *_: set_attribute(customer, "_copy", value)
            )
        self.engine = create_engine(Settings(database_url=url))

    def new_unit(self) -> SqlAlchemyTransaction:
        return SqlAlchemyTransaction(session_factory(self.engine))

    def register(self, name: str) -> UUID:
        return register(self.new_unit(), self.customer(name=name))

    def insert(self, name: str) -> UUID:
        return insert(self.new_unit(), self.customer(name=name))

    def rename(self, id: UUID, name: str) -> None:
        rename(self.new_unit(), self.customer, id, name)

    def name_of(self, id: UUID) -> str:
        return name_of(self.new_unit(), self.customer, id)


@retry_transient
def register(uow: SqlAlchemyTransaction, customer: Customer) -> UUID:
    with uow:
        uow.session.add(customer)
        uow.commit()
    return customer.id


@retry_transient
def insert(uow: SqlAlchemyTransaction, customer: Customer) -> UUID:
    with uow:
        Customers(uow, type(customer)).insert_many([customer])
        uow.commit()
    return customer.id


@retry_transient
def rename(uow: SqlAlchemyTransaction, kind: type[Customer], id: UUID, name: str) -> None:
    with uow:
        uow.session.get_one(kind, id).name = name
        uow.commit()


@retry_transient
def name_of(uow: SqlAlchemyTransaction, kind: type[Customer], id: UUID) -> str:
    with uow.reading():
        return uow.session.get_one(kind, id).name


def assert_that_they_agree(one: Release, other: Release) -> None:
    """Check that each reads what the other wrote, and what the other changed of its own."""
    for writer, reader in ((one, other), (other, one)):
        for ann in (writer.register("Ann"), writer.insert("Ann")):
            assert reader.name_of(ann) == "Ann"
            reader.rename(ann, "Bea")
            assert writer.name_of(ann) == "Bea"


@contextmanager
def at_work(*releases: Release) -> Iterator[None]:
    """Keep services busy while a migration runs; in the end check that none has failed."""
    finished, served = Event(), Semaphore(0)

    def serve(release: Release) -> None:
        while not finished.wait(0.01):
            assert_that_they_agree(release, release)
            served.release()

    with ThreadPoolExecutor() as pool:
        serving = [pool.submit(serve, release) for release in releases]
        try:
            assert served.acquire(timeout=10)
            yield
        finally:
            finished.set()
        for service in serving:
            service.result()


@pytest.fixture
def history(empty_url: str, tmp_path: Path) -> History:
    """The revisions of the page, after the one from which it starts."""
    history = History(tmp_path / "revisions", empty_url)
    history.plant(BASE, CREATE, 'op.drop_table("customers")')
    for name, revision in {"add": ADD, "fill": FILL, "require": REQUIRE, "drop": DROP}.items():
        (history.folder / f"{name}.py").write_text(revision)
    return history


@pytest.fixture
def releases(history: History) -> Iterator[list[Release]]:
    """The code before, that of the three deploys, and that of a later one."""
    releases = [
        Release(history.url, "name"),
        Release(history.url, "name", copy="full_name"),
        Release(history.url, "full_name", copy="name"),
        Release(history.url, "full_name", unmapped="name"),
        Release(history.url, "full_name"),
    ]
    yield releases
    for release in releases:
        release.engine.dispose()


def test_services_of_every_two_releases_go_on_while_the_column_is_renamed(
    history: History, releases: list[Release]
) -> None:
    before, first, second, third, later = releases
    history.upgrade(BASE)
    with before.new_unit() as uow:
        uow.session.add_all([before.customer(name=f"John {number}") for number in range(OLD)])
        uow.commit()

    with at_work(before):
        history.upgrade(id_of(ADD))
    assert_that_they_agree(before, first)

    with at_work(first):
        history.upgrade(id_of(REQUIRE))
    assert_that_they_agree(first, second)

    assert_that_they_agree(second, third)

    with at_work(third):
        history.upgrade(id_of(DROP))
    assert_that_they_agree(third, later)

    with history.engine.connect() as connection:
        names = set(connection.scalars(text("SELECT full_name FROM customers")))
    assert names == {f"John {number}" for number in range(OLD)} | {"Bea"}, "an older name has come back"


def id_of(revision: str) -> str:
    [id] = re.findall('^revision: str = "(.+)"$', revision, re.MULTILINE)
    return str(id)


def test_the_fill_ends_where_the_column_may_be_null(history: History) -> None:
    history.plant(BASE, CREATE.replace("length=100), nullable=False", "length=100)"), "pass")
    history.upgrade(id_of(ADD))
    code: dict[str, str] = {}
    exec(FILL, code)
    values = [(None, None), (None, "Ann"), ("Bea", None), ("Cleo", "Cle")]
    rows = [{"id": str(UUID(int=n)), "name": name, "copy": copy} for n, (name, copy) in enumerate(values)]
    with history.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO customers (id, name, full_name, version) VALUES (:id, :name, :copy, 1)"), rows
        )

        filled = [connection.execute(text(code["BATCH"])).rowcount for _ in range(2)]

        names = connection.scalars(text("SELECT full_name FROM customers ORDER BY id")).all()
    assert filled == [3, 0]
    assert names == [None, None, "Bea", "Cleo"]


def test_each_of_its_revisions_can_be_undone(history: History) -> None:
    assert_reversible(history)


def test_none_of_its_revisions_is_refused(history: History) -> None:
    assert [*refusals(history.config())] == []


@pytest.mark.parametrize("revision", [ADD, FILL, REQUIRE, DROP], ids=["add", "fill", "require", "drop"])
def test_its_revisions_are_as_ruff_wants_them(revision: str) -> None:
    assert ruff("format --diff", revision) == ""
    assert ruff("check --quiet", revision) == ""
