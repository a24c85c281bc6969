"""What the domain refuses, for every aggregate.

DomainError
├── InvalidValue      a value breaks a rule
├── NotFound          no entity has this id
├── AlreadyExists     a value that must be unique is in use
└── VersionMismatch   somebody else saved the entity first

Each keeps its constructor's arguments as ``args``, so that errors survive pickling between processes.
"""

import pickle
from reprlib import Repr
from typing import ClassVar, Self
from uuid import UUID

_short = Repr()
_short.maxstring = _short.maxother = 60


def short_repr(value: object) -> str:
    """Return the repr of any value, shortened for a message."""
    try:
        return _short.repr(value)
    except Exception:  # a __repr__ may raise anything; that of an int of more than 4300 digits does, in older Pythons
        return f"<{type(value).__name__}>"


class DomainError(Exception):
    """A business rule refused the request; the same request will be refused again."""

    def __str__(self) -> str:
        return super().__str__() or type(self).__name__  # one that stands for a constraint may have no arguments


class InvalidValue(DomainError, ValueError):
    """A value breaks a rule."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__(field, value, rule)
        self.field = field
        """The name of the value, as the caller knows it."""
        self.value = value
        """What was refused."""
        self.rule = rule
        """What is allowed, as a clause: 'it must be ...'."""

    def __reduce__(self) -> tuple[type[Self], tuple[str, object, str]]:
        try:
            pickle.dumps(self.value)
        except Exception:  # whatever the value raises: without it the error must reach the other process
            return type(self), (self.field, short_repr(self.value), self.rule)
        return type(self), (self.field, self.value, self.rule)

    def __str__(self) -> str:
        return f"{self.field} {short_repr(self.value)} is not allowed: {self.rule}."


class NotFound(DomainError, LookupError):
    """No entity has this id. A subclass is named after its entity: ``OrderNotFound``."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.id = id
        """The id that was looked for."""

    def __str__(self) -> str:
        return f"{type(self).__name__.removesuffix('NotFound')} {self.id} does not exist."


class AlreadyExists(DomainError):
    """A value that must be unique is in use.

    A subclass is declared beside a unique constraint, whose violation it reports.
    """

    message: ClassVar[str] = ""
    """The words of a subclass; without them the fields are named."""

    def __init__(self, *fields: str) -> None:
        super().__init__(*fields)
        self.fields = fields
        """The columns whose values, taken together, must be unique."""

    def __str__(self) -> str:
        fields = " and ".join(self.fields).replace("_", " ") or "value"
        return self.message or f"This {fields} is in use already: choose another one."


class VersionMismatch(DomainError):
    """Somebody else saved the entity after the caller read it."""

    def __init__(self, entity: str, id: UUID, expected: int, found: int) -> None:
        super().__init__(entity, id, expected, found)
        self.entity = entity
        """The name of its class."""
        self.id = id
        """The entity that was asked for."""
        self.expected = expected
        """The version that the caller had read."""
        self.found = found
        """The version that is stored."""

    def __str__(self) -> str:
        return (
            f"{self.entity} {self.id} has version {self.found}, not {short_repr(self.expected)}:"
            " read it again, then decide."
        )
