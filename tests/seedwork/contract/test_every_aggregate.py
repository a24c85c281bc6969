"""Every mapped aggregate of yours keeps its contract, on every back end, without a line of test code."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.mappers import metadata, start_mappers
from adapters.seedwork.mapping import mapper_registry
from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from domain.seedwork.entity import Entity
from service_layer.unit_of_work import UnitOfWork
from tests.seedwork.aggregates import CHECKS, Kind, New
from tests.seedwork.backends import Units

start_mappers()
KINDS: list[Any] = [
    mapper.class_
    for mapper in sorted(mapper_registry.mappers, key=lambda mapper: mapper.class_.__name__)
    if mapper.local_table in metadata.tables.values() and issubclass(mapper.class_, Entity)
]


@pytest.fixture
def units() -> Units[UnitOfWork]:
    """Your unit of work."""
    return Units(InMemoryUnitOfWork, SqlAlchemyUnitOfWork)


if KINDS:  # pytest would show a skipped test for none

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_an_aggregate_keeps_its_contract(new_unit: New, kind: Kind, check: Callable[[New, Kind], None]) -> None:
        check(new_unit, kind)
