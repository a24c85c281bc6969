"""What all mappings share: the metadata with its naming convention, the registry, and what a mapping says."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Constraint,
    Index,
    MetaData,
    Table,
    and_,
    event,
    inspect,
)
from sqlalchemy.orm import (
    ONETOMANY,
    Mapper,
    Relationship,
    configure_mappers,
    registry,
    relationship,
)

from adapters.seedwork.attributes import assign_first_values
from adapters.seedwork.keeping import hold, refuse_stored_part
from adapters.seedwork.keys import RowKey, row_keys, table_of
from adapters.seedwork.mapping_rules import check, check_error, check_reference, check_tables
from adapters.seedwork.relations import ORDERING, Relation, has_attributes
from domain.seedwork.entity import Entity
from service_layer.seedwork.errors import UnitOfWorkMisuse

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
        parts = [part for mapper in mappers for part in parts_of(mapper)]
        for mapper in mappers:
            check(mapper, parts)
        check_tables(mappers)
        for constraint in constraints():
            check_error(constraint)
        for mapper in mappers:
            _add_ordering(mapper)
        configure_mappers()
        for mapper in mappers:
            assign_first_values(mapper)


def map_once(entity: type, table: Table | None, **options: Any) -> None:  # Any: map_imperatively's, which takes Any
    """Map a class to ``table`` unless it is mapped already; ``options`` are those of ``map_imperatively``.

    None is the table of a base, as ``inherits=`` says it: ``mapping()`` refuses that by name.
    """
    if inspect(entity, raiseerr=False) is None:
        # what the database makes in an UPDATE is readable after the block, too
        filled = {"eager_defaults": True} if table is not None and any(map(is_filled, table.columns)) else {}
        # who was overtaken learns it by a version; of a part that has none and is gone, SQLAlchemy would only warn
        confirmed = "version_id_col" in options
        mapper_registry.map_imperatively(entity, table, **{"confirm_deleted_rows": confirmed, **filled, **options})
        relations = [key for key, value in options.get("properties", {}).items() if isinstance(value, Relationship)]
        if issubclass(entity, Entity) and relations:
            event.listen(entity, "load", hold)
        for key in relations:  # before configure_mappers() adds SQLAlchemy's own listener, whose message does not help
            for name in ("append", "append_wo_mutation", "set"):
                event.listen(getattr(entity, key), name, refuse_stored_part)


def mapper_of(kind: type) -> Mapper[Any]:  # Any: of an entity, or of a part
    """Return the mapper of a class. Raises: UnitOfWorkMisuse (it is not mapped)."""
    mapper: Mapper[Any] | None = inspect(kind, raiseerr=False)
    if mapper is None:
        raise UnitOfWorkMisuse(
            f"{kind.__name__} is not mapped. Let start_mappers() map it, in adapters/mappers.py: it calls the map_...()"
            " of each aggregate."
        )
    return mapper


def mapper_to(table: Table) -> Mapper[Any] | None:  # Any: of an entity, or of a part
    """Return the mapper of the class that is mapped to a table; None if there is none."""
    return next((mapper for mapper in mapper_registry.mappers if mapper.local_table is table), None)


def row_key_of(table: Table) -> RowKey:
    """Return the key by which the rows of a table are known: that of its mapping, or else its primary key."""
    mapper = mapper_to(table)
    return next(row_keys(mapper)) if mapper else table.primary_key


def is_filled(column: Column[Any]) -> bool:  # Any: of whatever type
    """Whether a column may be filled by another than the entity, in an INSERT or in an UPDATE."""
    makers = (column.default, column.onupdate, column.server_default, column.server_onupdate)
    return any(maker is not None for maker in makers)


@cache
def parts_of(mapper: Mapper[Any]) -> tuple[Relation, ...]:
    """Return the relationships of a class to its parts: what is saved, loaded and removed with it."""
    return tuple(part for part in mapper.relationships if part.direction is ONETOMANY)


def keys_to_owners() -> set[ColumnElement[Any]]:  # Any: of whatever type
    """Return the columns by which parts refer to their owners."""
    return {column for mapper in mapper_registry.mappers for part in parts_of(mapper) for column in part.remote_side}


@cache
def has_key_of_owner(mapper: Mapper[Any]) -> bool:  # Any: of a part
    """Whether a part's key has its owner's in it: SQLAlchemy lets a new one take the row that its owner gives up."""
    return not keys_to_owners().isdisjoint(mapper.primary_key)


def references_of(mapper: Mapper[Any]) -> list[Relation]:
    """Return the relationships that only order what is saved: one for each foreign key to another aggregate."""
    return [reference for reference in mapper.relationships if reference.key.startswith(ORDERING)]


@cache
def needed_by(table: Table) -> frozenset[Table]:
    """Return the tables to which foreign keys lead from this one, itself included: their rows must be there first."""
    needed, waiting = set[Table](), [table]
    while waiting:
        if (found := waiting.pop()) not in needed:
            needed.add(found)
            waiting += [key.referred_table for key in found.foreign_key_constraints]
    return frozenset(needed)


def constraints() -> Iterator[Constraint | Index]:
    """Yield the constraints and indexes of all tables that are mapped, or stand beside one that is."""
    mapped = (mapper.local_table for mapper in mapper_registry.mappers)
    for metadata in {table.metadata for table in mapped if isinstance(table, Table)}:
        for table in metadata.tables.values():
            yield from table.constraints | table.indexes


def _add_ordering(mapper: Mapper[Any]) -> None:
    # SQLAlchemy orders the statements of a flush by relationships alone, and a reference by id has none.
    known = keys_to_owners()
    names = {key: ORDERING + "_".join(key.column_keys) for key in table_of(mapper).foreign_key_constraints}
    for key, name in names.items():
        target = mapper_to(key.referred_table)
        if target and known.isdisjoint(key.columns) and not mapper.has_property(name):
            check_reference(mapper, key, target)
            if not has_attributes(mapper, key):
                continue
            pairs = [(element.parent, element.column) for element in key.elements]
            reference: Relationship[Any] = relationship(
                target,
                primaryjoin=and_(*(ours == theirs for ours, theirs in pairs)),
                foreign_keys=[ours for ours, _ in pairs],
                remote_side=[theirs for _, theirs in pairs],
                cascade="",
                overlaps=",".join(names.values()),  # keys of several columns may share one, as that of a tenant
            )
            mapper.add_property(name, reference)
