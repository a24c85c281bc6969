"""What ``docs/migrations.md`` says to write makes the schema of the code, can be undone, and passes the linter."""

import re
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any
from uuid import UUID

import pytest
from alembic import command
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    Uuid,
    create_engine,
    event,
    make_url,
    select,
    text,
)
from sqlalchemy.orm import Session, registry, relationship
from sqlalchemy.orm.attributes import set_attribute

from adapters.seedwork.types import UtcDateTime
from domain.seedwork.entity import new_id
from migrations.seedwork.lint import refusals
from tests.seedwork.pages import blocks, page
from tests.seedwork.reversal import assert_reversible
from tests.seedwork.revisions import History
from tests.seedwork.schema import Schema

PAGE = page("migrations.md")


def block_with(words: str) -> str:
    [block] = [block for block in blocks(PAGE, "python") if words in block]
    return dedent(block)


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


# ---- a column that becomes unique ------------------------------------------------------------------------------------

NAMED = 'op.create_table("customers", {}, sa.Column("nickname", sa.String(length=50)))'.format(
    'sa.Column("id", sa.Uuid(), primary_key=True), sa.Column("version", sa.Integer())'
)
ADD_CUSTOMER = "INSERT INTO customers (id, nickname, version) VALUES (:id, :nickname, 1)"


def test_a_column_with_doubles_becomes_unique_and_the_oldest_keeps_its_value(planted: History) -> None:
    block = block_with("UNIQUE USING INDEX")
    cleaned = block.replace('op.drop_index("uq', 'op.execute(CLEAN)\n        op.drop_index("uq', 1)
    cleaned = cleaned.replace("with op.batch", "op.execute(CLEAN)\n    with op.batch", 1)
    planted.plant("first", NAMED, NO_CUSTOMERS)
    planted.plant("second", f"{block_with('CLEAN = (')}\n{cleaned}", NOT_UNIQUE, down="first")
    planted.upgrade("first")
    ids = [str(UUID(int=number)) for number in range(1, 6)]
    nicknames = ["Jo", "Jo", "Al", None, None]
    with planted.engine.begin() as connection:
        insert = [{"id": id, "nickname": nickname} for id, nickname in zip(ids, nicknames, strict=True)]
        connection.execute(text(ADD_CUSTOMER), insert)

    planted.upgrade()

    with planted.engine.connect() as connection:
        rows = connection.execute(text("SELECT nickname, version FROM customers ORDER BY id")).all()
    assert [*map(tuple, rows)] == [("Jo", 1), (None, 2), ("Al", 1), (None, 1), (None, 1)]
    assert [*refusals(planted.config())] == []


# ---- a column that becomes two, and a field that becomes parts -------------------------------------------------------

WHOLE = """
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("full_name", sa.String(length=100)),
        sa.Column("first_name", sa.String(length=100)),
        sa.Column("last_name", sa.String(length=100)),
        sa.Column("phone", sa.String(length=20)),
    )
    op.create_table(
        "customer_phones",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("customer_id", sa.Uuid(), sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.UniqueConstraint("customer_id", "number"),
    )
    """
NO_WHOLE = """
    op.drop_table("customer_phones")
    op.drop_table("customers")
    """


ADD = text("INSERT INTO customers (id, version, full_name, phone) VALUES (:id, 1, :name, :phone)")


class Customer:
    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Phone:
    def __init__(self, number: str) -> None:
        self.id, self.number = new_id(), number


