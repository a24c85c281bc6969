"""Which error a driver's error becomes: each class has a decided meaning, and real databases raise it."""

import logging
import resource
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy.exc
from sqlalchemy import (
    CheckConstraint,
    Column,
    Executable,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    column,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import INT4RANGE, ExcludeConstraint, Range
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import DetachedInstanceError, FlushError, ObjectDereferencedError, StaleDataError
from sqlalchemy.schema import CreateTable

from adapters.container import Container, bootstrap
from adapters.seedwork.mapping import map_once
from adapters.seedwork.mapping import metadata as application_metadata
from adapters.seedwork.sqlalchemy.driver_errors import meaning_of
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.seedwork.types import IdType
from adapters.settings import Settings
from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import DomainError
from service_layer.seedwork.errors import (
    CommitOutcomeUnknown,
    ConcurrencyConflict,
    ConstraintViolated,
    DatabaseRefused,
    DatabaseUnavailable,
    FailedTransaction,
    ReferenceViolated,
    SchemaOutdated,
    StatementTimeout,
    StorageFailure,
    TransactionError,
)
from tests.seedwork.ordering import Line, Order, OrderNumberTaken, SqlAlchemyOrderingUnitOfWork

Kind = type[TransactionError] | None

# ---- what was decided: by what a code begins with, and the longest entry that fits counts -------------------------

MISTAKE = None
"""The code or the database is set up wrongly: the driver's own error is the clearest."""

SQLSTATES: dict[Kind, str] = {
    ConcurrencyConflict: "26000 40 55P03 72000",
    ConstraintViolated: "23 P0001",
    ReferenceViolated: "23001 23503",
    DatabaseRefused: "28 3D000 42501",
    DatabaseUnavailable: "08 25006 25P03 53 57P",
    SchemaOutdated: "42703 42P01",
    StatementTimeout: "25P04 57014",
    StorageFailure: "53100 58 XX001 XX002",
    MISTAKE: "02 03 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 24 25 26 27 2B 2D 2F 34 38 39 3B 3D 3F 42 44 54 55 57 72 F0 HV"
    " P0 XX",
}
OF_VALUES: dict[Kind, str] = SQLSTATES | {
    ConstraintViolated: "22000 22001 22003 22007 22008 22015 22021 22026 22P02 22P05 23 P0001"
}
"""What stores values, or looks for them, is no SQL that could be wrong."""
UNKNOWN_AT_COMMIT: dict[Kind, str] = SQLSTATES | {CommitOutcomeUnknown: "08 40003 57P XX XX001 XX002"}

RESULT_CODES: dict[Kind, str] = {
    ConcurrencyConflict: "BUSY LOCKED PROTOCOL",
    ConstraintViolated: "CONSTRAINT",
    ReferenceViolated: "CONSTRAINT_FOREIGNKEY",
    StatementTimeout: "INTERRUPT",
    StorageFailure: "CANTOPEN CORRUPT FULL IOERR NOTADB PERM READONLY",
    MISTAKE: "ABORT AUTH EMPTY ERROR FORMAT INTERNAL MISMATCH MISUSE NOLFS NOMEM NOTFOUND NOTICE RANGE SCHEMA TOOBIG"
    " WARNING",
}
NO_ERRORS = (
    "ALTER_TABLE ANALYZE ATTACH CREATE_ DBCONFIG_ DELETE DENY DETACH DONE DROP_ FUNCTION IGNORE INSERT LIMIT_ OK PRAGMA"
    " READ RECURSIVE REINDEX ROW SAVEPOINT SELECT TRANSACTION UPDATE"
)

SQLALCHEMY_CLASSES = (
    sqlalchemy.exc.DBAPIError,  # by the code of the driver's error in it
    sqlalchemy.exc.TimeoutError,  # DatabaseUnavailable: the pool is full
    StaleDataError,  # ConcurrencyConflict: a race was lost
    # mistakes
    sqlalchemy.exc.ArgumentError,
    sqlalchemy.exc.CircularDependencyError,
    sqlalchemy.exc.CompileError,
    sqlalchemy.exc.DisconnectionError,
    sqlalchemy.exc.IdentifierError,
    sqlalchemy.exc.InvalidRequestError,
    sqlalchemy.exc.StatementError,
    DetachedInstanceError,
    FlushError,
    ObjectDereferencedError,
)


def decided(table: dict[Kind, str], code: str) -> Kind:
    places = {prefix: kind for kind, prefixes in table.items() for prefix in prefixes.split()}
    fitting = [prefix for prefix in places if code.startswith(prefix)]
    assert fitting, f"{code} has no place yet: decide what it means"
    return places[max(fitting, key=len)]


def classes(parent: type[Exception]) -> Iterator[type[Exception]]:
    for child in parent.__subclasses__():
        yield child
        yield from classes(child)


ALL_SQLSTATES = sorted({code for kind in classes(psycopg.Error) if (code := getattr(kind, "sqlstate", None))})

# ---- an aggregate with the constraints that orders do not have ----------------------------------------------------


class SeatTaken(DomainError):
    pass


class TicketUsed(DomainError):
    pass


class ColourTaken(DomainError):
    pass


class RowTaken(DomainError):
    pass


class NoSuchClass(DomainError):
    pass


class AlreadyNeighbours(DomainError):
    pass


class TooNear(DomainError):
    pass


@dataclass(eq=False, kw_only=True)
class Seat(Entity):
    number: int = 0
    alarm: str | None = None
    """The code of an error that PostgreSQL is to raise when the seat is inserted."""
    late_alarm: str | None = None
    """The same for COMMIT."""


metadata = MetaData(naming_convention=application_metadata.naming_convention)
seats = Table(
    "seats_in_the_carriages_of_a_train",
    metadata,
    Column("id", IdType(), primary_key=True),
    Column("number", Integer),
    Column("ticket", String),
    Column("colour", String),
    Column("row_in_the_carriage", Integer),
    Column("travel_class", Integer),
    Column("place", Integer),
    Column("beside", ForeignKey("seats_in_the_carriages_of_a_train.id", deferrable=True, initially="DEFERRED")),
    Column("alarm", String),
    Column("late_alarm", String),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("number", deferrable=True, initially="DEFERRED", info={"error": SeatTaken}).ddl_if("postgresql"),
    # its name is longer than PostgreSQL allows
    UniqueConstraint("row_in_the_carriage", "travel_class", info={"error": RowTaken}),
    CheckConstraint("travel_class IN (1, 2)", name="travel_class", info={"error": NoSuchClass}),
    ExcludeConstraint(
        (func.int4range(column("place"), column("place") + 2), "&&"),
        name="ex_seats_place",
        using="gist",
        where=column("place").is_not(None),
        info={"error": TooNear},
    ).ddl_if("postgresql"),
)
Index(None, seats.c.ticket, unique=True, info={"error": TicketUsed})
Index("uq_house_seats_colour", func.lower(seats.c.colour), unique=True, info={"error": ColourTaken})
neighbours = Table(  # to which no entity is mapped
    "neighbours",
    metadata,
    Column("one", ForeignKey(seats.c.id), nullable=False),
    Column("other", ForeignKey(seats.c.id), nullable=False),
    UniqueConstraint("one", "other", info={"error": AlreadyNeighbours}),
)
ALARMS = """
CREATE FUNCTION raise_alarm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = COALESCE(NEW.alarm, NEW.late_alarm);
END $$;
CREATE TRIGGER alarm BEFORE INSERT ON seats_in_the_carriages_of_a_train
    FOR EACH ROW WHEN (NEW.alarm IS NOT NULL) EXECUTE FUNCTION raise_alarm();
CREATE CONSTRAINT TRIGGER late_alarm AFTER INSERT ON seats_in_the_carriages_of_a_train DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.late_alarm IS NOT NULL) EXECUTE FUNCTION raise_alarm();
"""


@pytest.fixture
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    url = request.getfixturevalue(f"{request.param}_url")
    with bootstrap(settings=Settings(database_url=url)) as container:
        map_once(Seat, seats, version_id_col=seats.c.version)
        metadata.create_all(container.engine())
        yield container


@pytest.fixture
def uow(container: Container) -> SqlAlchemyOrderingUnitOfWork:
    return SqlAlchemyOrderingUnitOfWork(container.session_factory())


on_sqlite = pytest.mark.parametrize("container", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("container", ["postgresql"], indirect=True)
on_both = pytest.mark.parametrize("container", ["sqlite", "postgresql"], indirect=True)

# ---- every class has a place -------------------------------------------------------------------------------------


def at_a_statement(uow: SqlAlchemyTransaction, code: str) -> None:
    uow.session.execute(text(f"DO $$ BEGIN RAISE SQLSTATE '{code}'; END $$"))


def at_a_flush(uow: SqlAlchemyTransaction, code: str) -> None:
    uow.session.add(Seat(alarm=code))
    uow.flush()


def at_an_autoflush(uow: SqlAlchemyTransaction, code: str) -> None:
    uow.session.add(Seat(alarm=code))
    uow.session.scalars(select(Seat)).all()


def at_commit(uow: SqlAlchemyTransaction, code: str) -> None:
    uow.session.add(Seat(late_alarm=code))
    uow.commit()


@pytest.mark.parametrize(
    ("provoke", "table"),
    [
        (at_a_statement, SQLSTATES),
        (at_a_flush, OF_VALUES),
        (at_an_autoflush, OF_VALUES),
        (at_commit, UNKNOWN_AT_COMMIT),
    ],
)
@on_postgresql
def test_every_error_of_postgresql_means_what_was_decided(
    container: Container,
    uow: SqlAlchemyTransaction,
    provoke: Callable[[SqlAlchemyTransaction, str], None],
    table: dict[Kind, str],
) -> None:
    with container.engine().begin() as connection:
        connection.execute(text(ALARMS))

    def meaning(code: str) -> Kind:
        with pytest.raises((TransactionError, DBAPIError)) as caught, uow:
            provoke(uow, code)
        return caught.type if issubclass(caught.type, TransactionError) else MISTAKE

    meanings = {code: meaning(code) for code in ALL_SQLSTATES}

    assert meanings == {code: decided(table, code) for code in ALL_SQLSTATES}


def test_every_error_of_sqlite_means_what_was_decided() -> None:
    def meaning(code: str) -> Kind:
        error = sqlite3.Error("it is so")
        error.sqlite_errorname = code
        found = meaning_of(error, None, sqlite.dialect(), lost=False)
        assert found is None or isinstance(found, TransactionError)
        return type(found) if found else None

    table = RESULT_CODES | {TransactionError: NO_ERRORS}
    names = [name for name in dir(sqlite3) if name.startswith("SQLITE_")]
    places = {name: decided(table, name.removeprefix("SQLITE_")) for name in names}
    errors = {name: kind for name, kind in places.items() if kind is not TransactionError}

    assert {name: meaning(name) for name in errors} == errors


def test_an_error_without_a_code_means_a_lost_connection_or_a_mistake() -> None:
    kinds = [kind for kind in classes(psycopg.Error) if getattr(kind, "sqlstate", None) is None]

    for kind in kinds:
        assert isinstance(meaning_of(kind("gone"), None, sqlite.dialect(), lost=True), DatabaseUnavailable)
        assert meaning_of(kind("wrong"), None, sqlite.dialect(), lost=False) is MISTAKE


def test_every_class_of_sqlalchemy_has_a_decided_place() -> None:
    kinds = [kind for kind in classes(sqlalchemy.exc.SQLAlchemyError) if kind.__module__.startswith("sqlalchemy.")]

    assert [kind for kind in kinds if not issubclass(kind, SQLALCHEMY_CLASSES)] == []


# ---- constraints -------------------------------------------------------------------------------------------------

FIRST = {"id": new_id(), "ticket": "A", "colour": "red", "row_in_the_carriage": 1, "travel_class": 2, "version": 1}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"ticket": "A"}, TicketUsed),
        ({"colour": "RED"}, ColourTaken),
        ({"row_in_the_carriage": 1, "travel_class": 2}, RowTaken),
        ({"travel_class": 3}, NoSuchClass),
        ({"id": FIRST["id"]}, ConstraintViolated),
    ],
    ids=["index", "index of an expression", "several columns and a long name", "check", "nothing is declared"],
)
@on_both
def test_a_broken_constraint_is_the_error_declared_beside_it(
    uow: SqlAlchemyTransaction, values: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error), uow:
        uow.session.execute(insert(seats), FIRST)
        uow.session.execute(insert(seats), {"id": new_id()} | values)


