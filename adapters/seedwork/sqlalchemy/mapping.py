"""What all mappings share: the metadata with its naming convention, the registry, and column types."""

from typing import Any

from sqlalchemy import MetaData, Table, event, inspect
from sqlalchemy.orm import QueryContext, Relationship, registry

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


def map_once(entity: type, table: Table, **options: Any) -> None:  # Any: they are map_imperatively's, which takes Any
    """Map ``entity`` to ``table`` unless it is mapped already; ``options`` are those of ``map_imperatively``."""
    if inspect(entity, raiseerr=False) is None:
        mapper_registry.map_imperatively(entity, table, **options)
        if any(isinstance(part, Relationship) for part in options.get("properties", {}).values()):
            event.listen(entity, "load", _keep)


def _keep(entity: object, context: QueryContext) -> None:
    # the identity map is weak: a root that its caller drops would be gone when a change of its parts is flushed
    if not context.execution_options.get("yield_per"):
        context.session.info.setdefault("roots", []).append(entity)
