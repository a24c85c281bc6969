"""The rules that fields share, what use cases return, and what commands read: without an aggregate of yours."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from itertools import count
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import typer

from adapters.seedwork.cli.options import given
from adapters.seedwork.cli.values import parse_as, parse_day, parse_decimal, parse_json, parse_moment
from adapters.seedwork.types import EmailType, EnumType
from domain.seedwork import rules
from domain.seedwork.errors import InvalidValue
from service_layer.seedwork.details import Details, assign, checked_references
from service_layer.seedwork.errors import ConcurrencyConflict, ReferenceViolated, UnitOfWorkMisuse


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    ONE = 1


NAME = rules.text("name", 1, 100)
NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
EAST, WEST = timezone(timedelta(hours=5)), timezone(timedelta(hours=-5))
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [
        (rules.text("label", 1, 3), " abc ", "abc"),
        (rules.whole_number("n", 1, 3), 3, 3),
        (rules.whole_number("n"), rules.INTEGER_MIN, rules.INTEGER_MIN),
        (rules.decimal("n", 3, 1), Decimal("99.90"), Decimal("99.9")),
        (rules.decimal("n", 3, 1), Decimal("-0"), Decimal("0.0")),
        (rules.decimal("n", 40, 10), Decimal("9" * 30 + "." + "9" * 10), Decimal("9" * 30 + "." + "9" * 10)),
        (rules.decimal("n", 40, 10), Decimal("-1" + "0" * 29), Decimal("-1" + "0" * 29 + "." + "0" * 10)),
        (rules.boolean("b"), False, False),
        (rules.day("d"), date(2026, 2, 3), date(2026, 2, 3)),
        (rules.moment("m"), NOON.astimezone(timezone(timedelta(hours=2))), NOON),
        (rules.uuid("u"), UUID(int=1), UUID(int=1)),
        (rules.email_address("e"), " A@Example.com", "a@example.com"),
        (rules.json_object("j"), {"a": [1, None]}, {"a": [1, None]}),
        (rules.one_of("c", Colour), "red", Colour.RED),
        (rules.optional(rules.day("d")), None, None),
        (rules.optional(rules.day("d")), date(2026, 2, 3), date(2026, 2, 3)),
    ],
    ids=count(),
)
def test_a_value_that_a_rule_allows_is_kept(rule: rules.Rule[Any], value: object, kept: object) -> None:
    assert (rule(value), str(rule(value))) == (kept, str(kept))


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (rules.text("field", 1, 3), ["", " ", "abcd", "a\nb", None, 7]),
        (rules.whole_number("field", 1, 3), [0, 4, True, 1.0, "1", None]),
        (rules.whole_number("field"), [2**31]),
        (rules.decimal("field", 3, 1), [Decimal(100), Decimal("0.01"), Decimal("NaN"), Decimal("Infinity"), 1, 0.5]),
        (rules.decimal("field", 40, 10), [Decimal("1E+30"), Decimal("1E-11"), Decimal("9" * 30 + "." + "9" * 11)]),
        (rules.decimal("field", 3, 1), [Decimal("99.99"), Decimal("sNaN"), Decimal("1E+999999"), Decimal("1E-999999")]),
        (rules.boolean("field"), [0, "true", None]),
        (rules.day("field"), [NOON, "2026-02-03", None]),
        (rules.moment("field"), [NOON.replace(tzinfo=None), date(2026, 2, 3), None]),
        (rules.moment("field"), [datetime.min.replace(tzinfo=EAST), datetime.max.replace(tzinfo=WEST)]),
        (rules.uuid("field"), [str(UUID(int=1)), 1, None]),
        (rules.email_address("field"), ["john", None]),
        (
            rules.json_object("field"),
            [[], {1: 2}, {"a": NOON}, {"a": float("nan")}, {"a": DEEP}, {"a": "\ud800"}, {"\ud800": 1}, None],
        ),
        (rules.one_of("field", Colour), ["green", None, DEEP]),
        (rules.one_of("field", Size), [3, Decimal("sNaN")]),
    ],
    ids=count(),
)
def test_any_other_value_is_refused_with_the_fields_name(rule: rules.Rule[Any], values: list[object]) -> None:
    for value in values:
        with pytest.raises(InvalidValue, match="^field "):
            rule(value)


@pytest.mark.parametrize(
    "blank",
    [
        *(
            "\x7f",
            "\x85",
            "\u00ad",
            "\u061c",
            "\u180e",
            "\u2060",
            "\u2064",
            "\ufeff",
            "\U000e0001",
            "\U000e0041",
        ),  # Cc, Cf
        *("\udfff", "\ue000", "\U00100000", "\u0378", "\ufdd0", "\u2028", "\u2029"),  # Cs, Co, Cn, Zl, Zp
        *(
            "\u115f",
            "\u1160",
            "\u3164",
            "\uffa0",
            "\u2800",
            "\U0001d159",
            "\u034f",
            "\u17b4",
        ),  # letters that show nothing
    ],
    ids=ascii,
)
def test_a_character_that_cannot_be_seen_is_in_no_name(blank: str) -> None:
    for name in (blank, f"John{blank}Doe", f"Zoë{blank}Roe"):
        with pytest.raises(InvalidValue, match="visible"):
            NAME(name)


@pytest.mark.parametrize(
    "name",
    [
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",  # Persian, a non-joiner between letters
        "\u0631\u064e\u200c\u0636\u0627",  # after a vowel sign
        "\u0dc1\u0dca\u200d\u0dbb\u0dd3",  # Sinhala, a joiner after the virama
        "\u0995\u09cd\u09b0\u200d\u09cd\u09af\u09be",  # Bengali, a joiner before it
        "\u0d15\u0d41\u0d2e\u0d3e\u0d30\u0d4d\u200d",  # Malayalam, at the end of the word
        "\u5c71\u7530\u3000\u592a\u90ce",  # Japanese, a space of full width
        "\u845b\U000e0100\u57ce",  # a variation selector
        "J\u0301ohn",
        "Jean\u00a0Luc",
        "O\u2019Neil",
    ],
    ids=ascii,
)
def test_what_names_need_is_kept(name: str) -> None:
    assert NAME(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "\u200d",
        "\u200c",
        "Jo\u200dhn",
        "\u5c71\u200d\u7530",
        "\u0639\u0644\u06cc\u200c",
        "\u0639 \u200c\u0639",
        "e\u0301\u200de\u0301",
    ],
    ids=ascii,
)
def test_a_joiner_that_joins_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="visible"):
        NAME(name)


@pytest.mark.parametrize("name", ["\ufe0f", "\u0301", "John \ufe0f"], ids=ascii)
def test_a_mark_without_a_letter_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="visible"):
        NAME(name)


@pytest.mark.parametrize(
    "address", ["a@b.co", "John.Doe+tag@Mail.Example.com", " j@x.org ", "o'neil@x-y.org", f"{'a' * 64}@{'b' * 63}.org"]
)
def test_a_well_formed_address_is_trimmed_and_lower_cased(address: str) -> None:
    assert rules.EmailAddress(address) == address.strip().lower()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "john",
        "john@",
        "@example.com",
        "john@localhost",
        "john doe@example.com",
        "john@@example.com",
        "john..doe@example.com",
        ".john@example.com",
        "john@-example.com",
        "john@example..com",
        "john@exämple.com",
        "\u212a@example.com",
        "john@example.com\nbcc: all@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 64}.com",
        f"a@{'b.' * 126}com",
        None,
    ],
)
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidValue, match=r"write it like john@example\.com"):
        rules.EmailAddress(address)


@dataclass(frozen=True, slots=True)
class StepDetails(Details):
    name: str


@dataclass(frozen=True, slots=True)
class PathDetails(Details):
    tags: dict[str, Any]
    steps: tuple[StepDetails, ...]


def test_details_are_taken_by_the_names_of_fields_and_nothing_changes_them() -> None:
    path = SimpleNamespace(tags={"a": [1]}, steps=[SimpleNamespace(name="up"), SimpleNamespace(name="down")])

    details = PathDetails.of(path)
    path.tags["a"].append(2)
    path.steps.clear()

    assert details == PathDetails({"a": [1]}, (StepDetails("up"), StepDetails("down")))


def test_only_attributes_that_are_there_are_assigned() -> None:
    thing = SimpleNamespace(name="up")

    assign(thing, {"name": "down"})
    with pytest.raises(UnitOfWorkMisuse, match="has no nmae"):
        assign(thing, {"nmae": "left"})

    assert vars(thing) == {"name": "down"}


def test_a_reference_that_is_lost_to_a_race_is_a_conflict() -> None:
    with pytest.raises(ConcurrencyConflict), checked_references():
        raise ReferenceViolated


def test_an_enumeration_is_stored_as_its_value() -> None:
    column: Any = EnumType(Colour)  # Any: no statement is made, so there is no dialect

    assert (column.impl.length, column.process_bind_param(Colour.RED, None)) == (4, "red")
    assert column.process_result_value("blue", None) is Colour.BLUE
    assert (column.process_bind_param(None, None), column.process_result_value(None, None)) == (None, None)


def test_an_address_that_was_stored_under_an_older_rule_is_loaded_as_it_is() -> None:
    column: Any = EmailType()  # Any: as above
    found = column.process_result_value("john@localhost", None)

    assert (type(found), found) == (rules.EmailAddress, "john@localhost")
    assert column.process_result_value(None, None) is None


def test_options_that_are_not_given_are_left_out_and_others_are_taken_away() -> None:
    assert given(["born-on"], name="John", age=None, born_on=None) == {"name": "John", "born_on": None}


@pytest.mark.parametrize("unset", ["name", "unknown"])
def test_what_has_a_value_or_is_unknown_is_not_taken_away(unset: str) -> None:
    with pytest.raises(typer.BadParameter, match="no value to take away"):
        given([unset], name="John")


def test_texts_of_a_command_line_are_read() -> None:
    assert parse_day("2026-02-03") == date(2026, 2, 3)
    assert parse_moment("2026-02-03T12:00:00Z") == NOON
    assert parse_decimal("12.50") == Decimal("12.50")
    assert parse_json('{"a": 1}') == {"a": 1}
    assert parse_as(StepDetails)('{"name": "up"}') == StepDetails("up")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_day, "3.2.2026"),
        (parse_moment, "noon"),
        (parse_moment, "2026-02-03T12:00:00"),
        (parse_decimal, "1_0"),
        (parse_json, "{a}"),
        pytest.param(parse_json, "[" * 100_000, id="nested too deeply"),
        (parse_as(StepDetails), "{}"),
        (parse_as(tuple[StepDetails, ...]), '[{"name": "up"}, {"name": "down", "nmae": "x"}]'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_texts_are_refused(parse: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like|name: Field required|1\.nmae: There is no such field"):
        parse(text)