@on_postgresql
def test_a_broken_exclusion_is_the_error_declared_beside_it(uow: SqlAlchemyTransaction) -> None:
    with pytest.raises(TooNear), uow:
        uow.session.execute(insert(seats), FIRST | {"place": 1})
        uow.session.execute(insert(seats), {"id": new_id(), "place": 2})


@on_both
def test_a_constraint_of_a_table_without_an_entity_has_a_declared_error_too(uow: SqlAlchemyTransaction) -> None:
    with pytest.raises(AlreadyNeighbours), uow:
        uow.session.execute(insert(seats), FIRST)
        uow.session.execute(insert(neighbours), {"one": FIRST["id"], "other": FIRST["id"]})
        uow.session.execute(insert(neighbours), {"one": FIRST["id"], "other": FIRST["id"]})


@on_postgresql
def test_a_constraint_that_is_named_in_the_message_alone_with_the_number_of_a_shard_is_the_same(
    uow: SqlAlchemyTransaction,
) -> None:
    message = 'duplicate key value violates unique constraint "uq_house_orders_number_102008"'
    sharded = text(f"DO $$ BEGIN RAISE '%', '{message}' USING ERRCODE = '23505'; END $$")

    with uow, pytest.raises(OrderNumberTaken):
        uow.session.execute(sharded)


