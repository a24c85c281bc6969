"""The rules of users. They need no mapper and no database."""

import pytest

from domain.seedwork.errors import InvalidValue
from domain.seedwork.rules import EmailAddress
from domain.user import User
from tests.seedwork.examples import check_refused


def a_user(name: str = "John Doe", age: int = 30, email: EmailAddress | None = None) -> User:
    return User(name=name, age=age, email=email)


def test_a_user_has_an_id_from_birth_and_was_never_saved() -> None:
    user = User(name="John Doe", age=30)

    assert user.id.version == 7
    assert (user.name, user.age, user.email, user.version) == ("John Doe", 30, None, 0)


@pytest.mark.parametrize("name", ["J", "J" * 100, "  John Doe\n", "Zoë", "李"])
def test_a_name_of_1_to_100_characters_is_trimmed_and_kept(name: str) -> None:
    assert a_user(name=name).name == name.strip()


@pytest.mark.parametrize("age", [0, 1, 150])
def test_an_age_of_0_to_150_is_kept(age: int) -> None:
    assert a_user(age=age).age == age


def test_what_breaks_a_rule_is_refused() -> None:
    check_refused(User, name=["", "J" * 101, "John\nDoe"], age=[-1, 151, "30"], email=["john"])


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
