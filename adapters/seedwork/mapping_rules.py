"""The shapes that can't be mapped, each refused by name: it would be saved wrongly, or not at all."""

from dataclasses import fields, is_dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Constraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Numeric,
    Table,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import MANYTOMANY, MANYTOONE, ONETOMANY, Mapper
from sqlalchemy.sql.operators import nulls_first_op, nulls_last_op
from sqlalchemy.types import TypeDecorator, UserDefinedType

from adapters.seedwork.keys import columns_of, conditions_of, row_keys
from adapters.seedwork.refusals import error_of
from adapters.seedwork.relations import ORDERING, Relation, has_attributes, order_of
from domain.seedwork.entity import Entity

OWN_TYPES = (TypeDecorator, UserDefinedType)
"""The bases of types that a fork has written, which do not say what they make of a column."""


def check(mapper: Mapper[Any], parts: list[Relation]) -> None:  # Any: of whatever class
    """Refuse a class of which something would be saved wrongly, or not at all.

    Args:
        mapper: that of the class.
        parts: all relationships to parts, those of other classes included.
    Raises: ArgumentError.
    """
    kind = mapper.class_
    if mapper.inherits or mapper.polymorphic_on is not None:
        raise ArgumentError(f"{kind.__name__} is mapped with inheritance, not supported: map one class a table.")
    for field in fields(kind) if is_dataclass(kind) else ():
        is_version = field.name == "version" and issubclass(kind, Entity)
        if field.name not in mapper.all_orm_descriptors and not is_version:
            raise ArgumentError(
                f"{kind.__name__}.{field.name} has no column, so it would not be saved. Give the table one, or map it"
                " in properties; what is not saved is no field of an entity."
            )
        if field.default is None and field.name in _primary_key(mapper):
            raise ArgumentError(
                f"{kind.__name__}.{field.name} would get its value from the database: make an id at birth, as new_id()"
                " does, so that a part is the same before it is saved and after."
            )
    _check_table(mapper)
    _check_columns(kind.__name__, mapper)
    if issubclass(kind, Entity):
        _check_entity(kind, mapper)
    for relation in mapper.relationships:
        if not relation.key.startswith(ORDERING):
            _check_relation(f"{kind.__name__}.{relation.key}", relation, parts)


def check_tables(mappers: list[Mapper[Any]]) -> None:  # Any: of whatever classes
    """Refuse two classes of one table, and tables of which none can be made first. Raises: ArgumentError."""
    owners: dict[Any, type] = {}  # Any: a table
    for mapper in mappers:
        kind, table = mapper.class_, mapper.local_table
        if (other := owners.setdefault(table, kind)) is not kind:
            raise ArgumentError(
                f"{other.__name__} and {kind.__name__} are mapped to {table}, and each would load rows of the other."
                " Map one class, with a field that says of which kind a row is."
            )
    needed = {
        table: {key.referred_table for key in table.foreign_key_constraints if not key.use_alter} - {table}
        for table in owners
    }
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        circle = " and ".join(sorted({str(table) for table in error.args[1]}))
        raise ArgumentError(
            f"{circle} refer to each other, so that none of them can be made first. Give the foreign key that may be"
            " NULL: use_alter=True"
        ) from error


def check_error(constraint: Constraint | Index) -> None:
    """Refuse an error of the domain by which a broken constraint can't be reported. Raises: ArgumentError."""
    if not (kind := constraint.info.get("error")):
        return
    table = constraint.table
    if not isinstance(constraint.name, str):
        raise ArgumentError(
            f"{table} has the error {kind.__name__} for a constraint without a name, by which the database says"
            f' which one is broken. Write: {type(constraint).__name__}(..., name="...")'
        )
    try:
        error_of(constraint)
    except TypeError as error:
        raise ArgumentError(
            f"{table} has the error {kind.__name__} for {constraint.name}, and it can't be made of what the"
            f" database says: {error}. Give each of its arguments a default."
        ) from error


def _check_table(mapper: Mapper[Any]) -> None:
    table = mapper.local_table
    if not isinstance(table, Table):
        raise ArgumentError(
            f"{mapper.class_.__name__} is mapped to the {type(table).__name__} of a query: map it to a table, and read"
            " what other tables have by a query port."
        )
    if table.schema:
        raise ArgumentError(
            f"{table} is in a schema that its code names, which SQLite does not know. Leave it out of the code, and let"
            " search_path name it (docs/operations.md)"
        )
    if not any(row_keys(mapper)) or any(column.nullable for column in mapper.primary_key):
        key = ", ".join(map(str, mapper.primary_key))
        raise ArgumentError(
            f"{mapper.class_.__name__} is mapped by primary_key=[{key}], which several rows may share. Write:"
            " unique=True, nullable=False"
        )
    _check_keys(table)