@on_postgresql
def test_a_deferred_constraint_that_fails_at_commit_is_the_error_declared_beside_it(uow: SqlAlchemyTransaction) -> None:
    with uow:
        uow.session.add_all([Seat(number=1), Seat(number=1)])
        uow.flush()
        with pytest.raises(SeatTaken):
            uow.commit()

    with uow.reading():
        assert uow.session.execute(seats.select()).all() == []


@on_both
def test_a_deferred_foreign_key_that_fails_at_commit_is_a_broken_reference(uow: SqlAlchemyTransaction) -> None:
    with uow:
        uow.session.execute(insert(seats), FIRST | {"beside": new_id()})
        with pytest.raises(ReferenceViolated):
            uow.commit()

    with uow.reading():
        assert uow.session.execute(seats.select()).all() == []


@on_both
def test_removing_what_others_point_to_is_a_broken_reference(uow: SqlAlchemyTransaction) -> None:
    with pytest.raises(ReferenceViolated), uow:
        uow.session.execute(insert(seats), FIRST)
        uow.session.execute(insert(neighbours), {"one": FIRST["id"], "other": FIRST["id"]})
        uow.session.execute(seats.delete())


CLOSED = {
    "sqlite": ["CREATE TRIGGER closed BEFORE INSERT ON {} BEGIN SELECT RAISE(ABORT, 'the train has left'); END"],
    "postgresql": [
        """CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'the train has left'; END $$""",
        "CREATE TRIGGER closed BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION closed()",
    ],
    "postgresql, with a code": [
        """CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'the train has left' USING ERRCODE = 'check_violation'; END $$""",
        "CREATE TRIGGER closed BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION closed()",
    ],
}


