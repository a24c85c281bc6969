"""Users: the people whom a service knows, and the rules about them."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NewType, Protocol
from uuid import UUID

from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import AlreadyExists, NotFound
from domain.seedwork.events import Event
from domain.seedwork.repository import Repository
from domain.seedwork.rules import EmailAddress, email_address, optional, text, whole_number

UserId = NewType("UserId", UUID)

NAME_MAX_LENGTH = 100
AGE_MAX = 150


@dataclass(eq=False, kw_only=True)
class User(Entity):
    """A person: a name of 1 to 100 characters, an age of 0 to 150 years, and an e-mail address that no other user has.

    Raises: InvalidValue (a rule is broken), from the constructor, the methods and plain assignment alike.
    """

    rules = {
        "name": text("name", 1, NAME_MAX_LENGTH),
        "age": whole_number("age", 0, AGE_MAX),
        "email": optional(email_address("email")),
    }

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


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event, name="user registered", of=User):
    """A user was registered."""

    user_id: UserId


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
