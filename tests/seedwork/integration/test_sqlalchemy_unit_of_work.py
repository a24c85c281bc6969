"""What only a unit of work on a real session has: the session itself, and a connection that must return to the pool."""

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Uuid,
    delete,
    event,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from adapters.unit_of_work import SqlAlchemyUnitOfWork
from service_layer.seedwork.errors import (
    ConcurrencyConflict,
    ConstraintViolated,
    DatabaseUnavailable,
    FailedTransaction,
    SchemaOutdated,
    StorageFailure,
    UncommittedChanges,
    UnitOfWorkMisuse,
)
from service_layer.seedwork.retry import retry_transient
from tests.seedwork.backends import checked_out
from tests.seedwork.ordering import (
    Line,
    Order,
    OrderingUnitOfWork,
    OrderNumberTaken,
    SqlAlchemyOrderingUnitOfWork,
    Status,
    map_orders,
    metadata,
    order_lines,
    orders,
)
from tests.seedwork.pages import blocks, page


class Interrupted(Exception):
    """What a caller's own code raises."""


@pytest.fixture(params=["sqlite_url", "postgresql_url"], ids=["sqlite", "postgresql"])
def container(request: pytest.FixtureRequest) -> Iterator[Container]:
    settings = Settings(
        database_url=request.getfixturevalue(request.param), database_pool_size=2, database_pool_timeout_s=0.1
    )
    with bootstrap(settings=settings) as container:
        map_orders()
        yield container


@pytest.fixture
def engine(container: Container) -> Engine:
    return container.engine()


@pytest.fixture
def uow(container: Container) -> SqlAlchemyOrderingUnitOfWork:
    return SqlAlchemyOrderingUnitOfWork(container.session_factory())


def numbers(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(orders.c.number).order_by(orders.c.number)))


