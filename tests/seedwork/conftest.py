"""The house's own tests: the fixtures ``uow`` and ``new_unit`` give out a unit of work of aggregates of their own."""

import pytest

from tests.seedwork.backends import Units
from tests.seedwork.ordering import (
    InMemoryOrderingUnitOfWork,
    OrderingUnitOfWork,
    SqlAlchemyOrderingUnitOfWork,
    map_orders,
)


@pytest.fixture(scope="session", autouse=True)
def _orders_are_mapped() -> None:
    map_orders()


@pytest.fixture
def units() -> Units[OrderingUnitOfWork]:
    """The unit of work of orders."""
    return Units(InMemoryOrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork)
