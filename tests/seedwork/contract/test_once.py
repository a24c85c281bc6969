"""The idempotent request: under one key the work is done once, and has one answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import wraps
from hashlib import sha256
from itertools import count
from threading import Barrier, Thread
from typing import TYPE_CHECKING

import pytest

from domain.seedwork.errors import InvalidValue
from domain.seedwork.repository import Page
from domain.seedwork.rules import EmailAddress, text
from service_layer.seedwork.errors import StoredValueUnreadable, UncommittedChanges, UnitOfWorkMisuse
from service_layer.seedwork.once import KeyAlreadyUsed, once
from service_layer.seedwork.upkeep import prune
from tests.seedwork.backends import Loop, NewUnit, Units
from tests.seedwork.fixtures import ASYNCHRONOUS, BACKENDS, OpenBackend, opener, synchronous
from tests.seedwork.ordering import Money, Order, OrderId, OrderingUnitOfWork, OrderNumberTaken
from tests.seedwork.use_cases import (
    OrderDetails,
    add_order,
    find_order_by_number,
    import_orders,
    list_orders,
    raise_deposit,
)


@pytest.fixture(params=[*BACKENDS, *ASYNCHRONOUS])
def open_backend(
    request: pytest.FixtureRequest, units: Units[OrderingUnitOfWork], loop: Loop
) -> OpenBackend[OrderingUnitOfWork]:
    """How to open each back end in turn, the asynchronous drivers included."""
    return opener(request, units, loop)


def numbers(uow: OrderingUnitOfWork) -> list[str]:
    return [order.number for order in list_orders(uow).items]


def test_a_repeated_request_gets_the_same_answer_and_does_nothing(
    uow: OrderingUnitOfWork, new_unit: NewUnit[OrderingUnitOfWork]
) -> None:
    first = once(uow, "K-1", add_order, "A-1", voucher="V-1")
    again = once(new_unit(), "K-1", add_order, "A-1", voucher="V-1")

    assert first == again
    assert type(again) is OrderDetails
    assert numbers(uow) == ["A-1"]


def test_the_answer_is_that_of_the_request_not_of_today(uow: OrderingUnitOfWork) -> None:
    order = once(uow, "K-1", add_order, "A-1")
    raise_deposit(uow, order.id, 7)

    assert once(uow, "K-1", add_order, "A-1").cents == 0


def test_another_key_is_another_request(uow: OrderingUnitOfWork) -> None:
    order = add_order(uow, "A-1")
    once(uow, "K-1", raise_deposit, order.id, 1)

    assert once(uow, "K-2", raise_deposit, order.id, 1).cents == 2


def test_another_request_under_the_same_key_is_refused(uow: OrderingUnitOfWork) -> None:
    order = once(uow, "K-1", add_order, "A-1")

    with pytest.raises(KeyAlreadyUsed, match="make a new key for each request"):
        once(uow, "K-1", add_order, "B-2")
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-1", raise_deposit, order.id)
    assert numbers(uow) == ["A-1"]


MARK = object()  # says that nothing was given


@dataclass(frozen=True)
class Tags:
    """An argument with parts that have no order."""

    tags: frozenset[int]
    counts: dict[str, int]


def count_tags(uow: OrderingUnitOfWork, *tags: Tags, number: str = "") -> int:
    import_orders(uow, [number])
    return len(tags)


def test_equal_arguments_are_the_same_request(uow: OrderingUnitOfWork) -> None:
    once(uow, "K-1", add_order, "A-1")
    once(uow, "K-2", count_tags, Tags(frozenset([1, 9]), {"x": 1, "y": 2}), number="B-2")

    once(uow, "K-1", add_order, number="A-1")
    again = Tags(frozenset([9, 1]), {"y": 2, "x": 1})
    assert list(again.tags) == [9, 1]  # as a set of texts differs between processes
    once(uow, "K-2", count_tags, again, number="B-2")
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-2", count_tags, Tags(frozenset([1, 8]), {"x": 1, "y": 2}), number="B-2")
    assert numbers(uow) == ["A-1", "B-2"]


def tagged(uow: OrderingUnitOfWork, number: str, *, tags: Sequence[str] = (), mark: object = MARK) -> int:
    import_orders(uow, [number])
    return len(tags)


def test_an_argument_that_is_its_default_does_not_count(uow: OrderingUnitOfWork) -> None:
    once(uow, "K-1", add_order, "A-1")
    once(uow, "K-2", tagged, "B-2", tags=[])

    once(uow, "K-1", add_order, "A-1", voucher=None)
    once(uow, "K-2", tagged, "B-2")
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-1", add_order, "A-1", voucher="V-1")
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-2", tagged, "B-2", mark="red")
    assert numbers(uow) == ["A-1", "B-2"]


def at_noon(function: Callable[[OrderingUnitOfWork, str, str], int]) -> Callable[[OrderingUnitOfWork, str], int]:
    @wraps(function)
    def called(uow: OrderingUnitOfWork, number: str) -> int:
        return function(uow, number, "noon")

    return called


@at_noon
def import_at(uow: OrderingUnitOfWork, number: str, time: str) -> int:
    import_orders(uow, [f"{number} at {time}"])
    return 1


def test_a_decorator_may_give_arguments(uow: OrderingUnitOfWork) -> None:
    once(uow, "K-1", import_at, "A-1")

    assert once(uow, "K-1", import_at, "A-1") == 1
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-1", import_at, "B-2")
    assert numbers(uow) == ["A-1 at noon"]


class Archive:
    """What has functions of the same names."""

    @staticmethod
    def add_order(uow: OrderingUnitOfWork, number: str) -> None:
        import_orders(uow, [f"old {number}"])


def import_order(uow: OrderingUnitOfWork, number: str) -> None:
    import_orders(uow, [number])


import_order.__name__ = import_order.__qualname__ = add_order.__name__  # as in another module


@pytest.mark.parametrize("namesake", [Archive.add_order, import_order], ids=["of a class", "of a module"])
def test_a_function_of_the_same_name_is_another_request(
    uow: OrderingUnitOfWork, namesake: Callable[[OrderingUnitOfWork, str], None]
) -> None:
    once(uow, "K-1", add_order, "A-1")

    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-1", namesake, "A-1")
    assert numbers(uow) == ["A-1"]


def test_a_receipt_by_a_functions_plain_name_is_known(uow: OrderingUnitOfWork) -> None:
    with uow:
        order = add_order(uow, "A-1", voucher="V-1")
        uow.receipts.take("K-1", sha256(b'[["add_order","A-1"],[["voucher","V-1"]]]').hexdigest())
        uow.receipts.keep("K-1", OrderDetails, order)
        uow.commit()

    assert once(uow, "K-1", add_order, "A-1", voucher="V-1") == order
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-1", add_order, "A-1", voucher="V-2")


def test_a_receipt_of_all_that_was_given_is_known(uow: OrderingUnitOfWork) -> None:
    with uow:
        order = add_order(uow, "A-1")
        given = b'[["tests.seedwork.use_cases.add_order",{"number":"A-1","uow":null,"voucher":null}],[]]'
        uow.receipts.take("K-1", sha256(given).hexdigest())
        uow.receipts.keep("K-1", OrderDetails, order)
        uow.commit()

    assert once(uow, "K-1", add_order, "A-1", voucher=None) == order


def test_what_is_refused_leaves_no_receipt(uow: OrderingUnitOfWork) -> None:
    taken = add_order(uow, "A-1")
    with pytest.raises(OrderNumberTaken):
        once(uow, "K-1", add_order, "A-1")
    with uow:
        uow.orders.remove(uow.orders.get(taken.id))
        uow.commit()

    assert once(uow, "K-1", add_order, "A-1").number == "A-1"


def test_a_receipt_is_saved_with_its_work_or_not_at_all(uow: OrderingUnitOfWork) -> None:
    with uow:
        once(uow, "K-1", add_order, "A-1")
        uow.rollback()
    assert numbers(uow) == []

    once(uow, "K-1", add_order, "A-1")
    assert numbers(uow) == ["A-1"]


def list_numbers(uow: OrderingUnitOfWork) -> Page[OrderDetails]:
    return list_orders(uow)


def test_any_plain_answer_comes_back(uow: OrderingUnitOfWork) -> None:
    add_order(uow, "A-1")

    for number in ("A-1", "B-2"):
        found = once(uow, number, find_order_by_number, number)
        assert once(uow, number, find_order_by_number, number) == found
    assert once(uow, "a page", list_numbers) == once(uow, "a page", list_numbers) == list_numbers(uow)


def address_of(uow: OrderingUnitOfWork, address: EmailAddress) -> EmailAddress:
    with uow:
        uow.commit()
    return address


def test_an_answer_that_is_a_text_of_a_type_of_its_own_comes_back_as_such(uow: OrderingUnitOfWork) -> None:
    first, again = (once(uow, "K-1", address_of, EmailAddress("john@example.com")) for _ in range(2))

    assert (type(again), again) == (EmailAddress, first)


def price_of(uow: OrderingUnitOfWork, price: Decimal) -> Decimal | Money:
    with uow:
        uow.commit()
    return price


def test_an_answer_of_an_older_release_is_read_where_its_type_is_named_beside_the_new_one(
    uow: OrderingUnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    once(uow, "K-1", price_of, Decimal("1.50"))

    assert once(uow, "K-1", price_of, Decimal("1.50")) == Decimal("1.50")
    monkeypatch.setitem(price_of.__annotations__, "return", Money)
    with pytest.raises(StoredValueUnreadable, match=r"is no Money: it: Input .*\. Give a new field a default"):
        once(uow, "K-1", price_of, Decimal("1.50"))


@pytest.mark.parametrize("key", ["", " ", "K" * 201, "a\nb", "a\0b", None])
def test_a_key_is_a_visible_text(uow: OrderingUnitOfWork, key: str) -> None:
    with pytest.raises(InvalidValue, match="1 to 200 visible characters"):
        once(uow, key, add_order, "A-1")


def add_visibly(uow: OrderingUnitOfWork, number: str) -> None:
    import_orders(uow, [text("number", 1, 20)(number)])


def test_half_a_character_is_refused_by_whoever_refuses_it_without_a_key(uow: OrderingUnitOfWork) -> None:
    with pytest.raises(InvalidValue):
        once(uow, "K-1", add_visibly, "A\ud800")
    once(uow, "K-2", count_tags, Tags(frozenset(), {"\ud800": 1}), number="A-1")

    once(uow, "K-2", count_tags, Tags(frozenset(), {"\ud800": 1}), number="A-1")
    with pytest.raises(KeyAlreadyUsed):
        once(uow, "K-2", count_tags, Tags(frozenset(), {"\ud801": 1}), number="A-1")


def test_an_iterator_can_not_be_part_of_a_request(uow: OrderingUnitOfWork) -> None:
    rest: Iterator[str] = iter(["A-1"])
    with pytest.raises(UnitOfWorkMisuse, match="Pass a list"):
        once(uow, "K-1", import_orders, rest)

    with pytest.raises(UnitOfWorkMisuse, match="Pass a list"):
        once(uow, "K-1", import_orders, [rest])  # type: ignore[list-item]  # that is the case

    assert list(rest) == ["A-1"]
    once(uow, "K-1", import_orders, ["A-1"])
    once(uow, "K-1", import_orders, ["A-1"])
    assert numbers(uow) == ["A-1"]


@dataclass(frozen=True)
class Strange:
    """What JSON can't keep."""

    value: complex | object


