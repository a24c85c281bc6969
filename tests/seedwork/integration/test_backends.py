"""An application that stays open for the next test has nothing of the last one."""

import pytest
from sqlalchemy import text

from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from tests.seedwork.backends import Loop, Units
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