@pytest.mark.parametrize(
    ("container", "trigger"), [(name.partition(",")[0], name) for name in CLOSED], ids=[*CLOSED], indirect=["container"]
)
def test_the_message_of_a_trigger_is_passed_on(uow: SqlAlchemyTransaction, trigger: str) -> None:
    with pytest.raises(ConstraintViolated, match=r"refused the data: the train has left\.$"), uow:
        for statement in CLOSED[trigger]:
            uow.session.execute(text(statement.format(seats.name)))
        uow.session.execute(insert(seats), FIRST)


@on_postgresql
def test_a_race_that_postgresql_notices_at_commit_is_a_conflict(container: Container) -> None:
    first, second = (SqlAlchemyOrderingUnitOfWork(container.session_factory(), "SERIALIZABLE") for _ in range(2))

    with first, second:
        first.orders.add(Order(number=f"{first.orders.count()} before the first"))
        first.flush()
        second.orders.add(Order(number=f"{second.orders.count()} before the second"))
        second.flush()
        first.commit()
        with pytest.raises(ConcurrencyConflict):
            second.commit()

    with first.reading():
        assert [order.number for order in first.orders.page().items] == ["0 before the first"]


# ---- values that a column can't hold -----------------------------------------------------------------------------


SECRET = "4111-1111"

