"""The list of all aggregates: importing it makes every table known, calling it maps every entity."""

from threading import Lock

from sqlalchemy.orm import configure_mappers

from adapters.seedwork.sqlalchemy.mapping import metadata
from adapters.users import map_users

__all__ = ["metadata", "start_mappers"]

_lock = Lock()


def start_mappers() -> None:
    """Map every entity. It may be called again, and from any thread."""
    with _lock:
        map_users()
        configure_mappers()
