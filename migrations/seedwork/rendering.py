"""What autogenerate writes for column types that the engines differ in, and for such defaults."""

from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import ARRAY, DefaultClause, false, func, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeDecorator, TypeEngine, adapt_type

# Alembic alone would write what they are on the connected engine: on SQLite 0, which PostgreSQL refuses
DEFAULTS: dict[type, str] = {type(true()): "sa.true()", type(false()): "sa.false()", type(func.now()): "sa.func.now()"}


class _Engine(DefaultDialect):
    """An engine by its name alone: it leaves a type as it was written."""

    colspecs = {ARRAY: postgresql.ARRAY}

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


SQLITE, POSTGRESQL = _Engine("sqlite"), _Engine("postgresql")


def render_item(kind: str, item: object, autogen: AutogenContext) -> str | Literal[False]:
    """Write what both engines understand, and nothing that a revision would have to import from the application."""
    if kind == "server_default" and isinstance(item, DefaultClause):
        return DEFAULTS.get(type(item.arg), False)
    if kind != "type" or not isinstance(item, TypeEngine):
        return False
    on_sqlite, on_postgresql = _on(SQLITE, item), _on(POSTGRESQL, item)
    if not _is_ours(item) and not _dialect_of(on_postgresql):
        return False
    written, variant = _render(on_sqlite, autogen), _render(on_postgresql, autogen)
    return written if written == variant else f"{written}.with_variant({variant}, {POSTGRESQL.name!r})"


def _on(engine: _Engine, type_: TypeEngine[Any]) -> TypeEngine[Any]:  # Any: of whatever values
    # dialect_impl() would return a copy, and that of an Enum would be written as one that creates no type
    found = type_._variant_mapping.get(engine.name, type_)  # noqa: SLF001  # no public name has it
    if isinstance(found, TypeDecorator) and _is_ours(found):
        return _on(engine, found.load_dialect_impl(engine))
    return adapt_type(found, engine.colspecs)


def _is_ours(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, TypeDecorator) and not type(type_).__module__.startswith("sqlalchemy.")


def _dialect_of(type_: TypeEngine[Any]) -> str:
    return type(type_).__module__.partition("sqlalchemy.dialects.")[2].partition(".")[0]


def _render(type_: TypeEngine[Any], autogen: AutogenContext) -> str:
    if dialect := _dialect_of(type_):
        autogen.imports.add(f"from sqlalchemy.dialects import {dialect}")
    # of PostgreSQL, whatever is connected: it alone knows that a JSONB has a type within it
    impl = PostgresqlImpl(POSTGRESQL, None, as_sql=True, transactional_ddl=None, output_buffer=None, context_opts={})
    return impl.render_type(type_, autogen) or f"{dialect or 'sa'}.{type_!r}"