def given_two_orders(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        uow.orders.add(Order(number="B-2"))
        uow.commit()


# ---- the session of a block --------------------------------------------------------------------------------------


def test_the_session_of_a_block_runs_any_query(uow: SqlAlchemyOrderingUnitOfWork, engine: Engine) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        assert uow.session.scalars(select(orders.c.number)).all() == ["A-1"]
        uow.session.execute(update(orders).values(status=Status.PLACED))
        uow.commit()

    assert numbers(engine) == ["A-1"]


def test_the_query_port_of_decision_0006_answers(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    given_two_orders(uow)
    kinds = (Protocol, Status, OrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork)
    names: dict[str, Any] = {kind.__name__: kind for kind in kinds}
    names |= {"retry_transient": retry_transient, "orders": orders, "select": select, "func": func}
    [block] = blocks(page("decisions/0006-joins-and-reports.md"), "python")
    exec(block, names)

    answer = names["orders_by_status"](uow, names["SqlAlchemyOrderStatistics"](uow))

    assert answer == {Status.DRAFT: 2}


def test_a_new_entity_whose_block_was_not_saved_dies_in_silence_while_its_session_is_kept(
    uow: SqlAlchemyOrderingUnitOfWork,
) -> None:
    with uow:
        kept = uow.session.identity_map  # as a statement's traceback does
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        uow.rollback()

    gc.collect()  # what is raised while an object dies, pytest reports

    assert kept.values() == []


def test_there_is_no_session_outside_a_block(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with pytest.raises(UnitOfWorkMisuse, match=r"uow\.session outside a block"):
        _ = uow.session

    with uow:
        uow.commit()
        with pytest.raises(UnitOfWorkMisuse, match=r"uow\.session in a block that was committed"):
            _ = uow.session


def test_each_block_has_a_session_of_its_own_that_dies_with_it(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        first = weakref.ref(uow.session)
    with uow:
        assert uow.session is not first()

    assert first() is None, "only the garbage collector will free it"


WRITES = [
    "INSERT INTO house_order_lines (id, order_id, product, quantity) SELECT id, id, number, 1 FROM house_orders",
    "  update house_orders SET version = version + 1",
    "DELETE FROM house_orders",
    "/* who? */ -- why?\n DELETE FROM house_orders",
    "WITH old AS (SELECT id FROM house_orders) DELETE FROM house_orders WHERE id IN (SELECT id FROM old)",
    "DELETE FROM house_orders RETURNING id",
]


@pytest.mark.parametrize("statement", WRITES)
def test_a_forgotten_commit_of_plain_sql_raises(uow: SqlAlchemyOrderingUnitOfWork, statement: str) -> None:
    given_two_orders(uow)

    with pytest.raises(UncommittedChanges), uow:
        uow.session.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT 'DELETE' AS word",
        "WITH one AS (SELECT 1) SELECT * FROM one",
        "-- UPDATE\nSELECT 1",
        "UPDATE house_orders SET version = 2 WHERE number = 'none has it'",
    ],
)
def test_plain_sql_that_changes_nothing_needs_no_commit(uow: SqlAlchemyOrderingUnitOfWork, statement: str) -> None:
    given_two_orders(uow)

    with uow:
        uow.session.execute(text(statement))


@pytest.mark.parametrize(
    "write",
    [
        lambda connection: connection.exec_driver_sql("DELETE FROM house_orders"),
        lambda connection: connection.exec_driver_sql(
            "DELETE FROM house_orders", execution_options={"no_parameters": True}
        ),
        lambda connection: connection.execute(
            text("DELETE FROM house_orders WHERE version = :old"), [{"old": 1}, {"old": 2}]
        ),
        lambda connection: connection.execute(delete(orders)),
        lambda connection: connection.execute(text("DELETE FROM house_orders RETURNING id").columns(orders.c.id)),
        lambda connection: connection.execute(text("DELETE FROM house_orders RETURNING id").columns(id=Uuid)),
        lambda connection: Session(connection).execute(
            select(Order).from_statement(text("DELETE FROM house_orders RETURNING id").columns(orders.c.id))
        ),
    ],
    ids=["with parameters", "without parameters", "many at once", "composed", "columns", "named columns", "entities"],
)
def test_a_forgotten_commit_raises_however_the_sql_was_sent(
    uow: SqlAlchemyOrderingUnitOfWork, write: Callable[[Connection], object]
) -> None:
    given_two_orders(uow)

    with pytest.raises(UncommittedChanges), uow:
        write(uow.session.connection())


@pytest.mark.parametrize("container", ["postgresql_url"], ids=["postgresql"], indirect=True)
def test_a_composed_query_of_what_it_changes_is_a_change(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    given_two_orders(uow)

    with pytest.raises(UncommittedChanges), uow:
        uow.session.execute(select(delete(orders).returning(orders.c.id).cte())).all()


@pytest.mark.parametrize(
    "end",
    [Session.commit, Session.rollback, Session.begin, Session.begin_nested, Session.close],
    ids=lambda end: end.__name__,
)
def test_a_session_does_not_end_the_transaction_that_the_unit_has_begun(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine, end: Callable[[Session], object]
) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(UnitOfWorkMisuse, match=r"Write uow\.commit\(\) or uow\.rollback\(\)"):
            getattr(uow.session, end.__name__)()
        uow.commit()

    assert numbers(engine) == ["A-1"]


def test_the_connection_of_a_block_does_not_commit_what_the_unit_has_begun(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    with pytest.raises(FailedTransaction, match="UnitOfWorkMisuse"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        with pytest.raises(UnitOfWorkMisuse, match=r"Write uow\.commit\(\) or uow\.rollback\(\)"):
            uow.session.connection().commit()
        uow.commit()

    assert numbers(engine) == []


def test_the_connection_of_a_block_saves_nothing_after_its_commit(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    order = Order(number="A-1")
    with pytest.raises(UnitOfWorkMisuse, match="alone begins and ends"), uow:
        uow.orders.add(order)
        connection = uow.session.connection()
        uow.commit()
        connection.execute(update(orders).values(number="A-2"))
        connection.commit()

    assert numbers(engine) == ["A-1"]
    assert order.number == "A-1"


def test_a_connection_kept_from_a_block_does_not_hide_an_error(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with uow:
        connection = uow.session.connection()
        uow.commit()
        with pytest.raises(Exception, match="syntax error"):
            connection.execute(text("SELEKT 1"))


@pytest.mark.parametrize("statement", [*WRITES, "CREATE TABLE more (id INTEGER)", "DROP TABLE house_order_lines"])
def test_plain_sql_cannot_write_in_a_reading_block(uow: SqlAlchemyOrderingUnitOfWork, statement: str) -> None:
    given_two_orders(uow)

    with pytest.raises(UnitOfWorkMisuse, match="A write in a reading block"), uow.reading():
        uow.session.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "WITH gone AS (SELECT number FROM house_orders WHERE number = 'delete') SELECT * FROM gone",
        "-- x\n" * 200 + "SELECT 1",
    ],
    ids=["a word that writes", "many comments"],
)
def test_plain_sql_that_reads_runs_in_a_reading_block(uow: SqlAlchemyOrderingUnitOfWork, statement: str) -> None:
    with uow.reading():
        uow.session.execute(text(statement)).all()


def test_what_plain_sql_wrote_in_an_inner_block_is_undone_in_objects_too(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    given_two_orders(uow)

    with uow:
        with uow:
            uow.session.execute(text("UPDATE house_orders SET voucher = number"))
            changed = [order.voucher for order in uow.orders.page().items]
            uow.rollback()
        undone = [order.voucher for order in uow.orders.page().items]
        uow.rollback()

    assert (sorted(map(str, changed)), undone) == (["A-1", "B-2"], [None, None])


def test_a_table_that_is_made_and_not_committed_is_reported(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with pytest.raises(UncommittedChanges), uow:
        uow.session.execute(CreateTable(Table("more", MetaData(), Column("id", Integer))))


# ---- no silent loss ----------------------------------------------------------------------------------------------


def test_a_swallowed_failure_of_plain_sql_makes_the_commit_fail(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    given_two_orders(uow)

    with uow:
        uow.orders.add(Order(number="C-3"))
        uow.flush()
        with pytest.raises(OrderNumberTaken):
            uow.session.execute(update(orders).values(number="same"))
        with pytest.raises(FailedTransaction):
            uow.session.execute(select(orders))
        with pytest.raises(FailedTransaction) as caught:
            uow.commit()

    assert isinstance(caught.value.__cause__, OrderNumberTaken)
    assert numbers(engine) == ["A-1", "B-2"]


def test_a_swallowed_mistake_in_sql_makes_the_commit_fail(uow: SqlAlchemyOrderingUnitOfWork, engine: Engine) -> None:
    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises(Exception, match="syntax error"):
            uow.session.execute(text("SELEKT 1"))
        with pytest.raises(FailedTransaction, match="syntax error"):
            uow.commit()

    assert numbers(engine) == []


# ---- always closed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["postgresql_url"], ids=["postgresql"], indirect=True)
@pytest.mark.parametrize("is_undone", [False, True], ids=["in a block", "in an inner block that is undone"])
def test_a_query_that_was_left_half_read_disturbs_no_other_block(
    uow: SqlAlchemyOrderingUnitOfWork, *, is_undone: bool
) -> None:
    with uow:
        for number in ("A-1", "A-2", "A-3"):
            uow.orders.add(Order(number=number))
        uow.commit()

    half_read = []
    with uow:
        with uow:
            half_read.append(uow.session.execute(select(orders), execution_options={"yield_per": 1}))
            half_read[0].fetchone()
            if not is_undone:
                uow.commit()
        if is_undone:
            drop(half_read)
        assert uow.orders.count() == 3
        uow.commit()
    with uow:
        uow.orders.add(Order(number="A-4"))
        uow.flush()
        drop(half_read)
        uow.commit()


def drop(results: list[Any]) -> None:  # Any: SQLAlchemy closes them then
    results.clear()
    gc.collect()


def test_a_row_that_is_gone_when_an_inner_block_is_undone_raises_nothing(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    order = Order(number="A-1")
    with uow:
        uow.orders.add(order)
        uow.commit()

    with uow:
        held = uow.orders.get(order.id)
        uow.session.execute(delete(orders))
        with pytest.raises(Interrupted) as caught, uow:
            held.number = "B-2"
            raise Interrupted
        assert uow.orders.find(order.id) is None
        uow.commit()

    assert not hasattr(caught.value, "__notes__")


def test_a_row_that_only_an_undone_block_has_deleted_can_be_changed_after_it(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    order = Order(number="A-1", lines=[Line(product="chair", quantity=1)])
    with uow:
        uow.orders.add(order)
        uow.commit()

    with uow:
        held = uow.orders.get(order.id)
        with uow:
            uow.session.execute(delete(order_lines))
            uow.session.execute(delete(orders))
            with uow:
                held.number = "B-2"
                uow.rollback()
            uow.rollback()
        held.lines[0].quantity = 9
        uow.commit()

    with uow.reading():
        assert [line.quantity for line in uow.orders.get(order.id).lines] == [9]


def test_the_connection_is_back_after_every_kind_of_block(uow: SqlAlchemyOrderingUnitOfWork, engine: Engine) -> None:
    with uow:
        uow.orders.count()
        assert checked_out(engine) == 1
        uow.commit()
    assert checked_out(engine) == 0

    with uow.reading(), uow.reading():
        uow.orders.count()
    assert checked_out(engine) == 0

    with pytest.raises(Interrupted), uow, uow:
        uow.orders.count()
        raise Interrupted
    assert checked_out(engine) == 0

    with uow:
        uow.rollback()
        assert checked_out(engine) == 0


def test_the_connection_is_back_when_the_rollback_fails(uow: SqlAlchemyOrderingUnitOfWork, engine: Engine) -> None:
    @event.listens_for(engine, "rollback")
    def fail(_connection: Connection) -> None:
        raise OSError("the cable is cut")

    mine = Interrupted("mine")
    with pytest.raises(Interrupted) as caught, uow:
        uow.orders.add(Order(number="A-1"))
        uow.flush()
        raise mine

    assert caught.value is mine
    assert caught.value.__notes__ == ["Closing the unit of work failed as well: OSError('the cable is cut')"]
    assert checked_out(engine) == 0
    assert not uow.is_open

    with pytest.raises(OSError, match="the cable is cut"), uow:
        uow.orders.count()
    assert checked_out(engine) == 0

    event.remove(engine, "rollback", fail)
    assert numbers(engine) == []


def test_an_explicit_rollback_that_fails_gives_the_connection_back(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    @event.listens_for(engine, "rollback")
    def fail(_connection: Connection) -> None:
        raise OSError("the cable is cut")

    with uow:
        uow.orders.count()
        with pytest.raises(OSError, match="the cable is cut"):
            uow.rollback()
        assert checked_out(engine) == 0


def test_the_connection_is_back_when_the_session_cannot_be_closed(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: Session) -> None:
        raise OSError("no way to close")

    monkeypatch.setattr(Session, "close", fail)

    with pytest.warns(ResourceWarning, match="The block is saved, but closing it failed"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    assert checked_out(engine) == 0
    assert numbers(engine) == ["A-1"]


def test_a_commit_that_fails_leaves_nothing_for_the_next_block(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    @event.listens_for(engine, "commit")
    def fail(_connection: Connection) -> None:
        raise OSError("the cable is cut")

    with pytest.raises(OSError, match="the cable is cut"), uow:
        uow.orders.add(Order(number="A-1"))
        uow.commit()

    event.remove(engine, "commit", fail)
    with uow:
        uow.orders.add(Order(number="B-2"))
        uow.commit()
    assert numbers(engine) == ["B-2"]


@pytest.mark.parametrize("step", ["rollback_savepoint", "release_savepoint"])
def test_an_inner_block_that_cannot_be_ended_is_not_saved_by_the_block_around_it(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine, step: str
) -> None:
    @event.listens_for(engine, step)
    def fail(*_: object) -> None:
        raise OSError("the cable is cut")

    with uow:
        uow.orders.add(Order(number="A-1"))
        with pytest.raises((OSError, Interrupted)), uow:
            uow.orders.add(Order(number="B-2"))
            uow.flush()
            if step == "release_savepoint":
                uow.commit()
            raise Interrupted
        with pytest.raises(FailedTransaction, match="the cable is cut"):
            uow.commit()

    event.remove(engine, step, fail)
    assert numbers(engine) == []


def test_a_full_pool_is_reported_as_such(container: Container, uow: SqlAlchemyOrderingUnitOfWork) -> None:
    with container.unit_of_work(), container.unit_of_work():  # noqa: SIM117  # two fill the pool, and the third is refused
        with pytest.raises(DatabaseUnavailable, match="in use.* instead of opening a second one"), uow:
            pytest.fail("entered")

    assert not uow.is_open


# ---- errors ------------------------------------------------------------------------------------------------------


def test_a_constraint_without_a_declared_error_is_named(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    given_two_orders(uow)

    for values, name in (
        ({"deposit_cents": -1, "deposit_currency": "EUR"}, "ck_house_orders_deposit"),
        ({"deposit_cents": 1}, "ck_house_orders_whole_deposit"),
        ({"status": None}, "status"),
    ):
        with pytest.raises(ConstraintViolated, match=name), uow:
            uow.session.execute(update(orders).values(**values))


def test_a_missing_table_is_reported_with_the_command_that_makes_it(
    uow: SqlAlchemyOrderingUnitOfWork, engine: Engine
) -> None:
    with engine.begin() as connection:
        metadata.drop_all(connection)

    with (
        pytest.raises(SchemaOutdated, match="no such table or column.*orders.*run: alembic upgrade head"),
        uow.reading(),
    ):
        uow.orders.count()


def test_a_lost_race_on_a_row_is_a_conflict(uow: SqlAlchemyOrderingUnitOfWork) -> None:
    given_two_orders(uow)

    with pytest.raises(ConcurrencyConflict, match="changed the same data first"), uow:
        order = uow.orders.page().items[0]
        uow.session.execute(update(orders).values(version=orders.c.version + 1))
        order.number = "C-3"
        uow.commit()


def test_a_file_that_is_no_database_is_reported_as_such(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear John, this is a letter and no database. " * 40)

    with (
        pytest.raises(StorageFailure, match="not an SQLite database"),
        bootstrap(settings=Settings(database_url=f"sqlite:///{file}")),
    ):
        pytest.fail("bootstrapped")


def test_an_unreachable_server_is_reported_as_such(tmp_path: Path) -> None:
    url = f"postgresql://app:secret@/app?host={tmp_path}&port=5432"

    with (
        bootstrap(settings=Settings(database_url=url)) as container,
        pytest.raises(DatabaseUnavailable, match="can't be reached") as caught,
        container.unit_of_work(),
    ):
        pytest.fail("entered")

    assert "secret" not in repr(caught.value.__cause__)


# ---- the connection ----------------------------------------------------------------------------------------------


def test_sqlite_keeps_what_it_acknowledges(sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container, container.engine().connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_postgresql_levels_are_those_asked_for(postgresql_url: str) -> None:
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container:
        for asked, level in (
            (None, "read committed"),
            ("REPEATABLE READ", "repeatable read"),
            ("SERIALIZABLE", "serializable"),
        ):
            with SqlAlchemyUnitOfWork(container.session_factory(), asked) as uow:
                assert uow.session.execute(text("SHOW transaction_isolation")).scalar_one() == level

        with SqlAlchemyUnitOfWork(container.session_factory()).reading() as uow:
            assert uow.session.execute(text("SHOW transaction_isolation")).scalar_one() == "repeatable read"
            assert uow.session.execute(text("SHOW transaction_read_only")).scalar_one() == "on"
