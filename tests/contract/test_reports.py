"""Reports, from every implementation of their queries."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.reports import InMemoryUserStatistics, SqlAlchemyUserStatistics
from domain.seedwork.errors import InvalidValue
from service_layer import reports, users
from service_layer.reports import AgeBand, UserStatistics
from service_layer.unit_of_work import UnitOfWork
from service_layer.user_import import import_users
from tests.seedwork.backends import Backend


@pytest.fixture
def statistics(backend: Backend[UnitOfWork], uow: UnitOfWork) -> UserStatistics:
    kinds: dict[str, Callable[[Any], UserStatistics]] = {"memory": InMemoryUserStatistics}
    return kinds.get(backend.name, SqlAlchemyUserStatistics)(uow)


def test_users_are_counted_by_age_band_youngest_first(uow: UnitOfWork, statistics: UserStatistics) -> None:
    import_users(uow, [{"name": "x", "age": age} for age in (150, 30, 39, 0, 40, 35)])

    assert reports.users_by_age(uow, statistics) == (
        AgeBand(0, 9, 1),
        AgeBand(30, 39, 3),
        AgeBand(40, 49, 1),
        AgeBand(150, 150, 1),
    )
    assert reports.users_by_age(uow, statistics, years=151) == (AgeBand(0, 150, 6),)


def test_without_users_there_is_no_band(uow: UnitOfWork, statistics: UserStatistics) -> None:
    assert reports.users_by_age(uow, statistics) == ()


def test_a_report_sees_what_the_block_around_it_has_changed(uow: UnitOfWork, statistics: UserStatistics) -> None:
    with uow:
        users.register_user(uow, name="John Doe", age=30)
        assert reports.users_by_age(uow, statistics) == (AgeBand(30, 39, 1),)
        uow.rollback()


@pytest.mark.parametrize("years", [0, 152, True, "10"])
def test_an_impossible_band_is_refused(uow: UnitOfWork, statistics: UserStatistics, years: int) -> None:
    with pytest.raises(InvalidValue, match="a band is 1 to 151 years wide"):
        reports.users_by_age(uow, statistics, years=years)
