"""The use cases of users, on every implementation."""

from collections.abc import Callable
from dataclasses import asdict

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import InvalidValue, VersionMismatch
from domain.seedwork.rules import EmailAddress
from domain.user import EmailAlreadyTaken, User, UserId, UserIdAlreadyUsed, UserNotFound
from service_layer import users
from service_layer.unit_of_work import UnitOfWork
from service_layer.user_import import export_users
from service_layer.users import UserDetails
from tests.seedwork.backends import NewUnit

CHANGES: dict[str, Callable[..., UserDetails]] = {
    "rename": lambda uow, user_id, **options: users.rename_user(uow, user_id, "Johnny", **options),
    "change age": lambda uow, user_id, **options: users.change_user_age(uow, user_id, 31, **options),
    "change e-mail": lambda uow, user_id, **options: users.change_user_email(uow, user_id, "j@x.org", **options),
    "remove": lambda uow, user_id, **options: users.remove_user(uow, user_id, **options),
}
changes = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@pytest.fixture
def john(new_unit: NewUnit[UnitOfWork]) -> UserDetails:
    return users.register_user(new_unit(), name="John Doe", age=30, email="john@example.com")


def test_a_registered_user_can_be_got_and_found(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    john = users.register_user(uow, name=" John Doe ", age=30, email="John@Example.com")

    assert john == UserDetails(id=john.id, name="John Doe", age=30, email="john@example.com", version=1)
    assert users.get_user(new_unit(), john.id) == john
    assert users.find_user_by_email(new_unit(), "JOHN@example.com") == john


def test_an_unknown_user_is_refused_with_its_id(uow: UnitOfWork) -> None:
    unknown = UserId(new_id())

    with pytest.raises(UserNotFound, match=f"User {unknown} does not exist"):
        users.get_user(uow, unknown)


@changes
def test_no_change_of_an_unknown_user(uow: UnitOfWork, change: Callable[..., UserDetails]) -> None:
    with pytest.raises(UserNotFound):
        change(uow, new_id())


def test_an_address_that_no_user_has_finds_none(uow: UnitOfWork) -> None:
    assert users.find_user_by_email(uow, "nobody@example.com") is None


def test_changes_are_saved_and_counted(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails) -> None:
    users.rename_user(uow, john.id, "Johnny")
    users.change_user_age(uow, john.id, 31)
    changed = users.change_user_email(uow, john.id, "Johnny@example.com")

    assert changed == UserDetails(john.id, "Johnny", 31, "johnny@example.com", version=4)
    assert users.get_user(new_unit(), john.id) == changed


def test_a_change_to_the_same_value_counts_for_nothing(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails
) -> None:
    assert users.change_user_age(uow, john.id, 30) == john
    assert users.get_user(new_unit(), john.id) == john


def test_an_address_can_be_taken_away_and_is_free_then(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails
) -> None:
    assert users.change_user_email(uow, john.id, None).email is None

    jane = users.register_user(uow, name="Jane Roe", age=28, email="john@example.com")

    assert users.find_user_by_email(new_unit(), "john@example.com") == jane


def test_a_removed_user_is_gone(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails) -> None:
    assert users.remove_user(uow, john.id) == john

    with pytest.raises(UserNotFound):
        users.get_user(new_unit(), john.id)


@changes
def test_a_change_made_on_the_version_that_was_read_is_saved(
    uow: UnitOfWork, john: UserDetails, change: Callable[..., UserDetails]
) -> None:
    assert change(uow, john.id, expected_version=john.version).id == john.id


@changes
def test_a_change_made_on_an_old_version_is_refused(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails, change: Callable[..., UserDetails]
) -> None:
    present = users.change_user_age(uow, john.id, 40)

    with pytest.raises(VersionMismatch, match="has version 2, not 1"):
        change(uow, john.id, expected_version=john.version)

    assert users.get_user(new_unit(), john.id) == present


def test_an_address_belongs_to_one_user(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails) -> None:
    jane = users.register_user(uow, name="Jane Roe", age=28)

    with pytest.raises(EmailAlreadyTaken):
        users.register_user(uow, name="Jim Joe", age=44, email="JOHN@example.com")
    with pytest.raises(EmailAlreadyTaken):
        users.change_user_email(uow, jane.id, "john@example.com")

    assert users.list_users(new_unit()).items == (john, jane)


@pytest.mark.parametrize(("name", "age", "email"), [("", 30, None), ("John", 151, None), ("John", 30, "john")])
def test_a_user_who_breaks_a_rule_is_not_registered(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], name: str, age: int, email: str | None
) -> None:
    with pytest.raises(InvalidValue):
        users.register_user(uow, name=name, age=age, email=email)

    assert users.list_users(new_unit()).items == ()


