"""Your tests: the fixtures ``uow`` and ``new_unit`` return your unit of work, on each back end in turn."""

import pytest

from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from service_layer.unit_of_work import UnitOfWork
from tests.seedwork.backends import Units
from tests.seedwork.reversal import Rows

pytest_plugins = ["tests.seedwork.fixtures"]


@pytest.fixture
def units() -> Units[UnitOfWork]:
    """Your unit of work."""
    return Units(InMemoryUnitOfWork, SqlAlchemyUnitOfWork)


@pytest.fixture
def revision_rows() -> Rows:
    """Rows for the tests of your revisions, by table and column, where a CHECK refuses the generated ones."""
    return {}
