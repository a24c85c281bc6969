"""Users: the people whom a service knows, and the rules about them."""

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NewType, Protocol, Self
from uuid import UUID

from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import AlreadyExists, InvalidValue, NotFound
from domain.seedwork.repository import Repository

UserId = NewType("UserId", UUID)

NAME_MAX_LENGTH = 100
AGE_MAX = 150

# no control signs, no line breaks, nothing invisible or that turns the direction of reading, no lone surrogates
_NOT_IN_A_NAME = r"\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
_NAME = re.compile(rf"[^{_NOT_IN_A_NAME}]{{1,{NAME_MAX_LENGTH}}}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


class EmailAddress(str):
    """A well-formed e-mail address in lower case: text that has passed the rule.

    Raises: InvalidValue (not an address of ASCII letters, or longer than 254 characters).
    Source: RFC 5322, section 3.2.3 (dot-atom); the lengths from RFC 5321, section 4.5.3.1.
    """

    __slots__ = ()

    MAX_LENGTH: ClassVar[int] = 254

    def __new__(cls, value: str) -> Self:
        """Check ``value``, trim it and write it in lower case."""
        trimmed = value.strip() if isinstance(value, str) else ""
        if len(trimmed) > cls.MAX_LENGTH or not _ADDRESS.fullmatch(trimmed):
            raise InvalidValue("email", value, "write it like john@example.com")
        return super().__new__(cls, trimmed.lower())


def _name(value: object) -> str:
    trimmed = value.strip() if isinstance(value, str) else ""
    if not _NAME.fullmatch(trimmed):
        raise InvalidValue("name", value, f"it must be 1 to {NAME_MAX_LENGTH} visible characters on one line")
    return trimmed


def _age(value: object) -> int:
    if type(value) is not int or not 0 <= value <= AGE_MAX:
        raise InvalidValue("age", value, f"it must be a whole number from 0 to {AGE_MAX}")
    return value


def _email(value: str | None) -> EmailAddress | None:
    return value if value is None or isinstance(value, EmailAddress) else EmailAddress(value)


@dataclass(eq=False, kw_only=True)
class User(Entity):
    """A person: a name of 1 to 100 characters, an age of 0 to 150 years, and an e-mail address that nobody shares.

    Raises: InvalidValue (a rule is broken), from the constructor, the methods and plain assignment alike.
    """

    rules = {"name": _name, "age": _age, "email": _email}

    id: UserId = field(default_factory=lambda: UserId(new_id()))
    name: str
    age: int
    email: EmailAddress | None = None

    def rename(self, name: str) -> None:
        """Give the user another name."""
        self.name = name

    def change_age(self, age: int) -> None:
        """Set the age, in years."""
        self.age = age

    def change_email(self, email: EmailAddress | None) -> None:
        """Set the e-mail address; None takes it away."""
        self.email = email


class UserValues(Protocol):
    """What ``User`` is made of: a user, or other values that have passed its rules."""

    id: UserId
    name: str
    age: int
    email: EmailAddress | None


class UserNotFound(NotFound):
    """No user has this id."""


class EmailAlreadyTaken(AlreadyExists):
    """Another user has this e-mail address."""

    message = "This e-mail address belongs to another user already: use another one, or change that user's first."


class UserIdAlreadyUsed(AlreadyExists):
    """Another user has this id."""

    message = "A user has this id already: leave it out, and a new one is made."


class UserRepository(Repository[User, UserId]):
    """All users."""

    not_found = UserNotFound

    def by_email(self, email: EmailAddress) -> User | None:
        """Return the user with this e-mail address, or None."""
        return self._one(email=email)

    @abstractmethod
    def rivals(self, candidates: Sequence[UserValues]) -> list[User]:
        """Return the users who have the id or the e-mail address of one of the candidates."""

    @abstractmethod
    def insert_many(self, entities: Iterable[UserValues]) -> None:
        """Insert new users, or other values that have passed the rules of a user. Otherwise as in every repository."""