Write = Callable[[dict[str, Any]], Callable[[SqlAlchemyOrderingUnitOfWork], None]]


def a_line(product: Any = "pen", quantity: Any = 1) -> Line:
    return Line(product=product, quantity=quantity)


def flush(values: dict[str, Any]) -> Callable[[SqlAlchemyOrderingUnitOfWork], None]:
    def provoke(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        uow.orders.add(Order(number="A-1", lines=[a_line(**values)]))
        uow.commit()

    return provoke


def insert_many(values: dict[str, Any]) -> Callable[[SqlAlchemyOrderingUnitOfWork], None]:
    def provoke(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        uow.orders.insert_many([Order(number="A-1", lines=[a_line(**values)])])

    return provoke


def update(values: dict[str, Any]) -> Callable[[SqlAlchemyOrderingUnitOfWork], None]:
    def provoke(uow: SqlAlchemyOrderingUnitOfWork) -> None:
        order = Order(number="A-1", lines=[a_line()])
        uow.orders.add(order)
        uow.flush()
        for name, value in values.items():
            setattr(order.lines[0], name, value)
        uow.flush()

    return provoke


every_write = pytest.mark.parametrize("write", [flush, insert_many, update])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"product": SECRET * 20}, "value too long"),
        ({"product": f"{SECRET}\0"}, "NUL"),
        ({"product": f"{SECRET}\ud800"}, "surrogates"),
        ({"quantity": 2**31}, "integer out of range"),
        ({"quantity": 2**70}, "integer out of range"),
        ({"quantity": SECRET}, "invalid input syntax"),
    ],
    ids=["too long", "NUL", "half a character", "too many bits", "far too many", "of another type"],
)
@every_write
@on_postgresql
def test_a_value_that_its_column_cannot_hold_is_refused_and_not_shown(
    uow: SqlAlchemyOrderingUnitOfWork, write: Write, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConstraintViolated, match=rf"takes no such value: .*{words}.*\. Let a rule") as caught, uow:
        write(values)(uow)

    assert SECRET not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))


@pytest.mark.parametrize(
    "values", [{"product": "pen\ud800"}, {"quantity": 2**70}], ids=["half a character", "too many bits"]
)
@every_write
@on_sqlite
def test_what_sqlite_cannot_hold_is_refused_alike(
    uow: SqlAlchemyOrderingUnitOfWork, write: Write, values: dict[str, Any]
) -> None:
    with pytest.raises(ConstraintViolated, match=r"takes no such value: .*\. Let a rule"), uow:
        write(values)(uow)


