"""Your tests: the fixtures ``uow`` and ``new_unit`` give out your unit of work, on each back end in turn."""

import pytest

from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from service_layer.unit_of_work import UnitOfWork
from tests.seedwork.backends import Units

pytest_plugins = ["tests.seedwork.fixtures"]


@pytest.fixture
def units() -> Units[UnitOfWork]:
    """Your unit of work."""
    return Units(InMemoryUnitOfWork, SqlAlchemyUnitOfWork)