def _check_keys(table: Table) -> None:
    for index in table.indexes:
        if index.unique and len(conditions_of(index)) == 1:
            raise ArgumentError(
                f"{index.name} of {table} is for some rows on one database, and for all of them on the other. Give it"
                " both, postgresql_where=... and sqlite_where=..."
            )
    errors: dict[tuple[str, ...], object] = {}
    for unique in table.constraints | table.indexes:
        columns, error = columns_of(unique), unique.info.get("error")
        if columns and error and errors.setdefault(columns, error) is not error:
            raise ArgumentError(
                f"{table} has two unique keys of {', '.join(columns)}, each with an error of its own, and SQLite does"
                " not say which is broken. Give both one error; or, of several columns, one of them another order."
            )
        # as a dict: get() of its own imports a database that is not in use
        if dict(unique.dialect_kwargs).get("postgresql_nulls_not_distinct"):
            raise ArgumentError(
                f"{unique.name} of {table} takes two NULLs for the same on PostgreSQL alone. Leave"
                " postgresql_nulls_not_distinct out, and give the rows of NULL a unique index of the other columns,"
                " with postgresql_where=... and sqlite_where=..."
            )


def _check_entity(kind: type[Entity], mapper: Mapper[Any]) -> None:
    if kind.__eq__ is not Entity.__eq__:
        raise ArgumentError(
            f"{kind.__name__} has an __eq__ of its own, and an entity is equal by its id. Write:"
            " @dataclass(eq=False, kw_only=True)"
        )
    if _primary_key(mapper) != ["id"]:
        raise ArgumentError(
            f"{kind.__name__} needs a table whose primary key is the one column of its id. Or give the id a unique"
            " column beside that key, and map it with: primary_key=[table.c.uid]"
        )
    id = mapper.primary_key[0]
    if not isinstance(id.type, OWN_TYPES) and id.type.python_type is not UUID:
        raise ArgumentError(
            f"{kind.__name__}.id is a {id.type}, and an id is a UUID that is made at birth. Write: IdType[...](), from"
            " adapters.seedwork.types. To keep the key that the rows have: primary_key=[table.c.uid]"
        )
    version = mapper.version_id_col
    if version is None:
        raise ArgumentError(f"{kind.__name__} has no version. Map it with: version_id_col=table.c.version")
    if "version" not in mapper.columns or mapper.columns["version"] is not version:
        raise ArgumentError(
            f"{kind.__name__}.version is not {version}, which counts its versions. Map that to it:"
            f' properties={{"version": table.c.{version.key}}}'
        )
    if not isinstance(version.type, OWN_TYPES) and version.type.python_type is not int:
        raise ArgumentError(f"{version} is a {version.type}, and a version is counted. Write: Integer")
    if not _counts_by_one(mapper.version_id_generator):
        raise ArgumentError(
            f"{kind.__name__} has a version_id_generator of its own, and a version counts from 1, by one. Leave it out."
        )
    if version.nullable:
        raise ArgumentError(
            f"{version}, the version of {kind.__name__}, may be NULL: such a row could not be changed."
            " Write: nullable=False"
        )


def _primary_key(mapper: Mapper[Any]) -> list[str]:
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def _counts_by_one(count: Any) -> bool:  # Any: whatever the mapping has for it
    try:
        return (count(None), count(1)) == (1, 2)
    except Exception:  # whatever a function of the fork's raises
        return False


def _check_columns(name: str, mapper: Mapper[Any]) -> None:
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if attribute.deferred or not isinstance(column, Column) or column.computed:
            raise ArgumentError(
                f"{name}.{attribute.key} is deferred or computed, which is not supported. Leave it out of the entity,"
                f' and of the mapping by exclude_properties=["{column.key}"], and read it by a query.'
            )
        if isinstance(column.type, JSON):
            raise ArgumentError(
                f"{name}.{attribute.key} is JSON, of which a change of 1 to True would not be saved, nor None as NULL."
                " Write: JsonType(), from adapters.seedwork.types"
            )
        if isinstance(column.type, DateTime) and column.type.timezone:
            raise ArgumentError(
                f"{name}.{attribute.key} has a time zone, which SQLite leaves out: another moment would come back."
                " Write: UtcDateTime(), from adapters.seedwork.types"
            )
        if isinstance(column.type, Numeric) and (column.type.scale is None or not column.type.asdecimal):
            raise ArgumentError(
                f"{name}.{attribute.key} is a Numeric without a scale, or one that gives floats: databases round it"
                " differently. Write: Numeric(12, 2)"
            )
        if isinstance(column.type, Boolean) and isinstance(getattr(column.server_default, "arg", None), str):
            raise ArgumentError(
                f"{name}.{attribute.key} has a text for its default, which SQLite keeps as a text. Write:"
                " server_default=true()"
            )


