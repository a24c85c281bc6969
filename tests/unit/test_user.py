"""The rules of users. They need no mapper and no database."""

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import InvalidValue
from domain.seedwork.rules import EmailAddress
from domain.user import User, UserNotFound


def a_user(name: str = "John Doe", age: int = 30, email: EmailAddress | None = None) -> User:
    return User(name=name, age=age, email=email)


def test_a_user_has_an_id_from_birth_and_was_never_saved() -> None:
    user = User(name="John Doe", age=30)

    assert user.id.version == 7
    assert (user.name, user.age, user.email, user.version) == ("John Doe", 30, None, 0)


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


@pytest.mark.parametrize("age", [0, 1, 150])
def test_an_age_of_0_to_150_is_kept(age: int) -> None:
    assert a_user(age=age).age == age


@pytest.mark.parametrize("age", [-1, 151, 30.0, "30", True, None])
def test_any_other_age_is_refused(age: int) -> None:
    with pytest.raises(InvalidValue, match=r"age .* is not allowed: it must be a whole number from 0 to 150\."):
        a_user(age=age)


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


def test_a_missing_user_is_named_with_its_id() -> None:
    missing = new_id()

    assert str(UserNotFound(missing)) == f"User {missing} does not exist."
