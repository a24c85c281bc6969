"""The use cases of users. Each is one transaction, or a step of the caller's own if its unit of work is open."""

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, TypeVar
from uuid import UUID

from domain.seedwork.entity import checked_id, new_id
from domain.seedwork.errors import AlreadyExists, DomainError, InvalidValue
from domain.seedwork.repository import Page
from domain.user import EmailAddress, EmailAlreadyTaken, User, UserId, UserIdAlreadyUsed
from service_layer.seedwork.retry import retry_transient
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class UserDetails:
    """A user as a use case returns it: plain values that nothing will change."""

    id: UserId
    name: str
    age: int
    email: str | None
    version: int

    @classmethod
    def of(cls, user: User) -> Self:
        """Take down what the user is now."""
        return cls(user.id, user.name, user.age, user.email, user.version)


@retry_transient
def register_user(
    uow: UnitOfWork, *, name: str, age: int, email: str | None = None, user_id: UserId | None = None
) -> UserDetails:
    """Register a user.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        name: 1 to 100 characters after trimming.
        age: 0 to 150 years.
        email: an address that no other user has.
        user_id: makes the request repeatable, which answers a CommitOutcomeUnknown: again with the same values, it
            returns the user that is there.
    Returns: the user as saved.
    Raises: InvalidValue, EmailAlreadyTaken, UserIdAlreadyUsed (the id belongs to a user with other values).
    """
    address = None if email is None else EmailAddress(email)
    user = (
        User(name=name, age=age, email=address)
        if user_id is None
        else User(id=user_id, name=name, age=age, email=address)
    )
    try:
        with uow:
            uow.users.add(user)
            uow.commit()
    except (EmailAlreadyTaken, UserIdAlreadyUsed):
        # insert first, look on refusal only: the usual case stays one statement; either key may be reported
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
    """Return a page of users in order of id: that of registration, as far as ids are made here.

    Args:
        uow: closed, or open in the caller.
        after: the ``next`` of the page before; None for the first page.
        limit: how many users at the most, 1 to 1000.
    Raises: InvalidValue (``after`` is not a UUID, or ``limit`` is out of range).
    """
    with uow.reading():
        page = uow.users.page(after=after, limit=limit)
        return Page(tuple(map(UserDetails.of, page.items)), page.next)


@retry_transient
def rename_user(uow: UnitOfWork, user_id: UserId, name: str, *, expected_version: int | None = None) -> UserDetails:
    """Give a user another name.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        user_id: the user's id.
        name: 1 to 100 characters after trimming.
        expected_version: the version that the caller has read; None to change whatever is there.
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


# ---- many at once: not retried, for their input can't be read twice ------------------------------------------------

BATCH = 200
"""How many rows of an import go to the database at once."""

Row = TypeVar("Row", bound=Mapping[str, Any] | DomainError)  # Any: the rules of User judge the values


class RowRefused(DomainError):
    """A row of an import was refused, and with it the whole import."""

    def __init__(self, number: int, reason: DomainError) -> None:
        super().__init__(number, reason)
        self.number = number
        """Which row it was, counted from 1."""
        self.reason = reason
        """The rule that it breaks."""

    def __str__(self) -> str:
        return f"Row {self.number} is refused, so nothing is imported. {self.reason}"


class EmailRepeated(EmailAlreadyTaken):
    """An earlier row of the import has this e-mail address."""

    message = "An earlier row has this e-mail address already: each user needs one of its own, or none."


class UserIdRepeated(UserIdAlreadyUsed):
    """An earlier row of the import has this id."""

    message = "An earlier row has this id already: leave it out, and a new one is made."


def import_users(
    uow: UnitOfWork, rows: Iterable[Row], *, refused: Callable[[Row, DomainError], None] | None = None
) -> int:
    """Register many users: all of them, or none.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        rows: for each user its values by name: ``name``, ``age`` and, if it has them, ``email`` and ``id``. In place of
            a row that could not be read may stand the error that says why. They are not kept in memory.
        refused: called with each row that is refused and the reason, in order; the other rows are imported. Without
            it the first refused row ends the import.
    Returns: how many users were imported.
    Raises: RowRefused (by InvalidValue, EmailAlreadyTaken, UserIdAlreadyUsed; EmailRepeated or UserIdRepeated where
        it is not a user of before but an earlier row that has the same).
    """
    imported = array("q")  # the ids, by their hash: 8 bytes a row
    numbered = enumerate(rows, 1)
    with uow:
        while batch := list(islice(numbered, BATCH)):
            users: dict[int, _NewUser] = {}
            reasons: dict[int, DomainError] = {}
            for number, row in batch:
                try:
                    users[number] = _new_user(row)
                except DomainError as error:
                    reasons[number] = error
            try:
                with uow:
                    uow.users.insert_many(users.values())
                    uow.commit()
            except AlreadyExists:  # only now look who is there: most batches stay one statement
                reasons |= _duplicates(uow, users, imported)
                uow.users.insert_many(user for number, user in users.items() if number not in reasons)
            imported.extend(hash(user.id) for number, user in users.items() if number not in reasons)
            for number, row in batch if reasons else ():
                if reason := reasons.get(number):
                    if refused is None:
                        raise RowRefused(number, reason) from reason
                    refused(row, reason)
        uow.commit()
    return len(imported)


def export_users(uow: UnitOfWork, write: Callable[[UserDetails], object]) -> int:
    """Hand each user to ``write``, in order of id and as all of them are at one moment; return how many there are.

    They are not kept in memory. What ``write`` raises ends the export.
    """
    count = 0
    with uow.reading():
        for user in uow.users.stream():
            write(UserDetails.of(user))
            count += 1
    return count


@dataclass
class _NewUser:
    """Values that have passed the rules of a user: to make an entity that is mapped takes longer than to store it."""

    id: UserId
    name: str
    age: int
    email: EmailAddress | None


_COLUMNS = {"id", "version", *User.rules}


def _new_user(row: Mapping[str, Any] | DomainError) -> _NewUser:  # Any: the rules of a user judge the values
    if isinstance(row, DomainError):
        raise row
    if not row.keys() <= _COLUMNS:  # a version is allowed, and counts anew
        raise InvalidValue("row", dict(row), "it has a name and an age, and may have an email and an id")
    values: dict[str, Any] = {name: rule(row.get(name)) for name, rule in User.rules.items()}
    return _NewUser(id=UserId(new_id() if row.get("id") is None else checked_id(row["id"])), **values)


def _duplicates(uow: UnitOfWork, users: Mapping[int, _NewUser], imported: "array[int]") -> dict[int, DomainError]:
    """Return for each user whose id or e-mail address is taken the reason to refuse it."""
    rivals = uow.users.rivals(list(users.values()))
    ours = {hash(user.id) for user in rivals}.intersection(imported)
    from_a_row = {key: hash(user.id) in ours for user in rivals for key in (user.id, user.email)}
    reasons: dict[int, DomainError] = {}
    for number, user in users.items():
        if user.id in from_a_row:
            reasons[number] = UserIdRepeated() if from_a_row[user.id] else UserIdAlreadyUsed()
        elif user.email and user.email in from_a_row:
            reasons[number] = EmailRepeated() if from_a_row[user.email] else EmailAlreadyTaken()
        else:
            from_a_row |= {user.id: True, user.email: True}
    return reasons
