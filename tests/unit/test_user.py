"""The rules of users. They need no mapper and no database."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import InvalidValue, VersionMismatch
from domain.seedwork.rules import EmailAddress
from domain.user import User, UserId, UserNotFound
from service_layer.users import UserDetails


def a_user(name: str = "John Doe", age: int = 30, email: EmailAddress | None = None) -> User:
    return User(name=name, age=age, email=email)


def test_a_user_has_an_id_from_birth_and_was_never_saved() -> None:
    user = User(name="John Doe", age=30)

    assert user.id.version == 7
    assert (user.name, user.age, user.email, user.version) == ("John Doe", 30, None, 0)


def test_users_are_equal_by_id_alone() -> None:
    john = a_user()
    same = User(id=john.id, name="Johnny", age=31)

    assert john == same
    assert hash(john) == hash(same)
    assert john != a_user()
    assert john != john.id


def test_a_user_survives_copying_and_pickling() -> None:
    john = a_user(email=EmailAddress("john@example.com"))

    for twin in (copy.deepcopy(john), pickle.loads(pickle.dumps(john))):
        assert twin == john
        assert (twin.name, twin.age, twin.email) == ("John Doe", 30, "john@example.com")


STORED = {"name": " \u3164 ", "age": -1, "email": str.__new__(EmailAddress, "José@example.com")}
"""Values that no rule allows any more."""

COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "the oldest pickle": lambda value: pickle.loads(pickle.dumps(value, 0)),
}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())


@copies
def test_a_user_is_copied_whatever_the_rules_say_today(copied: Callable[[User], User]) -> None:
    john = a_user()
    vars(john).update(STORED)

    twin = copied(john)

    assert twin == john
    assert asdict(twin) == asdict(john)
    assert type(twin.email) is EmailAddress


@copies
def test_details_are_copied_whatever_the_rules_say_today(copied: Callable[[UserDetails], UserDetails]) -> None:
    john = a_user()
    vars(john).update(STORED)
    details = UserDetails.of(john)

    assert copied(details) == details
    assert asdict(details) == STORED | {"id": john.id, "version": 0}


@copies
def test_an_address_is_copied_whatever_the_rule_says_today(copied: Callable[[EmailAddress], EmailAddress]) -> None:
    twin = copied(str.__new__(EmailAddress, "José@example.com"))

    assert (type(twin), twin) == (EmailAddress, "José@example.com")


def test_an_id_is_set_once() -> None:
    john = a_user()

    john.id = john.id
    with pytest.raises(InvalidValue, match=f"the entity keeps its id {john.id}"):
        john.id = UserId(new_id())


@pytest.mark.parametrize("name", ["J", "J" * 100, "  John Doe\n", "Zoë", "李"])
def test_a_name_of_1_to_100_characters_is_trimmed_and_kept(name: str) -> None:
    assert a_user(name=name).name == name.strip()


@pytest.mark.parametrize(
    "name",
    ["", "  \t", "J" * 101, "John\nDoe", "John\x00", "\ud800", "\u200b", "a\u2028b", "\u202ee", None, 7, b"John"],
    ids=ascii,
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(
        InvalidValue, match="is not allowed: it must be 1 to 100 visible characters on one line"
    ) as caught:
        a_user(name=name)

    assert (caught.value.field, caught.value.value) == ("name", name)


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
            a_user(name=name)


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
    assert a_user(name=name).name == name


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
        a_user(name=name)


@pytest.mark.parametrize("name", ["\ufe0f", "\u0301", "John \ufe0f"], ids=ascii)
def test_a_mark_without_a_letter_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="visible"):
        a_user(name=name)


@pytest.mark.parametrize("age", [0, 1, 150])
def test_an_age_of_0_to_150_is_kept(age: int) -> None:
    assert a_user(age=age).age == age


@pytest.mark.parametrize("age", [-1, 151, 30.0, "30", True, None])
def test_any_other_age_is_refused(age: int) -> None:
    with pytest.raises(InvalidValue, match=r"age .* is not allowed: it must be a whole number from 0 to 150\."):
        a_user(age=age)


@pytest.mark.parametrize(
    "address", ["a@b.co", "John.Doe+tag@Mail.Example.com", " j@x.org ", "o'neil@x-y.org", f"{'a' * 64}@{'b' * 63}.org"]
)
def test_a_well_formed_address_is_trimmed_and_lower_cased(address: str) -> None:
    assert EmailAddress(address) == address.strip().lower()


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
        EmailAddress(address)


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("age", 200), ("email", "john")], ids=["name", "age", "email"]
)
def test_plain_assignment_keeps_the_rules(field: str, value: object) -> None:
    john = a_user()
    before = vars(john).copy()

    with pytest.raises(InvalidValue, match=field):
        setattr(john, field, value)

    assert vars(john) == before


def test_methods_change_what_they_say_and_keep_the_rules() -> None:
    john = a_user()

    john.rename(" Johnny ")
    john.change_age(31)
    john.change_email(EmailAddress("j@x.org"))
    assert (john.name, john.age, john.email) == ("Johnny", 31, "j@x.org")

    john.change_email(None)
    assert john.email is None
    with pytest.raises(InvalidValue):
        john.rename("")
    with pytest.raises(InvalidValue):
        john.change_age(-1)


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidValue) as caught:
        a_user(name="x" * 10_000)

    assert len(str(caught.value)) < 200


def test_a_value_that_cannot_be_shown_is_refused_by_its_type() -> None:
    with pytest.raises(InvalidValue, match="age <int.*> is not allowed"):
        a_user(age=10**5000)

    with pytest.raises(VersionMismatch, match="not <int"):
        a_user().expect_version(10**5000)


def test_the_version_that_a_caller_read_must_be_the_present_one() -> None:
    john = a_user()

    john.expect_version(None)
    john.expect_version(0)
    for version in ("0", False, 0.0):
        with pytest.raises(VersionMismatch):
            john.expect_version(version)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(VersionMismatch, match=f"User {john.id} has version 0, not 3: read it again") as caught:
        john.expect_version(3)
    assert (caught.value.expected, caught.value.found) == (3, 0)


def test_a_missing_user_is_named_with_its_id() -> None:
    missing = new_id()

    assert str(UserNotFound(missing)) == f"User {missing} does not exist."
