"""What every entity and every error of the domain has in common."""

import copy
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, ClassVar
from uuid import UUID

import pytest

from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import DomainError, InvalidValue, VersionMismatch
from domain.seedwork.rules import EmailAddress, text
from service_layer.seedwork.details import Details
from tests.seedwork.ordering import Money, Order, OrderId, OrderNotFound, OrderNumberTaken


def an_order(**values: object) -> Order:
    return Order(**{"number": "A-1"} | values)  # type: ignore[arg-type]  # each test passes values of the right types


def test_entities_are_equal_by_type_and_id_whatever_else_differs() -> None:
    order = an_order()
    same = an_order(id=order.id, number="B-2")

    assert order == same
    assert hash(order) == hash(same)
    assert order != an_order()
    assert order != order.id


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "the oldest pickle": lambda value: pickle.loads(pickle.dumps(value, 0)),
}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())

STORED = str.__new__(EmailAddress, "José@example.com")
"""An address that the rule does not allow any more."""


@dataclass(frozen=True, slots=True)
class AddressDetails(Details):
    address: str


@copies
def test_an_entity_is_copied_whatever_the_rules_say_today(copied: Callable[[Order], Order]) -> None:
    order = an_order()
    vars(order).update(number="", deposit=Money(-1, "EUR"), voucher=STORED)

    twin = copied(order)

    assert twin == order
    assert asdict(twin) == asdict(order)
    assert type(twin.voucher) is EmailAddress


@copies
def test_details_are_copied_whatever_the_rules_say_today(copied: Callable[[AddressDetails], AddressDetails]) -> None:
    details = AddressDetails(STORED)

    assert copied(details) == details
    assert asdict(details) == {"address": STORED}


@copies
def test_an_address_is_copied_whatever_the_rule_says_today(copied: Callable[[EmailAddress], EmailAddress]) -> None:
    twin = copied(STORED)

    assert (type(twin), twin) == (EmailAddress, STORED)


@pytest.mark.parametrize("id", ["A-1", 1, None])
def test_an_id_is_a_uuid(id: object) -> None:
    with pytest.raises(InvalidValue, match="it must be a UUID"):
        an_order(id=id)


def test_an_id_is_set_once() -> None:
    order = an_order()
    order.id = OrderId(UUID(order.id.hex))

    with pytest.raises(InvalidValue, match=f"the entity keeps its id {order.id}"):
        order.id = OrderId(new_id())


def test_a_refused_value_changes_nothing() -> None:
    order = an_order()

    with pytest.raises(InvalidValue, match="it must be 1 to 50 characters"):
        order.number = ""

    assert order.number == "A-1"


@dataclass(eq=False, kw_only=True)
class Owned(Entity):
    rules: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "owner": text("owner", 1, 5),
        "label": text("label", 1, 5),
    }

    owner: str


@dataclass(eq=False, kw_only=True)
class Dated(Entity):
    rules: ClassVar[Mapping[str, Callable[[Any], object]]] = {"day": text("day", 2, 2)}

    day: str


@dataclass(eq=False, kw_only=True)
class Parcel(Owned, Dated):
    rules = {"label": text("label", 1, 9)}

    label: str


def test_the_rules_of_all_bases_hold_where_a_class_has_none_of_its_own_for_a_field() -> None:
    parcel = Parcel(owner="Ann", label="a parcel", day="01")

    for field in ("owner", "day"):
        with pytest.raises(InvalidValue, match=field):
            setattr(parcel, field, "")


@dataclass(eq=False, kw_only=True)
class Strict(Owned):
    rules = {"owner": text("owner", 1, 3)}


@dataclass(eq=False, kw_only=True)
class Weighed(Owned):
    grams: int


def test_of_two_bases_the_one_that_lists_a_rule_goes_before_the_one_that_inherits_it() -> None:
    @dataclass(eq=False, kw_only=True)
    class StrictAndWeighed(Weighed, Strict):
        pass

    with pytest.raises(InvalidValue, match="1 to 3 visible characters"):
        StrictAndWeighed(owner="Anna", grams=1)


def test_a_base_of_an_entity_may_take_arguments_of_its_class() -> None:
    class Audited:
        log = ""

        def __init_subclass__(cls, log: str) -> None:
            cls.log = log

    class Transfer(Entity, Audited, log="transfers"):
        pass

    assert Transfer.log == "transfers"


def test_an_entity_is_new_until_it_is_saved() -> None:
    assert an_order().version == 0


def test_the_version_that_a_caller_read_must_be_the_present_one() -> None:
    order = an_order()
    order.expect_version(None)
    order.expect_version(0)

    for version in ("0", False, 0.0):
        with pytest.raises(VersionMismatch):
            order.expect_version(version)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(VersionMismatch, match="not <int"):
        order.expect_version(10**5000)
    with pytest.raises(VersionMismatch, match=f"Order {order.id} has version 0, not 3: read it again") as caught:
        order.expect_version(3)

    assert (caught.value.expected, caught.value.found) == (3, 0)


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(str(InvalidValue("number", "x" * 10_000, "it must be shorter"))) < 200


def test_a_value_that_cannot_be_shown_is_named_by_its_type() -> None:
    message = str(InvalidValue("cents", 10**5000, "it must be less"))

    assert re.fullmatch("cents <int.{0,80}> is not allowed: it must be less.", message)


@pytest.mark.parametrize("made", [(), ("",)], ids=["nothing", "no words"])
def test_an_error_without_words_says_its_name(made: tuple[str, ...]) -> None:
    class TooLate(DomainError): ...

    assert str(TooLate(*made)) == "TooLate"


@pytest.mark.parametrize(
    "error",
    [
        InvalidValue("number", "", "it must be longer"),
        OrderNotFound(new_id()),
        VersionMismatch("Order", new_id(), 1, 2),
        OrderNumberTaken(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_pickled_between_processes(error: Exception) -> None:
    twin = pickle.loads(pickle.dumps(error))

    assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


def test_a_refused_value_that_can_not_be_pickled_is_shown_in_the_other_process() -> None:
    twin = pickle.loads(pickle.dumps(InvalidValue("number", Lock(), "it must be a text")))

    assert re.match("number '<unlocked .*lock.* is not allowed: it must be a text", str(twin))