def answer_strangely(uow: OrderingUnitOfWork, order_id: OrderId) -> Strange:
    raise_deposit(uow, order_id, 5)
    return Strange(object())


@dataclass(frozen=True)
class Weight:
    kilograms: float
    price: Decimal = Decimal(0)


def weigh(uow: OrderingUnitOfWork, kilograms: float, price: Decimal) -> Weight:
    import_orders(uow, ["A-1"])
    return Weight(kilograms, price)


@pytest.mark.parametrize(
    ("kilograms", "price"),
    [(float("inf"), Decimal(1)), (float("nan"), Decimal(1)), (1.0, Decimal("NaN")), (1.0, Decimal("Infinity"))],
    ids=count(),
)
def test_an_answer_that_is_no_finite_number_undoes_the_work(
    uow: OrderingUnitOfWork, kilograms: float, price: Decimal
) -> None:
    with pytest.raises(UnitOfWorkMisuse, match="Weight can't be kept as JSON"):
        once(uow, "K-1", weigh, kilograms, price)
    assert numbers(uow) == []


async def answer_later(uow: OrderingUnitOfWork) -> int:
    return 1


def answer_in_parts(uow: OrderingUnitOfWork) -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("function", [answer_later, answer_in_parts])
def test_what_returns_before_its_work_is_done_is_refused(
    uow: OrderingUnitOfWork, function: Callable[[OrderingUnitOfWork], object]
) -> None:
    with pytest.raises(UnitOfWorkMisuse, match=rf"{function.__name__}\(\) returns before its work is done"):
        once(uow, "K-1", function)


