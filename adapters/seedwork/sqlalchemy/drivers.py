"""Under which name SQLAlchemy finds the dialect of units of work for a URL, also for PostgreSQL's relatives."""

from functools import partial
from typing import Any

from sqlalchemy import URL, Dialect
from sqlalchemy.dialects import registry

from adapters.seedwork.sqlalchemy.postgresql_family import PostgreSQLFamily


def driver_of(url: URL, *, is_async: bool = False) -> str:
    """Return the name under which SQLAlchemy knows the dialect for a URL."""
    backend = url.get_backend_name()
    kind = ("Async" if is_async else "") + ("SQLite" if backend == "sqlite" else "PostgreSQL")
    if backend in {"sqlite", "postgresql"}:
        registry.register(f"{backend}.{kind.lower()}", f"{__package__}.{backend}_dialect", kind)
    else:
        registry.impls[f"{backend}.{kind.lower()}"] = partial(_relative, url, is_async=is_async)
    return f"{backend}+{kind.lower()}"


def _relative(url: URL, *, is_async: bool) -> type[Dialect]:
    """Return the dialect of another engine of PostgreSQL's family, on psycopg, as units of work need it."""
    theirs: Any = url.get_dialect()  # Any: as the package that brings it has it
    theirs = theirs.get_async_dialect_cls(url) if is_async else theirs
    ours = {
        "supports_statement_cache": True,
        "supports_sane_rowcount": True,  # psycopg counts by the protocol, and versions are compared by that count
        "get_async_dialect_cls": classmethod(lambda cls, _: cls),
    }
    made: type[Dialect] = type("Relative", (PostgreSQLFamily, theirs), ours)
    return made
