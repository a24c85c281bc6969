"""Import and export of many users. Neither is retried: rows can't be read twice, and written rows not be taken back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from domain.seedwork.entity import checked_id, new_id
from domain.seedwork.errors import AlreadyExists, DomainError, InvalidValue
from domain.seedwork.repository import BATCH
from domain.seedwork.rules import EmailAddress
from domain.user import EmailAlreadyTaken, User, UserId, UserIdAlreadyUsed
from service_layer.unit_of_work import UnitOfWork
from service_layer.users import UserDetails

TRIES = 3
"""How often a batch is tried as a whole; after that its rows go one by one."""

Row = TypeVar("Row", bound=Mapping[str, Any] | DomainError)  # Any: the rules of User check the values


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


def import_users(
    uow: UnitOfWork, rows: Iterable[Row], *, refused: Callable[[Row, DomainError], None] | None = None
) -> int:
    """Register many users: all of them, or none. It publishes nothing.

    Args:
        uow: closed, or open in the caller: then this is a step of that block.
        rows: for each user its values by name: ``name``, ``age`` and, if it has them, ``email`` and ``id``. In place of
            a row that could not be read, the error that says why. They are not kept in memory.
        refused: called with each row that is refused and the reason, in order; the other rows are imported. Without
            it the first refused row ends the import.
    Returns: how many users were imported.
    Raises: RowRefused (by InvalidValue, or by EmailAlreadyTaken or UserIdAlreadyUsed: the user who has the value may be
        that of an earlier row, or one whom somebody registered during the import).
    """
    imported = 0
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
            reasons |= _insert(uow, users)
            imported += len(batch) - len(reasons)
            for number, row in batch if reasons else ():
                if reason := reasons.get(number):
                    if refused is None:
                        raise RowRefused(number, reason) from reason
                    refused(row, reason)
        uow.commit()
    return imported


def export_users(uow: UnitOfWork, write: Callable[[UserDetails], object]) -> int:
    """Call ``write`` with each user, in order of id and as all of them are at one moment; return how many there are.

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


def _new_user(row: Mapping[str, Any] | DomainError) -> _NewUser:  # Any: the rules of a user check the values
    if isinstance(row, DomainError):
        raise row
    if not row.keys() <= _COLUMNS:  # a version is allowed, and ignored
        raise InvalidValue("row", dict(row), "it has a name and an age, and may have an email and an id")
    values: dict[str, Any] = {name: rule(row.get(name)) for name, rule in User.rules.items()}
    return _NewUser(id=UserId(new_id() if row.get("id") is None else checked_id(row["id"])), **values)


def _insert(uow: UnitOfWork, users: dict[int, _NewUser]) -> dict[int, DomainError]:
    """Insert users; return the reasons why some can't be inserted, by the numbers of their rows."""
    reasons: dict[int, DomainError] = {}
    for _ in range(TRIES):
        users = {number: user for number, user in users.items() if number not in reasons}
        try:
            _insert_all(uow, users.values())
        except AlreadyExists:  # look for conflicting users only now: most batches need one statement
            reasons |= _taken(uow, users)
        else:
            return reasons
    # Each time others have registered users in between; or the isolation level hides those users.
    for number, user in users.items():
        if number not in reasons:
            try:
                _insert_all(uow, [user])
            except AlreadyExists as error:
                reasons[number] = error
    return reasons


def _insert_all(uow: UnitOfWork, users: Iterable[_NewUser]) -> None:
    with uow:
        uow.users.insert_many(users)
        uow.commit()


def _taken(uow: UnitOfWork, users: Mapping[int, _NewUser]) -> dict[int, DomainError]:
    """Return the reason for each whose id or e-mail address belongs to a stored user, or to an earlier one of them."""
    taken = {key for user in uow.users.conflicting(list(users.values())) for key in (user.id, user.email)}
    reasons: dict[int, DomainError] = {}
    for number, user in users.items():
        if user.id in taken:
            reasons[number] = UserIdAlreadyUsed("id")
        elif user.email and user.email in taken:
            reasons[number] = EmailAlreadyTaken("email")
        else:
            taken |= {user.id, user.email}
    return reasons
