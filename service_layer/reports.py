"""Reports: questions about many aggregates at once, each with the port of the query that answers it.

A query port is a Protocol here, implemented in ``adapters/reports.py`` and handed to the function that needs it: the
function says what is asked and in which transaction, the query is one statement of the database's own.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.seedwork.errors import InvalidValue
from domain.user import AGE_MAX
from service_layer.seedwork.retry import retry_transient
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class AgeBand:
    """How many users are from one age to another, both included."""

    from_age: int
    to_age: int
    users: int


class UserStatistics(Protocol):
    """Questions about all users, answered inside the open block of a unit of work."""

    @abstractmethod
    def by_age_band(self, years: int) -> Sequence[AgeBand]:
        """Count the users of each band of so many years, youngest first; bands without a user are left out."""


@retry_transient
def users_by_age(uow: UnitOfWork, statistics: UserStatistics, *, years: int = 10) -> tuple[AgeBand, ...]:
    """Count users by age band, youngest first; bands without a user are left out.

    Args:
        uow: closed, or open in the caller.
        statistics: the query; it reads in ``uow``.
        years: how wide a band is, 1 to 151.
    Raises: InvalidValue (``years`` is out of range).
    """
    if type(years) is not int or not 1 <= years <= AGE_MAX + 1:
        raise InvalidValue("years", years, f"a band is 1 to {AGE_MAX + 1} years wide")
    with uow.reading():
        return tuple(statistics.by_age_band(years))
