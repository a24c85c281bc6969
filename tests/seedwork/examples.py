"""Makes examples of any entity or part, from its fields and its rules."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain, islice, product
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import inspect

from adapters.seedwork.mapping import mapper_registry
from adapters.seedwork.shape import shape_of
from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import InvalidValue
from tests.examples import EXAMPLES

START = datetime(2026, 1, 1, tzinfo=UTC)

UNIONS = {Union, UnionType}
COLLECTIONS = {list, tuple, set, frozenset}

VALUES: dict[type, Callable[[int], list[Any]]] = {  # Any: of the type that is the key
    bool: lambda n: [n % 2 == 0, n % 2 == 1],
    int: lambda n: [n, n % 100, 1, 0, -1, 150, 151, 10_000],
    float: lambda n: [n + 0.5, 0.0],
    Decimal: lambda n: [Decimal(n), Decimal(n % 100), Decimal("0.5"), Decimal("12.34"), Decimal(0), Decimal(-1)],
    str: lambda n: [
        *(f"a{n}", _letter(n), f"A-{n}"),
        *(f"a{n}@example.com", f"+4930{n:06}", f"https://example.com/{n}", f"{n:04}"),
        *(letter * length for length in (2, 3, 20, 50, 100, 254, 255, 1_000) for letter in (_letter(n), "é")),
    ],
    bytes: lambda n: [f"a{n}".encode()],
    date: lambda n: [START.date() + timedelta(n)],
    datetime: lambda n: [START + timedelta(seconds=n, microseconds=1)],
    time: lambda n: [time(n % 24, 1)],
    timedelta: lambda n: [timedelta(seconds=n)],
    UUID: lambda n: [new_id()],
    dict: lambda n: [{"a": [n]}],
}
"""By type: makes values to try from a number; the first that the rule accepts is used."""


class NoExample(AssertionError):
    """No example can be generated."""


def example(kind: type, n: int, /, **given: Any) -> Any:  # Any: an instance of the kind
    """Return an example.

    Args:
        kind: an entity, a part or a value object: a dataclass.
        n: examples of different numbers share no value that must be unique.
        given: values of fields. The others are made from the rules: a default is not used.
    Raises: NoExample (it says which line to write); what the constructor raises, if values are given.
    """
    if make := EXAMPLES.get(kind):
        made = make(n)
        take(made, given)
        return made
    hints = get_type_hints(kind)
    values = {field.name: value_of(kind, field, hints[field.name], n) for field in fields(kind) if field.init}
    try:
        return kind(**values | given)
    except Exception as error:
        if given:
            raise
        raise NoExample(f"{error} {_line(kind)}") from error


def take(instance: Any, values: Mapping[str, Any]) -> None:  # Any: an example, and what its attributes hold
    """Set attributes of an example, past a rule that one is set once, as an id is; ``leg.port``: of a value object."""
    for path, given in values.items():
        name, _, inner = path.partition(".")
        held = getattr(instance, name)
        if inner and held is None:
            continue
        value = replace(held, **{inner: given}) if inner else given
        vars(instance).pop(name, None)
        setattr(instance, name, value)


def check_refused(kind: type, /, **values: list[Any]) -> None:  # Any: what a rule must refuse
    """Check that the rules refuse each of the values that are listed by the name of a field."""
    for name, refused in values.items():
        for value in refused:
            made, blamed = example(kind, 1), None
            try:
                setattr(made, name, value)
            except InvalidValue as error:
                blamed = error.field
            assert blamed == name, f"{kind.__name__} takes {value!r} as {name}."


def value_of(kind: type, field: Field[Any], hint: Any, n: int) -> Any:  # Any: a type's annotation, and a value of it
    """Return a value for a field."""
    if field.name in {"id", "version"}:
        return field.default_factory() if field.default_factory is not MISSING else new_id()
    accepted = list(accepted_values(kind, field, hint, n))
    if not accepted:
        held = get_args(hint) if get_origin(hint) in UNIONS else (hint,)
        asked = next((one for one in held if isinstance(one, type) and is_dataclass(one) and one not in EXAMPLES), kind)
        raise NoExample(f"No value can be made for {kind.__name__}.{field.name}. {_line(asked)}")
    return accepted[0]


def accepted_values(kind: type, field: Field[Any], hint: Any, n: int) -> Iterator[Any]:
    """Yield the values to try that the rule of a field accepts."""
    values, near = _values(hint, n), list(_near_the_limits(_rule_of(kind, field.name), hint, n))
    # what comes third and later is the same for every n, and a number near a limit is not
    numbers = (one for one in near if not isinstance(one, str))
    texts = (one for one in near if isinstance(one, str))
    yield from accepted(kind, field.name, chain(islice(values, 2), numbers, values, texts))


def accepted(kind: type, name: str, values: Iterable[Any]) -> Iterator[Any]:
    """Yield values as the rule of a field keeps them, without those that it refuses."""
    rule = _rule_of(kind, name)
    for value in values:
        try:
            yield rule(value)
        except ValueError:
            continue


def _rule_of(kind: type, name: str) -> Any:  # Any: a function of whatever a caller hands in
    return getattr(kind, "rules", {}).get(name, lambda value: value)


@dataclass(frozen=True)
class Reference:
    """A foreign key by which a class refers to an aggregate."""

    target: type
    """The aggregate's class."""
    attributes: dict[str, str]
    """The attributes of the key, each with that of the target whose value it has; in a value object ``leg.port``."""
    optional: list[str]
    """The attributes that may be None; then it refers to nothing."""


