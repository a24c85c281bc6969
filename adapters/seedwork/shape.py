"""What an aggregate consists of, as its mapping says: how its values become rows, without a session."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

from sqlalchemy import JSON, Uuid, inspect
from sqlalchemy.orm import ColumnProperty, CompositeProperty, InstanceState, Mapper
from sqlalchemy.types import TypeDecorator, TypeEngine

from adapters.seedwork.keys import table_of
from adapters.seedwork.mapping import keys_to_owners, parts_of
from adapters.seedwork.refusals import NOT_NEW, UNMAPPED, refused
from adapters.seedwork.types import IdType, UtcDateTime
from domain.seedwork.entity import Entity
from domain.seedwork.rules import moment, uuid
from service_layer.seedwork.errors import UnitOfWorkMisuse

Row = dict[str, Any]
"""The values of a row by the names of its columns. Any: of whatever types."""


@dataclass(frozen=True, eq=False)
class PartRelation:
    """A relationship to parts."""

    name: str
    many: bool
    shape: "Shape"
    keys: tuple[tuple[str, str], ...]
    """The columns of the owner, each with the part's column that refers to it."""

    def of(self, owner: object) -> list[object]:
        """Return an owner's parts."""
        found = getattr(owner, self.name)
        return list(found) if self.many else [found] if found is not None else []

    def key_to(self, row: Row) -> Row:
        """Return the columns of a part that refer to its owner's row."""
        return {theirs: row[ours] for ours, theirs in self.keys}


