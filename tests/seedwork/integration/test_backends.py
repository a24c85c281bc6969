"""A back end is ready before a test begins; an application that stays open for it has nothing of the last one."""

import pytest
from sqlalchemy import text

from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from tests.seedwork.backends import Loop, Units, memory
from tests.seedwork.fixtures import ASYNCHRONOUS, DATABASES, OpenBackend, opener


@pytest.fixture(params=[*DATABASES, *ASYNCHRONOUS])
def open_backend(
    request: pytest.FixtureRequest, units: Units[SqlAlchemyTransaction], loop: Loop
) -> OpenBackend[SqlAlchemyTransaction]:
    return opener(request, units, loop)


def make_temporary_table(open_backend: OpenBackend[SqlAlchemyTransaction]) -> None:
    with open_backend() as backend, backend.new_unit() as uow:
        uow.session.execute(text("CREATE TEMPORARY TABLE scratch (id integer)"))
        uow.commit()


def test_what_a_test_makes_in_a_session_ends_with_the_test(open_backend: OpenBackend[SqlAlchemyTransaction]) -> None:
    make_temporary_table(open_backend)

    make_temporary_table(open_backend)


def test_in_memory_all_is_mapped_before_a_test_makes_its_first_entity() -> None:
    class Unit(InMemoryTransaction):
        are_mapped = False

        def __init__(self, store: InMemoryStore | None = None, isolation_level: str | None = None) -> None:
            Unit.are_mapped = True
            super().__init__(store, isolation_level)

    with memory(Units(Unit, Unit)):
        assert Unit.are_mapped