def references(kind: type) -> list[Reference]:
    """Return how a mapped class refers to other aggregates, or to its own."""
    mapper: Any = inspect(kind)
    classes = {other.local_table: other for other in mapper_registry.mappers if issubclass(other.class_, Entity)}
    names, found = _names(mapper), list[Reference]()
    for key in sorted(mapper.local_table.foreign_key_constraints, key=lambda key: key.column_keys):
        if (target := classes.get(key.referred_table)) and {*key.columns.keys()} <= names.keys():
            ours = [names[column.key] for column in key.columns]
            theirs = [target.get_property_by_column(element.column).key for element in key.elements]
            optional = [names[column.key] for column in key.columns if column.nullable and "." not in names[column.key]]
            found.append(Reference(target.class_, dict(zip(ours, theirs, strict=True)), optional))
    return found


def _names(mapper: Any) -> dict[str, str]:
    """Return the attribute of each column, and for one of a value object its name there: ``leg.port``."""
    names: dict[str, str] = {}
    for name, (columns, is_composite) in shape_of(mapper).attributes.items():
        value = mapper.get_property(name).composite_class if is_composite else None
        if value is None:
            names |= dict.fromkeys(columns, name)
        elif is_dataclass(value) and not hasattr(value, "__composite_values__"):
            names |= zip(columns, [f"{name}.{field.name}" for field in fields(value)], strict=True)
    return names


def referring(kind: type) -> set[str]:
    """Return the attributes by which a mapped class refers to aggregates."""
    return {name.partition(".")[0] for reference in references(kind) for name in reference.attributes}


def referred_ids(kind: type) -> dict[str, type]:
    """Return the attributes of a mapped class that hold the id of an aggregate, each with that aggregate's class."""
    return {
        name: reference.target
        for reference in references(kind)
        for name, theirs in reference.attributes.items()
        if theirs == "id" and "." not in name
    }


def with_references(kind: type, n: int, /, **given: Any) -> list[Any]:
    """Return an example and, before it, those of aggregates that it must refer to; what may be empty is left empty."""
    made = example(kind, n, **given)
    needed = _referred(made, n, {(kind, n): made}, {kind: n}, set(given))
    return [*needed, made]


def _referred(
    owner: Any, n: int, made: dict[tuple[type, int], Any], waiting: dict[type, int], fixed: set[str]
) -> Iterator[Any]:
    """Let an example and its parts refer to others, and yield those, each behind what it needs itself.

    Args:
        owner: the example, or a part of it.
        n: its number.
        made: all examples by class and number. Two references to one class need two.
        waiting: of each class whose example needs this one, the number: a circle ends there.
        fixed: the attributes whose values stay.
    """
    numbers = Counter[type]()
    for reference in references(type(owner)):
        if reference.optional:
            take(owner, dict.fromkeys(set(reference.optional) - fixed))
            continue
        target, pairs = reference.target, reference.attributes
        number = waiting.get(target, 10 * n + numbers[target] if numbers[target] else n)
        numbers[target] += 1
        given = {ours for ours in pairs if {ours, ours.partition(".")[0]} & fixed}
        if pairs.keys() == given:
            continue
        if (target, number) not in made:
            shared = {pairs[ours]: attrgetter(ours)(owner) for ours in given}
            made[target, number] = example(target, number, **shared)
            yield from _referred(made[target, number], number, made, waiting | {target: number}, set(shared))
            yield made[target, number]
        take(owner, {ours: getattr(made[target, number], theirs) for ours, theirs in pairs.items()})
        fixed |= pairs.keys()
    for parts in shape_of(inspect(type(owner))).parts:
        for position, part in enumerate(parts.of(owner) if parts.name not in fixed else ()):
            yield from _referred(part, 10 * n + position, made, waiting, set())


def _values(hint: Any, n: int) -> Iterator[Any]:
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in UNIONS:
        for argument in arguments:
            yield from _values(argument, n) if argument is not NoneType else ()
    elif origin in COLLECTIONS and arguments:
        kinds = arguments if origin is tuple and Ellipsis not in arguments else arguments[:1] * 2
        firsts = (islice(_values(kind, 10 * n + position), 1) for position, kind in enumerate(kinds))
        yield from map(origin, product(*firsts))
    elif hasattr(hint, "__supertype__"):
        yield from _values(hint.__supertype__, n)
    elif isinstance(origin, type):
        yield from _of_type(origin, n)


def _near_the_limits(rule: Any, hint: Any, n: int) -> Iterator[Any]:
    """Yield values near the limits that a rule of ``domain/seedwork/rules.py`` was made with."""
    hints = get_args(hint) if get_origin(hint) in UNIONS else [hint]
    kinds = {getattr(kind, "__supertype__", kind) for kind in hints}
    for limit in getattr(rule, "args", ()):
        if type(limit) is not int:
            yield from _near_the_limits(limit, hint, n)
        elif int in kinds:
            yield from (limit + n, limit, limit - n)
        elif str in kinds:
            yield _letter(n) * min(limit, 10_000)
        else:
            yield Decimal(n).scaleb(-limit)


def _of_type(kind: type[Any], n: int) -> Iterator[Any]:
    if kind in VALUES:
        yield from VALUES[kind](n)
    elif issubclass(kind, Enum):
        members = list(kind)
        yield from (members[(n + offset) % len(members)] for offset in range(len(members)))
    elif is_dataclass(kind):
        yield example(kind, n)
    else:
        yield from _made_of(kind, n)


def _made_of(kind: type[Any], n: int) -> Iterator[Any]:
    """Yield what a type makes of simple values, as one that checks a text does."""
    for base in kind.__mro__:
        for value in VALUES[base](n) if base in VALUES else ():
            try:
                yield kind(value)
            except ValueError:
                continue


def _letter(n: int) -> str:
    return chr(ord("a") + n % 26)


def _line(kind: type) -> str:
    return f"In tests/examples.py write: EXAMPLES[{kind.__name__}] = lambda n: {kind.__name__}(...)"
