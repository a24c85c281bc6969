"""Every event of yours comes back as it was published, on every back end, without a line of test code."""

import pkgutil
from importlib import import_module
from typing import Any

import pytest

import domain
from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from domain.seedwork.events import Event
from service_layer.unit_of_work import UnitOfWork
from tests.seedwork.aggregates import New
from tests.seedwork.backends import Units
from tests.seedwork.examples import example

for found in pkgutil.walk_packages(domain.__path__, "domain."):
    import_module(found.name)
KINDS: list[Any] = [kind for kind in Event.__subclasses__() if kind.__module__.startswith("domain.")]


@pytest.fixture
def units() -> Units[UnitOfWork]:
    """Your unit of work."""
    return Units(InMemoryUnitOfWork, SqlAlchemyUnitOfWork)


if KINDS:  # pytest would show a skipped test for none

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_an_event_makes_the_round_trip(new_unit: New, kind: type[Event]) -> None:
        event = example(kind, 1)

        with new_unit() as uow:
            uow.publish(event)
            uow.commit()
        with new_unit().reading() as uow:
            [published] = uow.outbox.events(1)
            assert uow.outbox.decoded(published) == event, "Give it fields that JSON can keep, each with its type."
