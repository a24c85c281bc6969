"""What use cases return, and how they change an entity: by the names of fields, for every aggregate."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Self, get_args, get_type_hints

from domain.seedwork.repository import Page
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict, ReferenceViolated, UnitOfWorkMisuse


@dataclass(frozen=True, slots=True)
class Details:
    """An entity or a part as a use case returns it: plain values that nothing will change.

    A subclass is a frozen dataclass whose fields have the names of attributes.
    """

    @classmethod
    def of(cls, thing: object) -> Self:
        """Take down what the entity, or the part, is now."""
        kind: Any = cls  # Any: to mypy a type is not hashable
        return cls(**{name: _taken(getattr(thing, name), part) for name, part in _parts_by_field(kind).items()})

    @classmethod
    def page_of(cls, page: Page[Any]) -> Page[Self]:  # Any: of whatever entity
        """Take down a page of entities."""
        return Page(tuple(map(cls.of, page.items)), page.next)


@cache
def _parts_by_field(kind: type[Details]) -> dict[str, type[Details] | None]:
    hints = get_type_hints(kind)
    return {
        field.name: next((one for one in get_args(hints[field.name]) if _is_details(one)), None)
        for field in fields(kind)
    }


def _is_details(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Details)


def _taken(value: Any, part: type[Details] | None) -> object:  # Any: of a field
    if part:
        return tuple(map(part.of, value))
    return deepcopy(value) if isinstance(value, dict | list) else value


def assign(entity: object, changes: Mapping[str, Any]) -> None:  # Any: a rule judges them
    """Set attributes of an entity.

    Raises: InvalidValue (a rule is broken), UnitOfWorkMisuse (it has no attribute of that name).
    """
    for name, value in changes.items():
        if not hasattr(entity, name):
            raise UnitOfWorkMisuse(f"{type(entity).__name__} has no {name}, so nothing would save it.")
        setattr(entity, name, value)


@contextmanager
def checked_references() -> Generator[None]:
    """Report a race for what a new row refers to as what it is: whoever tries again is told what does not exist.

    Raises: ConcurrencyConflict (what was there when it was looked up has been removed since).
    """
    try:
        yield
    except ReferenceViolated as error:
        raise ConcurrencyConflict(OVERTAKEN) from error