class Release:
    """The code of one deploy: its classes, as it maps them, and what the page says to write."""

    def __init__(self, block: str, *, phones: str = "phones", **columns: str) -> None:
        self.customer: Any = type("Customer", (Customer,), {})
        phone, mapped, metadata = type("Phone", (Phone,), {}), registry(), MetaData()
        texts = [Column(name, String) for name in ("full_name", "first_name", "last_name", "phone")]
        id = Column("id", Uuid, primary_key=True)
        table = Table("customers", metadata, id, Column("version", Integer), *texts)
        keys = [Column("id", Uuid, primary_key=True), Column("customer_id", Uuid, ForeignKey("customers.id"))]
        parts = Table("customer_phones", metadata, *keys, Column("number", String))
        mapped.map_imperatively(phone, parts)
        properties: dict[str, Any] = {name: table.c[column] for name, column in columns.items()}
        properties[phones] = relationship(phone, cascade="all, delete-orphan")
        mapped.map_imperatively(self.customer, table, version_id_col=table.c.version, properties=properties)
        self.code: dict[str, Any] = {"set_attribute": set_attribute, "Phone": phone}
        self.code |= dict.fromkeys(("AttributeEventToken", "Customer"), object)
        exec(block, self.code)

    def listen(self, attribute: str, listener: str) -> None:
        event.listen(vars(self.customer)[attribute], "set", self.code[listener])


def test_two_releases_agree_on_a_column_that_is_split(planted: History) -> None:
    first = Release(block_with("_write_whole"), _first_name="first_name", _last_name="last_name")
    first.listen("full_name", "_write_parts")
    second = Release(block_with("_write_whole"), _full_name="full_name")
    second.listen("first_name", "_write_whole")
    second.listen("last_name", "_write_whole")
    planted.plant("first", WHOLE)
    planted.upgrade()
    id = new_id()

    with Session(planted.engine) as session, session.begin():
        session.add(first.customer(id=id, full_name="Ann van Dam"))
    with Session(planted.engine) as session, session.begin():
        ann = session.get_one(second.customer, id)
        names = (ann.first_name, ann.last_name)
        ann.last_name = None
        session.add(second.customer(id=new_id(), first_name="Jo", last_name="Doe"))
    with Session(planted.engine) as session:
        whole = session.scalars(select(first.customer.full_name).order_by(first.customer.full_name)).all()

    assert names == ("Ann", "van Dam")
    assert whole == ["Ann", "Jo Doe"]


def test_two_releases_agree_on_a_field_that_becomes_parts(planted: History) -> None:
    first = Release(block_with("_write_first"), phones="_phones")
    first.listen("phone", "_write_part")
    second = Release(block_with("_write_first"), _phone="phone")
    for name in ("before_insert", "before_update"):
        event.listen(second.customer, name, second.code["_write_first"])
    planted.plant("first", WHOLE)
    planted.upgrade()
    id = new_id()

    with Session(planted.engine) as session, session.begin():
        session.add(first.customer(id=id, phone="1"))
    with Session(planted.engine) as session, session.begin():
        ann = session.get_one(second.customer, id)
        numbers = [phone.number for phone in ann.phones]
        ann.phones = [second.code["Phone"]("2"), second.code["Phone"]("3")]
    with Session(planted.engine) as session, session.begin():
        ann = session.get_one(first.customer, id)
        phone, ann.phone = ann.phone, None
    with Session(planted.engine) as session:
        left = session.get_one(second.customer, id).phones

    assert numbers == ["1"]
    assert phone == "2"
    assert left == []


def plant(history: History, block: str) -> None:
    """Plant a revision of the page that fills columns, or a table, after the one that makes them."""
    history.plant("first", WHOLE, NO_WHOLE)
    history.plant("second", "pass", down="first")
    file = history.folder / "second.py"
    head, _, rest = file.read_text().partition("\n\ndef upgrade")
    down = rest.partition("\n\ndef downgrade")[2]
    head = head.replace("import op", "import context, op")
    file.write_text(f"{head}\n{block}\n\ndef downgrade{down}")


def add_customers(history: History, *values: tuple[str | None, str | None]) -> None:
    """Insert customers, each with a name and a phone number."""
    rows = [{"id": str(UUID(int=n)), "name": name, "phone": phone} for n, (name, phone) in enumerate(values, 1)]
    with history.engine.begin() as connection:
        connection.execute(ADD, rows)


