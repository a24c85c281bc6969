"""Importing and exporting users, on every implementation."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.orm import sessionmaker

from adapters.container import bootstrap
from adapters.seedwork.registration import RepositoryOf
from adapters.settings import Settings
from adapters.unit_of_work import SqlAlchemyUnitOfWork
from adapters.users import SqlAlchemyUserRepository
from domain.seedwork.entity import new_id
from domain.seedwork.errors import DomainError, InvalidValue
from domain.seedwork.repository import BATCH
from domain.user import EmailAlreadyTaken, User, UserId, UserIdAlreadyUsed, UserValues
from service_layer import user_import, users
from service_layer.unit_of_work import UnitOfWork
from service_layer.user_import import RowRefused, export_users, import_users
from service_layer.users import UserDetails
from tests.seedwork.backends import NewUnit
from tests.seedwork.watch import Watch

Row = dict[str, Any]


def exported(new_unit: NewUnit[UnitOfWork]) -> list[UserDetails]:
    found: list[UserDetails] = []
    assert export_users(new_unit(), found.append) == len(found)
    return found


def names(new_unit: NewUnit[UnitOfWork]) -> list[str]:
    return [user.name for user in exported(new_unit)]


class Refusals(list[tuple[str, type[DomainError]]]):
    """Records which rows were refused, by name, and why."""

    def __call__(self, row: Mapping[str, Any] | DomainError, reason: DomainError) -> None:
        self.append((row["name"] if isinstance(row, Mapping) else str(row), type(reason)))


# ---- import -------------------------------------------------------------------------------------------------------


def test_imported_users_are_there_with_their_values(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    user_id = UserId(new_id())
    rows: list[Row] = [
        {"name": " John Doe ", "age": 30, "email": "John@Example.com", "id": user_id},
        {"name": "Jane Roe", "age": 28, "email": None, "id": None},
        {"name": "Jim Joe", "age": 44},
    ]

    assert import_users(uow, iter(rows)) == 3

    john, jane, jim = exported(new_unit)
    assert john == UserDetails(user_id, "John Doe", 30, "john@example.com", 1)
    assert (jane.name, jane.age, jane.email) == ("Jane Roe", 28, None)
    assert (jim.name, jim.version) == ("Jim Joe", 1)


def test_an_imported_user_is_like_any_other(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    import_users(uow, [{"name": "John Doe", "age": 30, "email": "john@example.com"}])

    john = users.find_user_by_email(uow, "john@example.com")
    assert john
    users.change_user_age(uow, john.id, 31, expected_version=1)

    assert exported(new_unit) == [UserDetails(john.id, "John Doe", 31, "john@example.com", 2)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"name": "", "age": 30}, "name '' is not allowed"),
        ({"name": "Jim", "age": 151}, "age 151 is not allowed"),
        ({"name": "Jim", "age": "30"}, "age '30' is not allowed"),
        ({"name": "Jim", "age": 30, "email": "jim"}, "email 'jim' is not allowed"),
        ({"name": "Jim", "age": 30, "id": "1"}, "id '1' is not allowed"),
        ({"name": "Jim"}, "age None is not allowed"),
        ({"name": "Jim", "age": 30, "mail": "jim@x.org"}, "may have an email and an id"),
        (InvalidValue("row", "Jim;30", "it must be CSV"), "row 'Jim;30' is not allowed"),
    ],
    ids=str,
)
def test_one_bad_row_refuses_the_whole_import(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], bad: Row | InvalidValue, reason: str
) -> None:
    with pytest.raises(RowRefused, match=f"^Row 2 is refused, so nothing is imported. .*{reason}") as caught:
        import_users(uow, [{"name": "John Doe", "age": 30}, bad, {"name": "Jane Roe", "age": 28}])

    assert caught.value.number == 2
    assert isinstance(caught.value.reason, InvalidValue)
    assert names(new_unit) == []


def test_bad_rows_can_be_left_out_and_are_reported_in_order(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_import, "BATCH", 3)
    users.register_user(uow, name="John Doe", age=30, email="john@example.com")
    refusals = Refusals()
    rows: list[Row | DomainError] = [
        {"name": "a", "age": 1},
        {"name": "taken", "age": 1, "email": "john@example.com"},
        {"name": "bad", "age": -1},
        InvalidValue("row", "torn", "it must be whole"),
        {"name": "b", "age": 1},
    ]

    assert import_users(uow, rows, refused=refusals) == 2

    assert refusals == [
        ("taken", EmailAlreadyTaken),
        ("bad", InvalidValue),
        ("row 'torn' is not allowed: it must be whole.", InvalidValue),
    ]
    assert names(new_unit) == ["John Doe", "a", "b"]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_what_a_user_or_an_earlier_row_has_is_refused(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(user_import, "BATCH", batch)
    john = users.register_user(uow, name="John Doe", age=30, email="john@example.com")
    given_id = new_id()
    refusals = Refusals()
    rows: list[Row] = [
        {"name": "new", "age": 1, "email": "new@example.com", "id": given_id},
        {"name": "e-mail before", "age": 1, "email": "john@example.com", "id": new_id()},
        {"name": "e-mail twice", "age": 1, "email": "new@example.com"},
        {"name": "id before", "age": 1, "email": "free@example.com", "id": john.id},
        {"name": "id twice", "age": 1, "id": given_id},
        {"name": "still free", "age": 1, "email": "free@example.com"},
    ]

    assert import_users(uow, rows, refused=refusals) == 2

    assert refusals == [
        ("e-mail before", EmailAlreadyTaken),
        ("e-mail twice", EmailAlreadyTaken),
        ("id before", UserIdAlreadyUsed),
        ("id twice", UserIdAlreadyUsed),
    ]
    assert sorted(names(new_unit)) == ["John Doe", "new", "still free"]


# ---- while others write -------------------------------------------------------------------------------------------


class Raced:
    """Registers one more user each time an import has looked for conflicting users."""

    def __init__(self, new_unit: NewUnit[UnitOfWork], *emails: str) -> None:
        self.new_unit = new_unit
        self.emails = iter(emails)

    def unit(self, factory: sessionmaker[Any], isolation_level: str | None) -> UnitOfWork:
        raced = self

        class Repository(SqlAlchemyUserRepository):
            def conflicting(self, candidates: Sequence[UserValues]) -> list[User]:
                found = super().conflicting(candidates)
                for email in islice(raced.emails, 1):
                    users.register_user(raced.new_unit(), name="Other", age=1, email=email)
                return found

        class Unit(SqlAlchemyUnitOfWork):
            users = RepositoryOf(Repository)

        return Unit(factory, isolation_level)


@pytest.mark.parametrize("isolation_level", [None, "REPEATABLE READ"])
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_rows_that_lose_a_race_are_refused_like_others_and_the_rest_is_imported(
    postgresql_url: str, lost: int, isolation_level: str | None
) -> None:
    with bootstrap(settings=Settings(database_url=postgresql_url)) as container:
        users.register_user(container.unit_of_work(), name="John", age=1, email="0@example.com")
        taken = [f"{n}@example.com" for n in range(1, lost + 1)]
        uow = Raced(container.unit_of_work, *taken).unit(container.session_factory(), isolation_level)
        refusals = Refusals()

        imported = import_users(
            uow, [{"name": str(n), "age": 1, "email": f"{n}@example.com"} for n in range(5)], refused=refusals
        )

        assert imported == 5 - 1 - lost
        assert refusals == [(str(n), EmailAlreadyTaken) for n in range(lost + 1)]
        assert sorted(names(container.unit_of_work)) == [*map(str, range(lost + 1, 5)), "John", *["Other"] * lost]


def test_two_imports_at_once_import_each_row_once(new_unit: NewUnit[UnitOfWork]) -> None:
    rows: list[Row] = [{"name": f"User {n}", "age": 1, "email": f"{n}@example.com"} for n in range(300)]
    ready = Barrier(2)

    def run(_: int) -> tuple[int, int]:
        refusals = Refusals()
        ready.wait()
        return import_users(new_unit(), rows, refused=refusals), len(refusals)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, range(2)))

    assert sorted(outcomes) == [(0, 300), (300, 0)]
    assert sorted(names(new_unit)) == sorted(row["name"] for row in rows)


def test_an_import_is_a_step_of_the_block_around_it(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    with uow:
        users.register_user(uow, name="John Doe", age=30)
        import_users(uow, [{"name": "Jane Roe", "age": 28}])
        with pytest.raises(RowRefused):
            import_users(uow, [{"name": "Jim Joe", "age": 44}, {"name": "", "age": 1}])
        uow.commit()

    assert names(new_unit) == ["John Doe", "Jane Roe"]


def test_an_error_of_the_source_imports_nothing(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    def torn() -> Any:
        yield {"name": "John Doe", "age": 30}
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        import_users(uow, torn())

    assert names(new_unit) == []


# ---- export -------------------------------------------------------------------------------------------------------


def test_an_export_writes_every_user_in_order_of_id(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    registered = [users.register_user(uow, name=f"User {n}", age=n) for n in range(3)]

    assert exported(new_unit) == sorted(registered, key=lambda user: user.id)


def test_what_was_exported_can_be_imported_again(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    john = users.register_user(uow, name="John Doe", age=30, email="john@example.com")
    users.change_user_age(uow, john.id, 31)
    before = exported(new_unit)
    users.remove_user(uow, john.id)

    import_users(uow, map(asdict, before))

    assert exported(new_unit) == [UserDetails(john.id, "John Doe", 31, "john@example.com", version=1)]


def test_an_error_of_the_target_ends_an_export(uow: UnitOfWork) -> None:
    users.register_user(uow, name="John Doe", age=30)

    def full(_: UserDetails) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        export_users(uow, full)

    assert not uow.is_open


class WatchedRow(dict[str, Any]):
    """A row that a weak reference can refer to."""


@pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)
def test_an_import_keeps_a_batch_or_two_of_rows_in_memory(uow: UnitOfWork) -> None:
    rows, many = Watch(), 4 * BATCH

    import_users(uow, rows(WatchedRow(name=f"User {n}", age=30) for n in range(many)))

    assert 0 < rows.most <= 2 * BATCH
    with uow.reading():
        assert uow.users.count() == many
