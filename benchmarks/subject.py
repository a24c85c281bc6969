"""The port of the benchmark: what every subject does with users, each in its own way."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar
from uuid import UUID

NAME, AGE = "John Doe", 30
PAGE = 50


class Subject(ABC):
    """One way to keep users in a database that ``alembic`` has migrated.

    Every method but ``make`` is one transaction. A subject that has no means of its own for the last three leaves them
    out.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, url: str) -> None: ...

    @abstractmethod
    def register(self) -> UUID:
        """Save a new user, and read its id afterwards."""

    @abstractmethod
    def get(self, id: UUID) -> int:
        """Return the age of a user."""

    @abstractmethod
    def change(self, id: UUID, age: int) -> int:
        """Get a user, change its age, save it if its version is still the one that was read; return the new version."""

    @abstractmethod
    def remove(self, id: UUID) -> None:
        """Get a user, and remove it."""

    @abstractmethod
    def page(self, after: UUID) -> int:
        """Get the 50 users that follow an id, in order of id, and return how many they are."""

    def make(self, count: int) -> Iterator[Any]:  # Any: what a user is, is each subject's own affair
        """Make new users."""
        raise NotImplementedError

    def insert(self, users: Iterable[Any]) -> None:
        """Save many new users at once."""
        raise NotImplementedError

    def stream(self, write: Callable[[int], object]) -> None:
        """Go through all users in order of id and in constant memory, and hand on the age of each."""
        raise NotImplementedError
