"""Races of real threads: none loses what another has saved, and every loser is told so or tries again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from adapters.container import bootstrap
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from domain.seedwork.errors import VersionMismatch
from domain.user import AGE_MAX, EmailAlreadyTaken, UserId
from service_layer import users
from service_layer.seedwork.retry import retry_transient
from service_layer.unit_of_work import UnitOfWork
from service_layer.users import UserDetails

THREADS, TIMES = 8, 50


@pytest.fixture(params=["sqlite", "postgresql", "postgresql SERIALIZABLE"])
def new_unit(request: pytest.FixtureRequest) -> Iterator[Callable[[], UnitOfWork]]:
    name, _, level = request.param.partition(" ")
    url = request.getfixturevalue(f"{name}_url")
    with bootstrap(settings=Settings(database_url=url)) as container:
        yield lambda: container.unit_of_work(isolation_level=level or None)


@pytest.fixture
def john(new_unit: Callable[[], UnitOfWork]) -> UserDetails:
    return users.register_user(new_unit(), name="John Doe", age=0)


@retry_transient
def celebrate_birthday(uow: UnitOfWork, user_id: UserId) -> None:
    with uow:
        user = uow.users.get(user_id)
        user.change_age((user.age + 1) % (AGE_MAX + 1))
        uow.commit()


def in_threads(*works: Callable[[], object]) -> list[object]:
    """What each returns, or raises, when all of them start at the same moment."""
    start = Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(run, work) for work in works]
    return [future.exception() or future.result() for future in futures]


def test_no_increment_is_lost(new_unit: Callable[[], UnitOfWork], john: UserDetails) -> None:
    def celebrate() -> None:
        uow = new_unit()
        for _ in range(TIMES):
            celebrate_birthday(uow, john.id)

    assert in_threads(*[celebrate] * THREADS) == [None] * THREADS

    after = users.get_user(new_unit(), john.id)
    assert after.version == john.version + THREADS * TIMES
    assert after.age == THREADS * TIMES % (AGE_MAX + 1)


def test_of_many_who_have_read_the_same_version_one_saves(
    new_unit: Callable[[], UnitOfWork], john: UserDetails
) -> None:
    def rename() -> UserDetails:
        return users.rename_user(new_unit(), john.id, "Johnny", expected_version=john.version)

    results = in_threads(*[rename] * THREADS)

    assert [result for result in results if isinstance(result, UserDetails)] == [users.get_user(new_unit(), john.id)]
    assert [type(result) for result in results].count(VersionMismatch) == THREADS - 1


def test_of_many_who_want_an_address_one_gets_it(new_unit: Callable[[], UnitOfWork]) -> None:
    def register() -> UserDetails:
        return users.register_user(new_unit(), name="Jane Roe", age=28, email="jane@example.com")

    results = in_threads(*[register] * THREADS)

    registered = users.list_users(new_unit()).items
    assert [result for result in results if isinstance(result, UserDetails)] == list(registered)
    assert [type(result) for result in results].count(EmailAlreadyTaken) == THREADS - 1


def test_of_many_repetitions_of_a_registration_all_get_the_same_user(new_unit: Callable[[], UnitOfWork]) -> None:
    user_id = UserId(new_id())

    def register() -> UserDetails:
        return users.register_user(new_unit(), name="Jane Roe", age=28, email="jane@example.com", user_id=user_id)

    results = in_threads(*[register] * THREADS)

    [jane] = users.list_users(new_unit()).items
    assert results == [jane] * THREADS


@pytest.mark.parametrize("new_unit", ["sqlite", "postgresql SERIALIZABLE"], indirect=True)
def test_a_rule_about_many_rows_holds_if_transactions_are_serializable(new_unit: Callable[[], UnitOfWork]) -> None:
    everybody = [users.register_user(new_unit(), name=f"User {n}", age=30).id for n in range(THREADS)]

    @retry_transient
    def leave_unless_last(uow: UnitOfWork, user_id: UserId) -> None:
        with uow:
            if uow.users.count() > 1:
                uow.users.remove(uow.users.get(user_id))
                uow.commit()

    results = in_threads(*(lambda user_id=user_id: leave_unless_last(new_unit(), user_id) for user_id in everybody))

    assert results == [None] * THREADS
    assert len(users.list_users(new_unit()).items) == 1


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)  # elsewhere nobody can write in between
def test_a_locked_read_shows_what_others_have_saved_since_the_first(
    new_unit: Callable[[], UnitOfWork], john: UserDetails
) -> None:
    with new_unit() as uow:
        user = uow.users.get(john.id)
        users.change_user_age(new_unit(), john.id, 31)

        assert user.age == 0
        assert uow.users.get(john.id, for_update=True).age == 31
        uow.rollback()


@pytest.mark.parametrize("new_unit", ["postgresql"], indirect=True)  # on SQLite the second writer waits at its BEGIN
def test_two_who_lock_each_others_rows_both_get_through(new_unit: Callable[[], UnitOfWork], john: UserDetails) -> None:
    jane = users.register_user(new_unit(), name="Jane Roe", age=0)
    both_have_one = Barrier(2, timeout=10)

    def meet(*user_ids: UserId) -> None:
        meetings = iter([both_have_one.wait])

        @retry_transient
        def celebrate_together(uow: UnitOfWork) -> None:
            with uow:
                for user_id in user_ids:
                    user = uow.users.get(user_id, for_update=True)
                    user.change_age(user.age + 1)
                    next(meetings, lambda: 0)()
                uow.commit()

        celebrate_together(new_unit())

    assert in_threads(lambda: meet(john.id, jane.id), lambda: meet(jane.id, john.id)) == [None, None]

    assert [user.age for user in users.list_users(new_unit()).items] == [2, 2]