def test_the_rows_of_a_column_that_is_split_are_filled(planted: History) -> None:
    split = block_with("_write_whole").partition("\n\n\n")[0]
    plant(planted, f"{split}\n{block_with('SELECT id, full_name')}")
    planted.upgrade("first")
    add_customers(planted, ("Ann van Dam", None), ("Plato", None), *[("Jo Doe", None)] * 1_500)

    planted.upgrade()

    with planted.engine.connect() as connection:
        rows = connection.execute(text("SELECT first_name, last_name FROM customers ORDER BY id")).all()
    assert [*map(tuple, rows)] == [("Ann", "van Dam"), ("Plato", None), *[("Jo", "Doe")] * 1_500]


def test_the_parts_that_a_field_becomes_are_made(planted: History) -> None:
    plant(planted, block_with("customer_phones (id"))
    planted.upgrade("first")
    add_customers(planted, ("Ann", "1"), ("Bea", None), *[("Jo", "3")] * 1_500)
    with planted.engine.begin() as connection:
        stale = (
            "INSERT INTO customer_phones (id, customer_id, number) SELECT id, id, '0' FROM customers WHERE phone = '1'"
        )
        connection.execute(text(stale))

    planted.upgrade()

    with planted.engine.connect() as connection:
        rows = connection.execute(text("SELECT number, count(*) FROM customer_phones GROUP BY number ORDER BY 1")).all()
    assert [*map(tuple, rows)] == [("1", 1), ("3", 1_500)]


@pytest.mark.parametrize("words", ["SELECT id, full_name", "customer_phones (id"])
def test_a_revision_that_fills_can_be_undone_and_is_not_refused(planted: History, words: str) -> None:
    split = block_with("_write_whole").partition("\n\n\n")[0]
    plant(planted, f"{split}\n{block_with(words)}")

    assert_reversible(planted)
    assert [*refusals(planted.config())] == []


# ---- the values of an older file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "more"),
    [("2026-02-03T12:00:00Z", ""), ("2026-02-03 14:00:00+02:00", ""), (1770120000, ", 'unixepoch'")],
    ids=["ISO 8601", "with an offset", "a number"],
)
def test_a_moment_and_an_id_are_copied_in_the_form_that_a_look_up_compares(stored: object, more: str) -> None:
    [moment] = re.findall(r"`(strftime\(.*?, at)\)`", PAGE)
    [plain_id] = re.findall(r"`(replace\(lower\(id\).*?\))`", PAGE)
    id, at = new_id(), datetime(2026, 2, 3, 12, tzinfo=UTC)
    notes = Table("notes", MetaData(), Column("id", Uuid), Column("at", UtcDateTime()))
    with create_engine("sqlite://", poolclass=NullPool).begin() as connection:
        notes.create(connection)
        connection.exec_driver_sql("CREATE TABLE old (id, at)")
        connection.exec_driver_sql("INSERT INTO old VALUES (?, ?)", (str(id), stored))
        connection.exec_driver_sql(f"INSERT INTO notes SELECT {plain_id}, {moment}{more}) FROM old")

        found = connection.execute(select(notes).where(notes.c.id == id, notes.c.at == at)).all()

    assert found == [(id, at)]


# ---- a database that is adopted --------------------------------------------------------------------------------------

OF_AN_OLD_APPLICATION = """
CREATE TABLE customer (id serial PRIMARY KEY, name text, changed_at date DEFAULT '2001-01-01');
CREATE TABLE invoice (id serial PRIMARY KEY, customer_id integer REFERENCES customer);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.changed_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO customer (name) VALUES ('Ann'), ('Bob');
INSERT INTO invoice (customer_id) VALUES (2);
ALTER TABLE customer ADD uid uuid UNIQUE;
ALTER TABLE invoice ADD customer_uid uuid REFERENCES customer (uid);
"""


