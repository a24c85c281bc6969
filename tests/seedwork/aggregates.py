"""What every mapped aggregate promises, derived from its mapping, its fields and its rules.

Each check takes a back end's ``new_unit`` and a class, and fails with a sentence that says what is wrong.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import fields
from functools import partial
from typing import Any, get_type_hints

import pytest
from sqlalchemy import Table, inspect

from adapters.seedwork.keys import RowKey, unique_keys
from adapters.seedwork.mapping import row_key_of
from adapters.seedwork.refusals import error_of
from adapters.seedwork.shape import PartRelation, Shape, shape_of
from domain.seedwork.entity import Entity
from service_layer.seedwork.errors import SchemaOutdated
from service_layer.seedwork.transaction import Transaction
from tests.seedwork.examples import accepted, accepted_values, referring, take, with_references

New = Callable[[], Any]  # Any: a unit of work that has the aggregate's repository
Kind = type[Any]  # Any: an entity


def repository(uow: Transaction, kind: Kind) -> Any:  # Any: the repository of that entity
    """Return the repository of an entity."""
    for name in dir(type(uow)):
        registered = getattr(type(uow), name)
        if getattr(getattr(registered, "repository", None), "entity", None) is kind:
            return getattr(uow, name)
    raise AssertionError(f"{type(uow).__name__} has no repository of {kind.__name__}. Register it by RepositoryOf.")


def save(new_unit: New, *entities: Any) -> None:
    with new_unit() as uow:
        for entity in entities:
            repository(uow, type(entity)).add(entity)
        uow.commit()


def saved(new_unit: New, kind: Kind, n: int = 1) -> Any:
    """Save an example of an entity, with what it must refer to, and return it."""
    entities = with_references(kind, n)
    save(new_unit, *entities)
    return entities[-1]


def load(new_unit: New, entity: Any) -> Any:
    with new_unit().reading() as uow:
        return repository(uow, type(entity)).get(entity.id)


def values_of(instance: object) -> dict[str, Any]:
    """Return an object's values by column, without those that a default makes for no field; parts in any order."""
    shape = shape_of(inspect(type(instance)))
    parts = {part.name: sorted(map(values_of, part.of(instance)), key=repr) for part in shape.parts}
    made = shape.defaulted - {column for columns, _ in shape.attributes.values() for column in columns}
    return {column: value for column, value in shape.values(instance).items() if column not in made} | parts


def check_same(found: object, given: object) -> None:
    """Check that what was loaded has the values of what was saved."""
    loaded = values_of(found)
    different = [
        f"{type(given).__name__}.{name}: {value!r} was saved, and {loaded[name]!r} was loaded"
        f"{', of another type' if value == loaded[name] else ''}."
        for name, value in values_of(given).items()
        if value != loaded[name] or _has_lost_its_type(loaded[name], value)
    ]
    assert not different, (
        f"{' '.join(different)} Let the type of the column give back what it takes; a column that a trigger fills"
        " whatever is given is no field."
    )


def _has_lost_its_type(loaded: Any, saved: Any) -> bool:  # Any: equal values, or rows of parts
    """Whether a value is what the type of the saved one inherits, as a text is for a StrEnum, which it is equal to."""
    if isinstance(saved, dict):
        return any(_has_lost_its_type(loaded[name], saved[name]) for name in saved)
    if isinstance(saved, list):
        return any(map(_has_lost_its_type, loaded, saved))
    return type(loaded) in type(saved).__mro__[1:]


# ---- the checks -----------------------------------------------------------------------------------------------------


def check_added_comes_back(new_unit: New, kind: Kind) -> None:
    """An entity that was added is loaded with all its values."""
    entities = with_references(kind, 1)
    save(new_unit, *entities)

    found = load(new_unit, entities[-1])
    check_same(found, entities[-1])
    assert found.version == entities[-1].version == 1


def check_inserted_comes_back(new_unit: New, kind: Kind) -> None:
    """An entity that was inserted in bulk is loaded as one that was added."""
    *needed, entity = with_references(kind, 1)
    save(new_unit, *needed)
    with new_unit() as uow:
        repository(uow, kind).insert_many([entity])
        uow.commit()

    found = load(new_unit, entity)
    check_same(found, entity)
    assert found.version == 1


def check_missing_values_come_back(new_unit: New, kind: Kind) -> None:
    """An optional value that is None is loaded as None; a rule may ask for one that older rows lack."""
    table: Table = inspect(kind).local_table
    attributes = shape_of(inspect(kind)).attributes
    optional = {
        name: None
        for name, (columns, _) in attributes.items()
        if all(table.c[column].nullable and not table.c[column].server_default for column in columns)
        and [*accepted(kind, name, [None])]
    }
    entities = with_references(kind, 1, **optional)
    save(new_unit, *entities)

    check_same(load(new_unit, entities[-1]), entities[-1])