class Shape:
    """The shape of a mapped class."""

    def __init__(self, mapper: Mapper[Any]) -> None:  # Any: of an entity, or of a part
        self.kind: type = mapper.class_
        self.mapper = mapper
        self.table = table_of(mapper)
        self.key = tuple(str(column.key) for column in mapper.primary_key)
        """The columns by which its rows are known."""
        version = mapper.version_id_col if issubclass(self.kind, Entity) else None
        self.version: str | None = None if version is None else version.key
        """The column that counts the versions of a root; a part has none, also where SQLAlchemy counts its row."""
        self.columns = {
            str(column.key): attribute.key for attribute in mapper.column_attrs for column in attribute.columns
        }
        """Its columns, and the attribute of each."""
        self.parts = [
            PartRelation(
                part.key,
                bool(part.uselist),
                shape_of(part.mapper),
                tuple((str(ours.key), str(theirs.key)) for ours, theirs in part.local_remote_pairs),
            )
            for part in parts_of(mapper)
        ]
        self._names = frozenset(_public_names(mapper))
        self.attributes = {
            name: (_columns_of(property), isinstance(property, CompositeProperty))
            for name in sorted(self._names - {"version"})
            if isinstance(property := mapper.get_property(name), ColumnProperty | CompositeProperty)
        }
        """The columns of each attribute, and whether it is a composite."""
        self._plain = [
            (name, columns[0]) for name, (columns, is_composite) in self.attributes.items() if not is_composite
        ]
        self._composites = [
            (name, columns) for name, (columns, is_composite) in self.attributes.items() if is_composite
        ]
        known = {self.version, *(column for columns, _ in self.attributes.values() for column in columns)}
        known |= {str(column.key) for column in keys_to_owners() if column.table is self.table}
        self._hidden = [(name, column) for column, name in self.columns.items() if column not in known]
        """The attributes that are no fields, each with its column: a listener may write them."""
        self.defaulted = {
            str(column.key) for column in self.table.columns if column.default is not None or column.server_default
        }
        """The columns that may be left out of an INSERT, since a default or the database fills them."""
        defaults: dict[str, Any] = {  # Any: a ColumnDefault, of whatever kind
            ours: self.table.c[ours].default for part in self.parts for ours, _ in part.keys
        }
        self._makers = {column: default.arg for column, default in defaults.items() if default and default.is_callable}
        """What makes a value that parts need before the INSERT: that of a key which no field shows."""

    def values(self, instance: object) -> Row:
        """Return the values of an object by column, without its version and without what only the database knows.

        Args:
            instance: an instance of the mapped class, or another object with the same attributes.
        Raises: UnitOfWorkMisuse (an attribute is missing).
        """
        try:
            row = self._plain_values(instance)
            for name, columns in self._composites:
                row |= zip(columns, _composite_values(getattr(instance, name), len(columns)), strict=True)
            for name, column in self._hidden:
                row[column] = getattr(instance, name, None)
        except AttributeError as error:
            raise UnitOfWorkMisuse(f"{self.kind.__name__} needs {', '.join(sorted(self._names))}: {error}.") from error
        return row

    def _plain_values(self, instance: object) -> Row:
        if type(instance) is self.kind:
            loaded = vars(instance)  # SQLAlchemy's descriptors would take a tenth of a bulk insert
            with suppress(KeyError):  # not loaded
                return {column: loaded[name] for name, column in self._plain}
        return {column: getattr(instance, name) for name, column in self._plain}

    def criteria(self, values: Mapping[str, object]) -> Row:
        """Return the values of attributes by column.

        Raises: UnitOfWorkMisuse (there is no such attribute, or it is JSON), InvalidValue (it is no UUID, no moment).
        """
        row: Row = {}
        for name, value in values.items():
            if name not in self.attributes:
                there = ", ".join(sorted(self.attributes))
                raise UnitOfWorkMisuse(f"{self.kind.__name__} has no {name} to look up by. Use one of {there}.")
            columns, is_composite = self.attributes[name]
            if value is not None and any(_is_json(self.table.c[column].type) for column in columns):
                raise UnitOfWorkMisuse(
                    f"{self.kind.__name__}.{name} is JSON, which no two databases compare alike. Keep what is looked up"
                    " in a column of its own."
                )
            row |= zip(columns, _composite_values(value, len(columns)) if is_composite else (value,), strict=True)
        for column, value in row.items():
            kind = self.table.c[column].type
            if value is not None and isinstance(kind, IdType | Uuid) and kind.as_uuid:
                uuid(self.columns[column])(value)  # PostgreSQL alone would make one of a text
            elif value is not None and isinstance(kind, UtcDateTime):
                moment(self.columns[column])(value)  # what the type itself raises is no error of the domain
        return row

    def new_values(self, instance: object) -> Row:
        """Return the values of a new object for an INSERT; what is None and has a default is left out.

        Raises: UnitOfWorkMisuse (an attribute is missing, nothing would save it, or the object was saved before).
        """
        self.check(instance)
        row = self.values(instance)
        if self.defaulted:
            row = {column: value for column, value in row.items() if value is not None or column not in self.defaulted}
            row |= {column: make(None) for column, make in self._makers.items() if column not in row}
        return row

    def check_kind(self, instance: object, action: str) -> InstanceState[Any]:
        """Check what a repository was given, and return its state.

        Raises: UnitOfWorkMisuse (another class, or made before the mapping).
        """
        if type(instance) is not self.kind:
            raise UnitOfWorkMisuse(
                f"This repository holds {self.kind.__name__}, and {action}() was given a {type(instance).__name__}."
                " Use the repository of that class."
            )
        state: InstanceState[Any] | None = inspect(instance, raiseerr=False)
        if state is None:
            raise refused(UNMAPPED, instance)
        return state

    def check(self, instance: object) -> None:
        """Check a new object. Raises: UnitOfWorkMisuse (parts are missing, an attribute is unknown, it was saved)."""
        if self.version is not None and getattr(instance, "version", None):
            raise refused(NOT_NEW, instance)
        if isinstance(instance, self.kind):
            return
        if missing := [part.name for part in self.parts if not hasattr(instance, part.name)]:
            raise UnitOfWorkMisuse(f"{self.kind.__name__} needs {', '.join(sorted(self._names))}: no {missing[0]}.")
        kind: Any = type(instance)  # Any: to mypy a type is not hashable
        given = [*getattr(instance, "__dict__", {}), *_slots(kind)]
        if unknown := [name for name in given if name not in self._names and not name.startswith("_")]:
            raise UnitOfWorkMisuse(
                f"{self.kind.__name__} has no {', '.join(sorted(unknown))}: nothing would save it. Leave it out."
            )


@cache
def shape_of(mapper: Mapper[Any]) -> Shape:  # Any: of an entity, or of a part
    """Return the shape of a class, made once."""
    return Shape(mapper)


def _columns_of(property: ColumnProperty[Any] | CompositeProperty[Any]) -> tuple[str, ...]:
    properties = property.props if isinstance(property, CompositeProperty) else [property]
    return tuple(str(one.columns[0].key) for one in properties)


def _public_names(mapper: Mapper[Any]) -> Iterator[str]:
    if is_dataclass(mapper.class_):
        yield from (field.name for field in fields(mapper.class_))
        return
    foreign = {key.parent for key in table_of(mapper).foreign_keys}
    for attribute in mapper.attrs:
        if not attribute.key.startswith("_") and foreign.isdisjoint(getattr(attribute, "columns", ())):
            yield attribute.key


@cache
def _slots(kind: type) -> tuple[str, ...]:
    return tuple(name for one in kind.__mro__ for name in _listed(vars(one).get("__slots__", ())))


def _listed(slots: str | tuple[str, ...]) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else slots


def _is_json(kind: TypeEngine[Any]) -> bool:
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return isinstance(kind, JSON)


def _composite_values(value: Any, count: int) -> tuple[Any, ...]:  # Any: a value object of the domain's
    if value is None:
        return (None,) * count
    if hasattr(value, "__composite_values__"):
        return tuple(value.__composite_values__())
    return tuple(getattr(value, field.name) for field in fields(value))
