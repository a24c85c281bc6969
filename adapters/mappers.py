"""The list of all aggregates: importing it makes every table known, calling it maps every entity."""

from adapters.seedwork import tables
from adapters.seedwork.mapping import mapping, metadata
from adapters.users import map_users

__all__ = ["metadata", "start_mappers"]

tables.add_to(metadata)  # of events and receipts; leave this out with their revision if you need neither


def start_mappers() -> None:
    """Map every entity. It may be called again, and from any thread."""
    with mapping():
        map_users()