def check_rules_and_columns_agree(new_unit: New, kind: Kind) -> None:
    """A value that a rule of the entity accepts, its column and its CHECK accept too."""
    hints = get_type_hints(kind)
    ruled = [field for field in fields(kind) if field.name in kind.rules.keys() - referring(kind)]
    for name, value in (
        (field.name, value) for field in ruled for value in accepted_values(kind, field, hints[field.name], 1)
    ):
        *others, entity = with_references(kind, 1, **{name: value})
        with new_unit() as uow:
            for other in others:
                repository(uow, type(other)).add(other)
            uow.flush()  # what another aggregate refuses is said of that one
            own = repository(uow, kind)
            try:
                own.add(entity)
                uow.flush()
            except SchemaOutdated:
                raise
            except Exception as error:
                raise AssertionError(
                    f"The rule of {kind.__name__}.{name} takes {value!r:.60}, and the database does not:"
                    f" {str(error).rstrip('.')}. Let the column and its CHECK allow what the rule allows."
                ) from error
            uow.rollback()


def check_versions_count(new_unit: New, kind: Kind) -> None:
    """Each saved change counts once, that of a part included."""
    entities = with_references(kind, 1)
    save(new_unit, *entities)
    changes = 0
    for name, value in _changes(kind):
        with new_unit() as uow:
            held = repository(uow, kind).get(entities[-1].id)
            if not _set(held, name, value):
                continue
            uow.commit()
        changes += 1
        assert load(new_unit, entities[-1]).version == held.version == 1 + changes, f"a change of {name} counts wrongly"


def check_removal_removes_parts(new_unit: New, kind: Kind) -> None:
    """A removed entity is gone, and its id and its unique values are free, those of its parts included."""
    entities = with_references(kind, 1)
    again = deepcopy(entities[-1])
    save(new_unit, *entities)
    with new_unit() as uow:
        repository(uow, kind).remove(repository(uow, kind).get(entities[-1].id))
        uow.commit()

    with new_unit() as uow:
        assert repository(uow, kind).find(entities[-1].id) is None
        repository(uow, kind).add(again)
        uow.commit()


def check_constraints_raise_their_errors(new_unit: New, kind: Kind) -> None:
    """A value that must be unique is refused by the error that is declared beside its constraint."""
    *needed, first = with_references(kind, 1)
    save(new_unit, *needed, first)
    for n, (constraint, change) in enumerate(_clashes(kind, first), 2):
        *needed, second = with_references(kind, n)
        change(second)
        save(new_unit, *needed)
        expected = type(error_of(constraint))
        for way in ("add", "insert_many"):
            with pytest.raises(Exception) as caught, new_unit() as uow:  # noqa: PT011  # which one is the question
                found = repository(uow, kind)
                found.add(second) if way == "add" else found.insert_many([second])
                uow.commit()
            assert type(caught.value) is expected, (
                f"{way}() of a {kind.__name__} that breaks {constraint.name or 'a unique key'} raises {caught.value!r},"
                f" not {expected.__name__}"
            )


CHECKS: list[Callable[[New, Kind], None]] = [
    check_added_comes_back,
    check_inserted_comes_back,
    check_missing_values_come_back,
    check_rules_and_columns_agree,
    check_versions_count,
    check_removal_removes_parts,
    check_constraints_raise_their_errors,
]


def _changes(kind: Kind) -> Iterator[tuple[str, object]]:
    """Yield attributes of an entity, and what to set them to."""
    other = with_references(kind, 2)[-1]
    for name in shape_of(inspect(kind)).attributes:
        if name != "id" and name not in referring(kind):
            yield name, getattr(other, name)
    for part in shape_of(inspect(kind)).parts:
        yield part.name, [] if part.many else None


def _set(held: Any, name: str, value: object) -> bool:
    before = getattr(held, name)
    try:
        setattr(held, name, value)
    except ValueError:
        return False
    return bool(before != value)


def _clashes(kind: Kind, first: Entity) -> Iterator[tuple[RowKey, Callable[[Any], None]]]:
    """Yield each unique key of a root and of its parts, and how another entity breaks it."""
    shape = shape_of(inspect(kind))
    for unique in _unique_keys(shape.table):
        values = {name: getattr(first, name) for name in _names(shape, unique)}
        known = {column for name in values for column in shape.attributes[name][0]}
        if None not in values.values() and known >= {*unique.columns.keys()}:
            yield unique, partial(take, values=values)
    for part in shape.parts:
        for unique in _unique_keys(part.shape.table) if len(part.of(first)) > 1 else ():
            if names := _names(part.shape, unique):
                yield unique, partial(_repeat, part, names)


def _names(shape: Shape, unique: RowKey) -> list[str]:
    return [name for name, (columns, _) in shape.attributes.items() if {*columns} & {*unique.columns.keys()}]


def _repeat(part: PartRelation, names: list[str], entity: object) -> None:
    one, other = part.of(entity)[:2]
    take(other, {name: getattr(one, name) for name in names})


def _unique_keys(table: Table) -> list[RowKey]:
    """Return the keys that hold on every back end: an index that is partial, or has expressions, is a database's."""
    return [*dict.fromkeys((row_key_of(table), *unique_keys(table)))]
