"""The rules of the tests' own aggregate: without them memory would accept what the databases refuse."""

from datetime import datetime

import pytest
from sqlalchemy.dialects import sqlite

from adapters.seedwork.types import UtcDateTime
from domain.seedwork.errors import InvalidValue
from tests.seedwork.examples import check_refused
from tests.seedwork.ordering import Money, Order, Status

NAIVE = datetime(2026, 2, 3)  # noqa: DTZ001  # on purpose


@pytest.mark.parametrize("number", ["A", "A" * 50])
def test_a_number_of_1_to_50_characters_is_kept(number: str) -> None:
    assert Order(number=number).number == number


@pytest.mark.parametrize("number", ["", "A" * 51])
def test_any_other_number_is_refused(number: str) -> None:
    with pytest.raises(InvalidValue, match="it must be 1 to 50 characters"):
        Order(number=number)


def test_a_deposit_is_not_negative() -> None:
    assert Order(number="A-1", deposit=Money(0, "EUR")).deposit == Money(0, "EUR")

    with pytest.raises(InvalidValue, match="it must not be negative"):
        Order(number="A-1", deposit=Money(-1, "EUR"))


def test_a_time_without_a_zone_is_refused_by_the_entity_and_in_a_query() -> None:
    order = Order(number="A-1")

    with pytest.raises(InvalidValue, match="it needs a time zone"):
        order.place(NAIVE)
    assert order.status is Status.DRAFT
    with pytest.raises(ValueError, match="has no time zone"):
        UtcDateTime().process_bind_param(NAIVE, sqlite.dialect())


def test_a_value_that_should_be_refused_and_is_not_is_named() -> None:
    check_refused(Order, number=["", "A" * 51])

    with pytest.raises(AssertionError, match="Order takes 'A' as number"):
        check_refused(Order, number=["", "A"])
