"""What docs/operations.md says of levels of isolation, tried on users."""

from collections.abc import Iterator

import pytest

from adapters.container import Container, bootstrap
from adapters.settings import Settings
from domain.user import UserId
from service_layer import users
from service_layer.seedwork.errors import ConcurrencyConflict
from service_layer.unit_of_work import UnitOfWork


@pytest.fixture
def container(postgresql_url: str) -> Iterator[Container]:
    with bootstrap(settings=Settings(database_url=postgresql_url)) as started:
        yield started


@pytest.fixture
def pair(container: Container) -> tuple[UserId, UserId]:
    """Two users of 30 years."""
    uow = container.unit_of_work()
    john, jane = (users.register_user(uow, name=name, age=30) for name in ("John Doe", "Jane Doe"))
    return john.id, jane.id


def ages(uow: UnitOfWork, pair: tuple[UserId, UserId]) -> list[int]:
    return [uow.users.get(id).age for id in pair]


def skew_writes(container: Container, pair: tuple[UserId, UserId], level: str) -> None:
    """Let two blocks read both users, and each make another of them younger while they are 60 together."""
    with container.unit_of_work(isolation_level=level) as one, container.unit_of_work(isolation_level=level) as other:
        assert sum(ages(one, pair)) == sum(ages(other, pair)) == 60
        one.users.get(pair[0]).change_age(20)
        other.users.get(pair[1]).change_age(20)
        one.commit()
        other.commit()


def read_before_and_after(container: Container, uow: UnitOfWork, pair: tuple[UserId, UserId]) -> list[int]:
    """Read one user before, and the other one after somebody has changed both."""
    before = uow.users.get(pair[0]).age
    for id in pair:
        users.change_user_age(container.unit_of_work(), id, 20)
    return [before, uow.users.get(pair[1]).age]


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_write_skew_is_possible_where_the_page_says_so(
    container: Container, pair: tuple[UserId, UserId], level: str
) -> None:
    skew_writes(container, pair, level)

    with container.unit_of_work().reading() as uow:
        assert ages(uow, pair) == [20, 20]


def test_write_skew_is_refused_at_the_level_that_the_page_names(
    container: Container, pair: tuple[UserId, UserId]
) -> None:
    with pytest.raises(ConcurrencyConflict):
        skew_writes(container, pair, "SERIALIZABLE")

    with container.unit_of_work().reading() as uow:
        assert sorted(ages(uow, pair)) == [20, 30]


@pytest.mark.parametrize(("level", "expected"), [("READ COMMITTED", [30, 20]), ("REPEATABLE READ", [30, 30])])
def test_read_skew_is_possible_where_the_page_says_so(
    container: Container, pair: tuple[UserId, UserId], level: str, expected: list[int]
) -> None:
    with container.unit_of_work(isolation_level=level) as uow:
        assert read_before_and_after(container, uow, pair) == expected


def test_a_reading_block_is_of_one_moment(container: Container, pair: tuple[UserId, UserId]) -> None:
    with container.unit_of_work().reading() as uow:
        assert read_before_and_after(container, uow, pair) == [30, 30]


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_no_update_is_lost_at_any_level(container: Container, pair: tuple[UserId, UserId], level: str) -> None:
    with pytest.raises(ConcurrencyConflict), container.unit_of_work(isolation_level=level) as uow:
        john = uow.users.get(pair[0])
        users.change_user_age(container.unit_of_work(), john.id, 40)
        john.change_age(john.age + 1)
        uow.commit()

    assert users.get_user(container.unit_of_work(), pair[0]).age == 40
