"""What all mappings share: the metadata with its naming convention, the registry, and column types."""

from typing import Any

from sqlalchemy import MetaData, Table, Uuid, inspect
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator

from domain.entity import Id

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the application. A constraint whose ``info["error"]`` is a domain error is told as that error."""

mapper_registry = registry(metadata=metadata)


class IdType(TypeDecorator[Id]):
    """A UUID with a type of its own: ``IdType[UserId]()``."""

    impl = Uuid
    cache_ok = True


def map_once(entity: type, table: Table, **options: Any) -> None:  # Any: they are map_imperatively's, which takes Any
    """Map ``entity`` to ``table`` unless it is mapped already; ``options`` are those of ``map_imperatively``."""
    if inspect(entity, raiseerr=False) is None:
        mapper_registry.map_imperatively(entity, table, **options)
