"""Reports from the database, each in one statement, and from memory."""

from collections import Counter

from sqlalchemy import func, select

from adapters.unit_of_work import SqlAlchemyUnitOfWork
from adapters.users import users
from domain.user import AGE_MAX
from service_layer.reports import AgeBand
from service_layer.unit_of_work import UnitOfWork


class SqlAlchemyUserStatistics:
    """User statistics from the session of a unit of work."""

    def __init__(self, uow: SqlAlchemyUnitOfWork) -> None:
        self._uow = uow

    def by_age_band(self, years: int) -> list[AgeBand]:
        band = (users.c.age // years).label("band")
        counts = select(band, func.count()).group_by(band).order_by(band)
        return [_age_band(number, years, count) for number, count in self._uow.session.execute(counts)]


class InMemoryUserStatistics:
    """User statistics counted one by one, for tests."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def by_age_band(self, years: int) -> list[AgeBand]:
        counts = Counter(user.age // years for user in self._uow.users.stream())
        return [_age_band(number, years, count) for number, count in sorted(counts.items())]


def _age_band(number: int, years: int, count: int) -> AgeBand:
    return AgeBand(number * years, min(number * years + years - 1, AGE_MAX), count)