@on_postgresql
def test_a_range_that_ends_before_it_begins_is_refused(uow: SqlAlchemyTransaction) -> None:
    rooms = Table("rooms", MetaData(), Column("closed", INT4RANGE), prefixes=["TEMPORARY"])

    with pytest.raises(ConstraintViolated, match=r"takes no such value: range lower bound .*\. Let a rule"), uow:
        uow.session.execute(CreateTable(rooms))
        uow.session.execute(insert(rooms), {"closed": Range(2, 1)})


@on_postgresql
def test_a_look_up_of_what_a_column_cannot_hold_is_refused(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with pytest.raises(ConstraintViolated, match="NUL"), uow.reading():
        uow.orders.by_number("A-1\0")


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT 1 / 0"),
        text("INSERT INTO house_order_lines (id) VALUES ('x')"),
        select(seats.c.number).where(seats.c.number == 2**40),
        seats.insert().from_select(["number"], select(literal(1) / 0)),
    ],
    ids=["an expression", "a text", "a query", "an expression in a write"],
)
@on_postgresql
def test_a_mistake_in_a_statement_of_your_own_is_the_drivers_error(
    uow: SqlAlchemyTransaction, statement: Executable
) -> None:
    with pytest.raises(DBAPIError), uow:
        uow.session.execute(statement)


# ---- what is in a row stays in the database ----------------------------------------------------------------------


def repeat(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    uow.orders.add(Order(number=SECRET))
    uow.commit()


def defer(uow: SqlAlchemyTransaction) -> None:
    uow.session.add_all([Seat(number=int(SECRET.replace("-", ""))) for _ in range(2)])
    uow.commit()


def raise_with_a_value(uow: SqlAlchemyTransaction) -> None:
    uow.session.execute(text("SELECT set_config('card.number', :value, true)"), {"value": SECRET})
    quoted = "RAISE EXCEPTION 'the card \"%\" is bad', current_setting('card.number')"
    uow.session.execute(text(f"DO $$ BEGIN {quoted}; END $$"))


def execute(sql: str) -> Callable[[SqlAlchemyTransaction], None]:
    def provoke(uow: SqlAlchemyTransaction) -> None:
        uow.session.execute(text(sql), {"value": SECRET} if ":value" in sql else {})

    return provoke


@pytest.mark.parametrize(
    ("provoke", "error"),
    [
        (repeat, OrderNumberTaken),
        (defer, SeatTaken),
        (execute("UPDATE house_orders SET deposit_cents = -1"), ConstraintViolated),
        (execute("UPDATE house_orders SET status = NULL"), ConstraintViolated),
        (execute("SELECT CAST(:value AS integer)"), DBAPIError),
        (execute("SELECT CAST('{' || :value AS json)"), DBAPIError),
        (execute("SELECT to_tsvector(CAST(CAST(:value AS text) AS regconfig), 'x')"), DBAPIError),
        (raise_with_a_value, ConstraintViolated),
    ],
    ids=["flush", "commit", "check", "not null", "not a number", "not json", "no such object", "raised"],
)
@on_postgresql
def test_no_error_and_no_log_shows_what_is_in_a_row(
    container: Container,
    uow: SqlAlchemyOrderingUnitOfWork,
    caplog: pytest.LogCaptureFixture,
    provoke: Callable[[SqlAlchemyOrderingUnitOfWork], None],
    error: type[Exception],
) -> None:
    with uow:
        repeat(uow)

    with caplog.at_level(logging.INFO, "sqlalchemy"), pytest.raises(error) as caught, uow:
        provoke(uow)

    reported = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert "sqlalchemy.engine" in caplog.text
    assert SECRET not in reported
    assert SECRET.replace("-", "") not in reported


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE house_orders (id INTEGER)",
        "INSERT INTO house_orders VALUES (1)",
        "SELECT no_such_function(1)",
    ],
    ids=["there already", "too few values", "no such function"],
)
@on_both
def test_a_mistake_in_a_statement_is_no_outdated_schema(uow: SqlAlchemyOrderingUnitOfWork, sql: str) -> None:
    with pytest.raises(DBAPIError), uow:
        uow.session.execute(text(sql))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM table_x",
        "SELECT column_x FROM house_orders",
        "INSERT INTO house_orders (column_x) VALUES (1)",
        "UPDATE house_orders SET column_x = 1",
    ],
)
@on_both
def test_a_table_or_column_that_is_missing_is_an_outdated_schema(uow: SqlAlchemyOrderingUnitOfWork, sql: str) -> None:
    with pytest.raises(SchemaOutdated, match="_x"), uow:
        uow.session.execute(text(sql))


