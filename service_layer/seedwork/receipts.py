"""The receipts of requests: what was asked for under a key, and what was answered."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KEY_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Receipt:
    """A request that was done."""

    request: str
    """A hash of what was asked for."""
    answer: Any  # JSON


class Receipts(ABC):
    """The stored receipts, inside a block of a unit of work."""

    @abstractmethod
    def fingerprint(self, *values: object, **named: object) -> str:
        """Return a hash of a request. Raises: UnitOfWorkMisuse (a value can't be compared, or be read twice)."""

    @abstractmethod
    def take(self, key: str, request: str) -> Receipt | None:
        """Return the receipt of a key; where there is none, begin one, and let others under this key wait."""

    @abstractmethod
    def keep(self, key: str, kind: Any, answer: object) -> None:  # Any: a type's annotation
        """Keep the answer. Raises: UnitOfWorkMisuse (JSON can't keep it)."""

    @abstractmethod
    def decoded(self, kind: Any, answer: Any) -> Any:  # Any: a type's annotation, JSON, and a value of that type
        """Return an answer as it was given. Raises: StoredValueUnreadable (it is not of that type any more)."""

    @abstractmethod
    def forget(self, before: datetime, limit: int) -> int:
        """Delete some receipts that are older; return how many."""
