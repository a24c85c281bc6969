"""What all mappings share: the metadata with its naming convention, the registry, and the rules of a mapping."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import Any, cast

from sqlalchemy import Constraint, Index, MetaData, Table, and_, event, inspect
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import (
    MANYTOMANY,
    MANYTOONE,
    ONETOMANY,
    Mapper,
    QueryContext,
    Relationship,
    RelationshipProperty,
    configure_mappers,
    registry,
    relationship,
)

from domain.seedwork.entity import Entity
from domain.seedwork.errors import AlreadyExists
from service_layer.seedwork.errors import ConstraintViolated

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the application. A constraint whose ``info["error"]`` is a domain error is reported as that error."""

mapper_registry = registry(metadata=metadata)

_ORDERING = "_refers_by_"
"""How the names of those relationships begin that only order what is saved; nobody reads them."""

_lock = Lock()


@contextmanager
def mapping() -> Generator[None]:
    """Map entities inside this block; at its end every mapping is checked. It may be repeated, from any thread.

    Raises: ArgumentError (an entity has a shape that is not supported; the message says what to write instead).
    """
    with _lock:
        yield
        configure_mappers()
        mappers = sorted(mapper_registry.mappers, key=lambda mapper: mapper.class_.__name__)
        for mapper in mappers:
            _check(mapper)
        for mapper in mappers:
            _order_by_references(mapper)
        configure_mappers()


def map_once(entity: type, table: Table, **options: Any) -> None:  # Any: they are map_imperatively's, which takes Any
    """Map a class to ``table`` unless it is mapped already; ``options`` are those of ``map_imperatively``."""
    if inspect(entity, raiseerr=False) is None:
        # eager_defaults: what the database makes in an UPDATE is readable after the block, too
        mapper_registry.map_imperatively(entity, table, **{"eager_defaults": True, **options})
        if issubclass(entity, Entity) and any(
            isinstance(part, Relationship) for part in options.get("properties", {}).values()
        ):
            event.listen(entity, "load", _hold)


def parts_of(mapper: Mapper[Any]) -> list[RelationshipProperty[Any]]:
    """Return the relationships of a class to its parts: what is saved, loaded and removed with it."""
    return [part for part in mapper.relationships if part.direction is ONETOMANY]


def references_of(mapper: Mapper[Any]) -> list[RelationshipProperty[Any]]:
    """Return the relationships that only order what is saved: one for each foreign key to another aggregate."""
    return [reference for reference in mapper.relationships if reference.key.startswith(_ORDERING)]


def error_of(constraint: Constraint | Index) -> Exception:
    """Return what a broken constraint is reported as: the domain's error declared beside it, or ConstraintViolated."""
    if error := constraint.info.get("error"):
        kind: type[Exception] = error
        columns = getattr(constraint, "columns", ()) if issubclass(kind, AlreadyExists) else ()
        return kind(*(column.key for column in columns))
    return ConstraintViolated(f"The database refused the data: {constraint.name} does not allow it.")


def _hold(entity: object, context: QueryContext) -> None:
    # The identity map is weak: a root that its caller drops would be gone when a change of its parts is flushed.
    # A reading block changes nothing, and a stream must not fill the memory.
    info = context.session.info
    if not context.execution_options.get("yield_per") and not info.get("read_only"):
        info.setdefault("roots", []).append(entity)


def _order_by_references(mapper: Mapper[Any]) -> None:
    # SQLAlchemy orders the statements of a flush by relationships alone, and a reference by id has none.
    known = {column for other in mapper_registry.mappers for part in parts_of(other) for column in part.remote_side}
    for key in cast("Table", mapper.local_table).foreign_key_constraints:
        name = _ORDERING + "_".join(key.column_keys)
        target = next((other for other in mapper_registry.mappers if other.local_table is key.referred_table), None)
        if target and known.isdisjoint(key.columns) and not mapper.has_property(name):
            pairs = [(element.parent, element.column) for element in key.elements]
            reference: Relationship[Any] = relationship(
                target,
                primaryjoin=and_(*(ours == theirs for ours, theirs in pairs)),
                foreign_keys=[ours for ours, _ in pairs],
                remote_side=[theirs for _, theirs in pairs],
                cascade="",
            )
            mapper.add_property(name, reference)


def _check(mapper: Mapper[Any]) -> None:
    """Refuse what would be saved wrongly, or not at all."""
    kind = mapper.class_
    if mapper.inherits or mapper.polymorphic_on is not None:
        raise ArgumentError(f"{kind.__name__} is mapped with inheritance, not supported: map one class a table.")
    for field in fields(kind) if is_dataclass(kind) else ():
        if field.name not in mapper.all_orm_descriptors:
            raise ArgumentError(
                f"{kind.__name__}.{field.name} has no column, so it would not be saved. Give the table one, or map it"
                " in properties; what is not saved is no field of an entity."
            )
    if issubclass(kind, Entity):
        if [mapper.get_property_by_column(column).key for column in mapper.primary_key] != ["id"]:
            raise ArgumentError(f"{kind.__name__} needs a table whose primary key is the one column of its id.")
        if mapper.version_id_col is None:
            raise ArgumentError(f"{kind.__name__} has no version. Map it with: version_id_col=table.c.version")
    for relation in mapper.relationships:
        if not relation.key.startswith(_ORDERING):
            _check_relation(f"{kind.__name__}.{relation.key}", relation)


def _check_relation(name: str, relation: RelationshipProperty[Any]) -> None:
    if relation.direction is MANYTOONE and not issubclass(relation.mapper.class_, Entity):
        raise ArgumentError(f"{name} points to a part by a foreign key of its own: give the part's table the key.")
    if relation.direction is MANYTOONE and issubclass(relation.parent.class_, Entity):
        raise ArgumentError(f"{name} points to another aggregate: refer to it by its id, {relation.key}_id.")
    if relation.direction is MANYTOMANY:
        raise ArgumentError(f"{name} is many-to-many, which is not supported: let parts hold the ids.")
    if relation.direction is ONETOMANY:
        if issubclass(relation.mapper.class_, Entity):
            raise ArgumentError(f"{name} holds entities, which are saved by themselves: let them refer to it by id.")
        if not relation.cascade.delete_orphan:
            raise ArgumentError(f'{name} holds parts. Map it with: cascade="all, delete-orphan"')
        if relation.lazy not in {"selectin", "joined", "subquery", "immediate"}:
            raise ArgumentError(f'{name} could not be read after its block. Map it with: lazy="selectin"')
        if [ours for ours, _ in relation.local_remote_pairs] != list(relation.parent.primary_key):
            raise ArgumentError(f"{name} needs a foreign key to the primary key of {relation.parent.local_table}.")
        others = [other for parent in mapper_registry.mappers for other in parts_of(parent)]
        if any(other.mapper is relation.mapper and other is not relation for other in others):
            raise ArgumentError(f"{name} holds parts that another relationship owns too: give each a class of its own.")