if TYPE_CHECKING:
    Hidden = int


def answer_secretly(uow: OrderingUnitOfWork) -> "Hidden":
    return 1


def answer_anything(uow: OrderingUnitOfWork):  # type: ignore[no-untyped-def]  # that is the case
    return None


def answer_by_entities(uow: OrderingUnitOfWork) -> list[Order]:
    with uow:
        uow.orders.add(Order(number="B-2"))
        uow.commit()
        return []


def test_an_answer_that_can_not_be_kept_undoes_the_work(uow: OrderingUnitOfWork) -> None:
    order = add_order(uow, "A-1")

    with pytest.raises(UnitOfWorkMisuse, match="Strange can't be kept as JSON"):
        once(uow, "K-1", answer_strangely, order.id)
    with pytest.raises(
        UnitOfWorkMisuse, match="Order is an entity, and would come back without its version. Use frozen"
    ):
        once(uow, "K-1", answer_by_entities)
    with pytest.raises(UnitOfWorkMisuse, match="can't see the types of answer_secretly: name 'Hidden' is not defined"):
        once(uow, "K-1", answer_secretly)
    with pytest.raises(UnitOfWorkMisuse, match="can't see what answer_anything returns. Annotate it"):
        once(uow, "K-1", answer_anything)

    assert list_orders(uow).items == (order,)