def _check_relation(name: str, relation: Relation, parts: list[Relation]) -> None:
    if relation.direction is MANYTOONE:
        _refuse_reference(name, relation, parts)
    if relation.direction is MANYTOMANY:
        raise ArgumentError(f"{name} is many-to-many, which is not supported: let parts hold the ids.")
    if relation.direction is ONETOMANY:
        if issubclass(relation.mapper.class_, Entity):
            raise ArgumentError(f"{name} holds entities, which are saved by themselves: let them refer to it by id.")
        if not relation.cascade.delete_orphan:
            raise ArgumentError(f'{name} holds parts. Map it with: cascade="all, delete-orphan"')
        if relation.lazy != "selectin":
            raise ArgumentError(f'{name} could not be read after its block. Map it with: lazy="selectin"')
        if relation.collection_class and not isinstance(relation.collection_class(), list):
            raise ArgumentError(f"{name} holds parts in another collection than a list: leave collection_class out.")
        if [ours for ours, _ in relation.local_remote_pairs] != list(relation.parent.primary_key):
            raise ArgumentError(f"{name} needs a foreign key to the primary key of {relation.parent.local_table}.")
        if any(other.mapper is relation.mapper and other is not relation for other in parts):
            raise ArgumentError(f"{name} holds parts that another relationship owns too: give each a class of its own.")
        _check_order(name, relation)


def _check_order(name: str, relation: Relation) -> None:
    table = relation.mapper.local_table
    for column, modifiers in map(order_of, relation.order_by or ()):
        if not isinstance(column, Column) or column.table is not table:
            raise ArgumentError(f"{name} is ordered by {column}: order it by columns of {table}, plain or .desc().")
        if column.nullable and not modifiers & {nulls_first_op, nulls_last_op}:
            raise ArgumentError(
                f"{name} is ordered by {column}, which may be NULL: that is first on SQLite and last on PostgreSQL."
                " Write .nulls_first() or .nulls_last() after it."
            )


def _refuse_reference(name: str, relation: Relation, parts: list[Relation]) -> None:
    to_owners = [(part.parent, part.mapper, part.remote_side) for part in parts]
    if (relation.mapper, relation.parent, relation.local_columns) in to_owners:
        raise ArgumentError(f"{name} points back to the owner: leave it out, and hand the owner to what needs it.")
    if not issubclass(relation.mapper.class_, Entity):
        raise ArgumentError(f"{name} points to a part by a foreign key of its own: give the part's table the key.")
    raise ArgumentError(f"{name} points to another aggregate: refer to it by its id, {relation.key}_id.")


def check_reference(mapper: Mapper[Any], key: ForeignKeyConstraint, target: Mapper[Any]) -> None:  # Any: of any class
    """Refuse a foreign key to another aggregate that can't be followed, or by which the database would change rows.

    Raises: ArgumentError.
    """
    kind, columns = mapper.class_.__name__, ", ".join(key.column_keys)
    unknown = [element.column for element in key.elements if element.column not in {*target.columns}]
    if unknown and has_attributes(mapper, key):
        raise ArgumentError(
            f"{kind} refers to {', '.join(map(str, unknown))}, which no attribute of {target.class_.__name__} has."
            f" Refer to its id by another column, and leave {columns} out: exclude_properties={key.column_keys}"
        )
    # an id never changes
    refers_to_id = [element.column for element in key.elements] == list(target.primary_key)
    is_mapped = not {*mapper.columns}.isdisjoint(key.columns)
    is_owned = any(part.mapper is mapper for part in target.relationships if part.direction is ONETOMANY)
    for event, action in (("DELETE", key.ondelete), ("UPDATE", None if refers_to_id else key.onupdate)):
        removes = (event, (action or "").upper()) == ("DELETE", "CASCADE")
        is_seen = is_mapped or (removes and not is_owned)
        if (action or "NO ACTION").upper() not in {"NO ACTION", "RESTRICT"} and is_seen:
            raise ArgumentError(
                f"{mapper.local_table}: {columns} says ON {event} {action}, which would change a {kind} without"
                " counting its version. Leave it out, and let a use case do it."
            )