@on_both
def test_a_missing_value_is_not_mistaken_for_one_that_is_taken(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    with pytest.raises(ConstraintViolated, match="number"), uow:
        uow.session.execute(text("UPDATE house_orders SET number = NULL"))


@on_postgresql
def test_a_batch_that_was_refused_leaves_nothing_in_the_log(
    uow: SqlAlchemyOrderingUnitOfWork, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OrderNumberTaken), uow:
        uow.orders.insert_many(Order(number=str(min(n, 100))) for n in range(200))

    assert caplog.text == ""


# ---- a statement that fails in any other way ---------------------------------------------------------------------


@on_both
def test_a_value_that_the_driver_refuses_fails_the_block(uow: SqlAlchemyTransaction) -> None:
    with uow:
        uow.session.execute(insert(seats), FIRST)
        with pytest.raises(ConstraintViolated):
            uow.session.execute(insert(seats), FIRST | {"number": 2**70})
        with pytest.raises(FailedTransaction):
            uow.commit()


# ---- SQLite ends a transaction by itself when it can't write -----------------------------------------------------


@pytest.fixture
def full_disk(uow: SqlAlchemyTransaction) -> Callable[[], None]:
    """Fills SQLite's file up to the pages that it may have."""

    def fill() -> None:
        uow.session.execute(text("PRAGMA max_page_count = 1"))  # as few as there are
        for number in range(1000):
            uow.session.execute(insert(seats), {"id": new_id(), "ticket": f"{number:0500}"})

    return fill


@on_sqlite
def test_a_full_disk_is_reported_as_such_and_saves_nothing(
    uow: SqlAlchemyTransaction, full_disk: Callable[[], None]
) -> None:
    with uow:
        session = uow.session
        with pytest.raises(StorageFailure, match="disk is full"):
            full_disk()
        with pytest.raises(sqlalchemy.exc.PendingRollbackError):
            session.execute(insert(seats), FIRST)
        with pytest.raises(FailedTransaction, match="disk is full"):
            uow.commit()

    with uow.reading():
        assert uow.session.execute(seats.select()).all() == []


@on_sqlite
def test_a_disk_that_gets_full_in_an_inner_block_fails_the_blocks_around_it(
    uow: SqlAlchemyTransaction, full_disk: Callable[[], None]
) -> None:
    with uow:
        uow.session.execute(insert(seats), FIRST)
        with pytest.raises(StorageFailure), uow:
            full_disk()
        with pytest.raises(FailedTransaction, match="disk is full"):
            uow.commit()

    with uow.reading():
        assert uow.session.execute(seats.select()).all() == []


@on_sqlite
def test_a_disk_that_fails_during_commit_leaves_the_outcome_unknown(
    uow: SqlAlchemyTransaction,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    with uow:
        uow.session.execute(insert(seats), FIRST)
        with pytest.raises(CommitOutcomeUnknown) as caught:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
            try:
                uow.commit()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert caught.value.__cause__.sqlite_errorname == "SQLITE_IOERR_WRITE"
