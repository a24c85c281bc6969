"""How a unit of work gets its repositories: one line each."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from service_layer.seedwork.transaction import Transaction

R = TypeVar("R")


def RepositoryOf(repository: Callable[[Any], R]) -> R:  # noqa: N802  # it reads as a type; Any: a transaction of its kind
    """Register a repository in a unit of work, under the name that the class gives it.

    ::

        class SqlAlchemyUnitOfWork(SqlAlchemyTransaction, UnitOfWork):
            orders = RepositoryOf(SqlAlchemyOrderRepository)

    Args:
        repository: the repository's class; it takes the unit of work.
    Returns: on each unit of work, inside an open block, the repository; to a type checker it is the repository.
    Raises: UnitOfWorkMisuse, FailedTransaction (no work is possible in the block).
    """
    return cast("R", _Registered(repository))


class _Registered:
    """A descriptor: what ``uow.orders`` calls."""

    def __init__(self, repository: Callable[[Any], object]) -> None:
        self.repository = repository
        """What makes the repository."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._action = f"uow.{name}"

    def __get__(self, unit: Transaction | None, owner: type) -> object:
        if unit is None:
            return self
        unit.working_block(self._action)
        return self.repository(unit)