# ---- a request that may be repeated -------------------------------------------------------------------------------


def test_a_registration_with_an_id_may_be_repeated(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    user_id = UserId(new_id())
    first = users.register_user(uow, name="John Doe", age=30, email="john@example.com", user_id=user_id)

    again = users.register_user(uow, name=" John Doe", age=30, email="John@example.com", user_id=user_id)

    assert first == again == UserDetails(user_id, "John Doe", 30, "john@example.com", 1)
    assert users.list_users(new_unit()).items == (first,)


def test_a_registration_is_not_repeated_with_other_values(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    user_id = UserId(new_id())
    first = users.register_user(uow, name="John Doe", age=30, email="john@example.com", user_id=user_id)

    for name, age, email in (("Jim", 30, "john@example.com"), ("John Doe", 31, None), ("John Doe", 30, "other@x.org")):
        with pytest.raises(UserIdAlreadyUsed, match="leave it out"):
            users.register_user(uow, name=name, age=age, email=email, user_id=user_id)

    assert users.list_users(new_unit()).items == (first,)


def test_a_taken_address_is_refused_with_a_new_id_too(uow: UnitOfWork, john: UserDetails) -> None:
    with pytest.raises(EmailAlreadyTaken):
        users.register_user(uow, name=john.name, age=john.age, email=john.email, user_id=UserId(new_id()))


def test_a_repeated_registration_is_a_step_that_does_not_fail_the_block_around_it(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]
) -> None:
    user_id = UserId(new_id())
    with uow:
        first = users.register_user(uow, name="John Doe", age=30, user_id=user_id)
        again = users.register_user(uow, name="John Doe", age=30, user_id=user_id)
        jane = users.register_user(uow, name="Jane Roe", age=28)
        uow.commit()

    assert again == first
    assert users.list_users(new_unit()).items == (first, jane)


# ---- use cases as steps of a block --------------------------------------------------------------------------------


def test_use_cases_compose_into_one_atomic_step(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails
) -> None:
    with pytest.raises(UserNotFound), uow:
        jane = users.register_user(uow, name="Jane Roe", age=28)
        users.change_user_age(uow, john.id, 31)
        assert users.get_user(uow, john.id).age == 31
        assert users.list_users(uow).items[1] == jane
        users.remove_user(uow, UserId(new_id()))

    assert users.list_users(new_unit()).items == (john,)


def test_a_refused_step_can_be_handled_and_the_others_saved(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], john: UserDetails
) -> None:
    with uow:
        jane = users.register_user(uow, name="Jane Roe", age=28)
        with pytest.raises(EmailAlreadyTaken):
            users.register_user(uow, name="Jim Joe", age=44, email="john@example.com")
        uow.commit()

    assert users.list_users(new_unit()).items == (john, jane)


# ---- pages --------------------------------------------------------------------------------------------------------


def test_pages_hold_all_users_once_in_the_order_of_their_ids(uow: UnitOfWork, new_unit: NewUnit[UnitOfWork]) -> None:
    registered = [users.register_user(uow, name=f"User {n}", age=n) for n in range(7)]

    first = users.list_users(new_unit(), limit=3)
    second = users.list_users(new_unit(), after=first.next, limit=3)
    last = users.list_users(new_unit(), after=second.next, limit=3)

    assert [*first.items, *second.items, *last.items] == sorted(registered, key=lambda user: user.id)
    assert (first.next, second.next, last.next) == (first.items[-1].id, second.items[-1].id, None)


# ---- what the database repeats ------------------------------------------------------------------------------------


@pytest.fixture
def jose(new_unit: NewUnit[UnitOfWork]) -> UserDetails:
    """A user whose address was stored when the rule allowed it."""
    user = User(name="José", age=30)
    vars(user)["email"] = str.__new__(EmailAddress, "josé@example.com")
    with new_unit() as uow:
        uow.users.add(user)
        uow.commit()
    return UserDetails.of(user)


def test_what_is_stored_is_shown_whatever_the_rule_says_today(
    uow: UnitOfWork, new_unit: NewUnit[UnitOfWork], jose: UserDetails
) -> None:
    exported: list[UserDetails] = []
    export_users(uow, exported.append)

    assert jose.email == "josé@example.com"
    assert users.get_user(uow, jose.id) == jose
    assert list(users.list_users(new_unit()).items) == exported == [jose]
    assert asdict(exported[0]) == asdict(jose)


@changes
def test_what_is_stored_is_changed_whatever_the_rule_says_today(
    uow: UnitOfWork, jose: UserDetails, change: Callable[..., UserDetails]
) -> None:
    assert change(uow, jose.id).id == jose.id
