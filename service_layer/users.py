"""The use cases of users. Each is one transaction, or a step of the caller's own if its unit of work is open."""

from dataclasses import dataclass
from uuid import UUID

from domain.seedwork.entity import new_id
from domain.seedwork.repository import Page
from domain.seedwork.rules import EmailAddress
from domain.user import EmailAlreadyTaken, User, UserId, UserIdAlreadyUsed, UserRegistered
from service_layer.seedwork.details import Details
from service_layer.seedwork.retry import retry_transient
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class UserDetails(Details):
    """A user as a use case returns it: plain values that nothing will change."""

    id: UserId
    name: str
    age: int
    email: str | None
    version: int


@retry_transient
def register_user(
    uow: UnitOfWork, *, name: str, age: int, email: str | None = None, user_id: UserId | None = None
) -> UserDetails:
    """Register a user, and publish it.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        name: 1 to 100 characters after trimming.
        age: 0 to 150 years.
        email: an address that no other user has.
        user_id: makes the request repeatable, as is needed after a CommitOutcomeUnknown: called again with the same
            values, it returns the user that is stored.
    Returns: the user as saved.
    Raises: InvalidValue, EmailAlreadyTaken, UserIdAlreadyUsed (the id belongs to a user with other values).
    """
    id = UserId(new_id()) if user_id is None else user_id
    user = User(id=id, name=name, age=age, email=None if email is None else EmailAddress(email))
    try:
        with uow:
            uow.users.add(user)
            uow.publish(UserRegistered(user_id=user.id))
            uow.commit()
    except (EmailAlreadyTaken, UserIdAlreadyUsed):
        # insert first, and look only after a refusal: most calls need one statement; either key may be reported
        if user_id is None:
            raise
        with uow.reading():
            found = uow.users.find(user_id)
        if found is None:
            raise
        if (found.name, found.age, found.email) != (user.name, user.age, user.email):
            raise UserIdAlreadyUsed from None
        return UserDetails.of(found)
    return UserDetails.of(user)


@retry_transient
def get_user(uow: UnitOfWork, user_id: UserId) -> UserDetails:
    """Return a user. Raises: UserNotFound."""
    with uow.reading():
        return UserDetails.of(uow.users.get(user_id))


@retry_transient
def find_user_by_email(uow: UnitOfWork, email: str) -> UserDetails | None:
    """Return the user with an e-mail address, or None. Raises: InvalidValue (not an address)."""
    with uow.reading():
        user = uow.users.by_email(EmailAddress(email))
        return UserDetails.of(user) if user else None


@retry_transient
def list_users(uow: UnitOfWork, *, after: UUID | None = None, limit: int = 50) -> Page[UserDetails]:
    """Return a page of users in order of id: that of registration, if their ids were made here.

    Args:
        uow: closed, or open in the caller.
        after: the ``next`` of the page before; None for the first page.
        limit: how many users at the most, 1 to 1000.
    Raises: InvalidValue (``after`` is not a UUID, or ``limit`` is out of range).
    """
    with uow.reading():
        return UserDetails.page_of(uow.users.page(after=after, limit=limit))


@retry_transient
def rename_user(uow: UnitOfWork, user_id: UserId, name: str, *, expected_version: int | None = None) -> UserDetails:
    """Give a user another name.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        user_id: the user's id.
        name: 1 to 100 characters after trimming.
        expected_version: the version that the caller has read; None to accept any version.
    Returns: the user as saved.
    Raises: UserNotFound, InvalidValue, VersionMismatch (somebody else saved the user since).
    """
    with uow:
        user = uow.users.get(user_id)
        user.expect_version(expected_version)
        user.rename(name)
        uow.commit()
    return UserDetails.of(user)


@retry_transient
def change_user_age(uow: UnitOfWork, user_id: UserId, age: int, *, expected_version: int | None = None) -> UserDetails:
    """Set a user's age: 0 to 150 years. Otherwise as ``rename_user``."""
    with uow:
        user = uow.users.get(user_id)
        user.expect_version(expected_version)
        user.change_age(age)
        uow.commit()
    return UserDetails.of(user)


@retry_transient
def change_user_email(
    uow: UnitOfWork, user_id: UserId, email: str | None, *, expected_version: int | None = None
) -> UserDetails:
    """Set a user's e-mail address; None takes it away. Otherwise as ``rename_user``; raises EmailAlreadyTaken too."""
    with uow:
        user = uow.users.get(user_id)
        user.expect_version(expected_version)
        user.change_email(None if email is None else EmailAddress(email))
        uow.commit()
    return UserDetails.of(user)


@retry_transient
def remove_user(uow: UnitOfWork, user_id: UserId, *, expected_version: int | None = None) -> UserDetails:
    """Remove a user, and return what it was. Raises: UserNotFound, VersionMismatch."""
    with uow:
        user = uow.users.get(user_id)
        user.expect_version(expected_version)
        uow.users.remove(user)
        uow.commit()
    return UserDetails.of(user)
