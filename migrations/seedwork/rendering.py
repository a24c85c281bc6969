"""What autogenerate writes for the application's own column types, and for defaults that differ between engines."""

from typing import Literal

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import DefaultClause, false, func, true
from sqlalchemy.types import TypeDecorator

# Alembic alone would write what they are on the connected engine: on SQLite 0, which PostgreSQL refuses
DEFAULTS: dict[type, str] = {type(true()): "sa.true()", type(false()): "sa.false()", type(func.now()): "sa.func.now()"}


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write what both engines understand, and nothing that a revision would have to import from the application."""
    if kind == "server_default" and isinstance(item, DefaultClause):
        return DEFAULTS.get(type(item.arg), False)
    if kind != "type" or not isinstance(item, TypeDecorator):
        return False
    type_ = item.impl_instance
    dialect = type(type_).__module__.partition("sqlalchemy.dialects.")[2].partition(".")[0]
    if dialect:
        autogen.imports.add(f"from sqlalchemy.dialects import {dialect}")
    return autogen.migration_context.impl.render_type(type_, autogen) or f"{dialect or 'sa'}.{type_!r}"
