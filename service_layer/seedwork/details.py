"""What use cases return, and how they change an entity: by the names of fields, for every aggregate."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import Any, Self, get_args, get_origin, get_type_hints

from domain.seedwork.entity import Part
from domain.seedwork.repository import Page
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict, ReferenceViolated, UnitOfWorkMisuse


@dataclass(frozen=True, slots=True)
class Details:
    """An entity or a part as a use case returns it: plain values that nothing will change.

    A subclass is a frozen dataclass whose fields have the names of attributes.
    """

    @classmethod
    def of(cls, thing: object) -> Self:
        """Copy the values that the entity, or the part, has now."""
        kind: Any = cls  # Any: to mypy a type is not hashable
        names, copies = _copied(kind)
        values = {name: getattr(thing, name) for name in names}
        for name, copy in copies:
            values[name] = copy(values[name])
        return cls(**values)

    @classmethod
    def page_of(cls, page: Page[Any]) -> Page[Self]:  # Any: of whatever entity
        """Copy a page of entities."""
        return Page(tuple(map(cls.of, page.items)), page.next)


@cache
def _copied(kind: type[Details]) -> tuple[list[str], list[tuple[str, Callable[[Any], object]]]]:  # Any: of a field
    """Return the names of the fields; and of those whose values may change later, what copies them."""
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    copies: list[tuple[str, Callable[[Any], object]]] = []
    for name in names:
        kinds = {hints[name], get_origin(hints[name]), *map(get_origin, get_args(hints[name])), *get_args(hints[name])}
        parts = [one for one in kinds if isinstance(one, type) and issubclass(one, Details)]
        if parts:
            copies.append((name, partial(_each, parts[0])))
        elif kinds & {dict, list, Any}:
            copies.append((name, deepcopy))
    return names, copies


def _each(kind: type[Details], found: object) -> object:
    """Copy each of the parts; or the one that there is, or none."""
    if isinstance(found, Iterable):
        return tuple(map(kind.of, found))
    return None if found is None else kind.of(found)


def assign(entity: object, changes: Mapping[str, Any]) -> None:  # Any: a rule judges them
    """Set attributes of an entity. Parts come as their details: one with the key of a part that is there changes it.

    Raises: InvalidValue (a rule is broken), UnitOfWorkMisuse (it has no attribute of that name).
    """
    kind: Any = type(entity)  # Any: to mypy a type is not hashable
    for name, value in changes.items():
        if not hasattr(entity, name):
            raise UnitOfWorkMisuse(f"{kind.__name__} has no {name}, so nothing would save it.")
        part = _part_of(kind, name)
        setattr(entity, name, _parts(getattr(entity, name), part, value) if part else value)


@cache
def _part_of(kind: type, name: str) -> type[Part] | None:
    hint = get_type_hints(kind).get(name)
    return next((one for one in get_args(hint) or (hint,) if isinstance(one, type) and issubclass(one, Part)), None)


def _parts(now: Any, kind: type[Part], given: object) -> object:  # Any: a part, several, or none
    """Return parts with the values of details; what is none of these as it is."""
    if isinstance(given, Iterable):
        return _renewed(now, kind, given)
    if not isinstance(given, Details):
        return given
    if now is None:
        return kind(**_values(given))
    assign(now, _values(given))  # in place: a new row would come before the old one has gone, and the key allows one
    return now


def _renewed(parts: Iterable[Any], kind: type[Part], details: Iterable[Any]) -> list[Any]:  # Any: of that kind
    """Return parts with the values of details, in the order in which they are stored."""
    left, renewed = list(parts), []
    for values in map(_values, details):
        found = next((one for one in left if all(getattr(one, key) == values[key] for key in kind.key or values)), None)
        if found is None:
            found = kind(**values)
        else:  # a new row in its place would come before the old one has given up its unique values
            left.remove(found)
            assign(found, values)
        renewed.append(found)
    return sorted(renewed, key=lambda part: getattr(part, "id", 0))  # what has none stays in the given order


def _values(details: Any) -> dict[str, Any]:  # Any: a frozen dataclass; of its fields
    return {field.name: getattr(details, field.name) for field in fields(details)}


@contextmanager
def checked_references() -> Generator[None]:
    """Report a lost race for what a new row refers to as such: a retry looks it up, and reports what does not exist.

    Raises: ConcurrencyConflict (what was there when it was looked up has been removed since).
    """
    try:
        yield
    except ReferenceViolated as error:
        raise ConcurrencyConflict(OVERTAKEN) from error
