"""Users: the people whom a service knows, and the rules about them."""

import re
import unicodedata
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NewType, Protocol, Self
from uuid import UUID

from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import AlreadyExists, InvalidValue, NotFound
from domain.seedwork.repository import Repository

UserId = NewType("UserId", UUID)

NAME_MAX_LENGTH = 100
AGE_MAX = 150

_JOINERS = "\u200c\u200d"  # zero width non-joiner and zero width joiner
_VIRAMA = 9  # the combining class of the sign that joins two consonants, in the scripts of India and its neighbours
# Letters, marks and symbols that show nothing. Only their name in Unicode says so: they have no property for it.
_BLANK_NAMES = ("FILLER", "BLANK", "NULL NOTEHEAD", "GRAPHEME JOINER", "INHERENT AQ", "INHERENT AA")
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

    def __reduce__(self) -> tuple[Any, ...]:  # Any: as object has it
        """Copy and pickle the text as it is: the rule checks new values, and a stored one may be older than it."""
        return str.__new__, (type(self), str(self))


def _name(value: object) -> str:
    trimmed = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(trimmed) <= NAME_MAX_LENGTH or not _is_visible(trimmed):
        raise InvalidValue("name", value, f"it must be 1 to {NAME_MAX_LENGTH} visible characters on one line")
    return trimmed


def _is_visible(name: str) -> bool:
    """Whether every character can be seen, or is needed by its neighbours.

    Source: Unicode's general categories and names; for joiners RFC 5892, appendix A.1 and A.2.
    """
    if name.isascii():
        return name.isprintable()
    return all(map(_can_stand, " " + name, name, name[1:] + " "))


def _can_stand(before: str, character: str, after: str) -> bool:
    if character in _JOINERS:
        kinds = {unicodedata.bidirectional(before), unicodedata.bidirectional(after)}
        between_arabic_letters = "AL" in kinds and kinds <= {"AL", "NSM"}  # NSM: a mark on one
        return between_arabic_letters or _VIRAMA in map(unicodedata.combining, (before, after))
    if not character.isprintable():  # categories C* and Z*
        return unicodedata.category(character) == "Zs"  # a space of any width
    if before.isspace() and unicodedata.category(character).startswith("M"):
        return False  # a mark without a letter
    return not unicodedata.name(character, "").endswith(_BLANK_NAMES)


def _age(value: object) -> int:
    if type(value) is not int or not 0 <= value <= AGE_MAX:
        raise InvalidValue("age", value, f"it must be a whole number from 0 to {AGE_MAX}")
    return value


def _email(value: str | None) -> EmailAddress | None:
    return value if value is None or isinstance(value, EmailAddress) else EmailAddress(value)


@dataclass(eq=False, kw_only=True)
class User(Entity):
    """A person: a name of 1 to 100 characters, an age of 0 to 150 years, and an e-mail address that no other user has.

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
    def conflicting(self, candidates: Sequence[UserValues]) -> list[User]:
        """Return the users who have the id or the e-mail address of one of the candidates."""

    @abstractmethod
    def insert_many(self, entities: Iterable[UserValues]) -> None:
        """Insert new users, or other values that have passed the rules of a user. Otherwise as in every repository."""