def test_a_function_that_forgets_its_commit_leaves_no_receipt(uow: OrderingUnitOfWork) -> None:
    def forget(uow: OrderingUnitOfWork) -> None:
        with uow:
            import_orders(uow, ["A-1"])

    with pytest.raises(UncommittedChanges):
        once(uow, "K-1", forget)

    once(uow, "K-1", import_orders, ["A-1"])
    assert numbers(uow) == ["A-1"]


def test_old_receipts_are_pruned(uow: OrderingUnitOfWork) -> None:
    order = add_order(uow, "A-1")
    once(uow, "K-1", raise_deposit, order.id)

    assert prune(uow, timedelta(days=1)) == 0
    assert prune(uow, timedelta(days=-1)) == 1
    assert once(uow, "K-1", raise_deposit, order.id).cents == 2


@synchronous
def test_of_two_at_the_same_time_one_does_the_work_and_both_get_its_answer(
    new_unit: NewUnit[OrderingUnitOfWork],
) -> None:
    order = add_order(new_unit(), "A-1")
    start, answers = Barrier(8), list[OrderDetails]()

    def ask() -> None:
        uow = new_unit()
        start.wait(10)
        answers.append(once(uow, "K-1", raise_deposit, order.id))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert [answer.cents for answer in answers] == [1] * 8