@pytest.fixture
def customers(on_postgresql: History) -> History:
    """A history on a database of an old application, to whose rows ids are being added."""
    with on_postgresql.engine.begin() as connection:
        connection.exec_driver_sql(OF_AN_OLD_APPLICATION)
    return on_postgresql


def test_a_fill_leaves_the_time_of_a_change_as_it_is(customers: History) -> None:
    [touch] = [block for block in blocks(PAGE, "sql") if "touch" in block]
    with customers.engine.begin() as connection:
        connection.exec_driver_sql(touch)

        connection.exec_driver_sql("UPDATE customer SET uid = gen_random_uuid()")
        connection.exec_driver_sql("UPDATE customer SET name = 'Eve' WHERE id = 2")

        changed = connection.exec_driver_sql("SELECT changed_at > '2001-01-01' FROM customer ORDER BY id")
        assert [*changed.scalars()] == [False, True]


def test_each_of_two_programs_writes_one_of_two_references_and_the_trigger_the_other_one(customers: History) -> None:
    [both] = [block for block in blocks(PAGE, "sql") if "refer_by_both" in block]
    [fill] = re.findall(r"`(UPDATE invoice [^`]*)`", PAGE)
    with customers.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE customer SET uid = gen_random_uuid()")
        connection.exec_driver_sql(both)

        connection.exec_driver_sql(fill)
        for id in (1, 2):
            connection.exec_driver_sql(f"INSERT INTO invoice (customer_id) VALUES ({id})")
            connection.exec_driver_sql(f"INSERT INTO invoice (customer_uid) SELECT uid FROM customer WHERE id = {id}")
        connection.exec_driver_sql("UPDATE invoice SET customer_id = 1 WHERE id = 4")
        connection.exec_driver_sql("UPDATE invoice SET customer_uid = NULL WHERE id = 5")

        found = connection.exec_driver_sql(
            "SELECT i.customer_id, c.id FROM invoice i LEFT JOIN customer c ON c.uid = customer_uid ORDER BY i.id"
        )
        assert [*found] == [(2, 2), (1, 1), (1, 1), (1, 1), (None, None)]


@pytest.fixture
def adopting(customers: History) -> History:
    """A history of three revisions, of which the second makes what an old application has made."""
    customers.plant("first", 'op.create_table("ours", sa.Column("id", sa.Uuid()))')
    customers.plant("second", 'op.create_table("customer", sa.Column("id", sa.Integer()))', down="first")
    version = 'sa.Column("version", sa.Integer(), nullable=False, server_default="1")'
    customers.plant("third", f'op.add_column("customer", {version})', down="second")
    with customers.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version AS SELECT 'theirs' AS version_num")
    return customers


VERSIONS = "SELECT (SELECT version_num FROM alembic_version), array_agg(version) FROM customer"


def test_a_history_that_has_ended_is_forgotten(adopting: History) -> None:
    command.stamp(adopting.config(), "base", purge=True)
    adopting.upgrade("first")
    command.stamp(adopting.config(), "second")
    adopting.upgrade()

    with adopting.engine.connect() as connection:
        assert connection.exec_driver_sql(VERSIONS).one() == ("third", [1, 1])


def test_a_history_that_goes_on_stays_beside_that_of_the_service(adopting: History) -> None:
    with adopting.engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA parcels")
    paths = re.findall(r"options=-csearch_path%3D([\w,]+)", PAGE)
    alone, first = (
        History(
            adopting.folder,
            make_url(adopting.url)
            .update_query_dict({"options": f"-csearch_path={path}"})
            .render_as_string(hide_password=False),
        )
        for path in paths
    )

    alone.upgrade("first")
    command.stamp(first.config(), "second")
    first.upgrade()

    assert alone.tables() == {"alembic_version", "ours"}
    with first.engine.connect() as connection:
        assert connection.exec_driver_sql(VERSIONS).one() == ("third", [1, 1])
    with adopting.engine.connect() as connection:
        assert connection.exec_driver_sql(VERSIONS).one() == ("theirs", [1, 1])
