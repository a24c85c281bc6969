"""The tables of events, their deliveries and the receipts of requests. ``add_to`` makes them those of an application.

A revision in ``migrations/versions`` makes them. A fork that publishes nothing leaves out both.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    Uuid,
)

from adapters.seedwork.mapping import metadata as application
from adapters.seedwork.types import EnumType, UtcDateTime
from service_layer.seedwork.outbox import NAME_MAX_LENGTH, State
from service_layer.seedwork.receipts import KEY_MAX_LENGTH

metadata = MetaData(naming_convention=application.naming_convention)

events = Table(
    "outbox_events",
    metadata,
    # the database counts, after the aggregate's own row is locked: its events have the order of its commits
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("name", String(NAME_MAX_LENGTH), nullable=False),
    Column("schema", Integer, nullable=False),
    Column("aggregate_id", Uuid, nullable=False),
    Column("aggregate_version", Integer),
    Column("body", JSON, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,  # or the position of the newest event is given again once that is deleted
)

deliveries = Table(
    "outbox_deliveries",
    metadata,
    Column("position", BigInteger, nullable=False),
    Column("handler", String(NAME_MAX_LENGTH), nullable=False),
    Column("aggregate_id", Uuid, nullable=False),
    Column("state", EnumType(State), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("error", Text),
    PrimaryKeyConstraint("position", "handler"),
    CheckConstraint(f"state IN ({', '.join(repr(str(state)) for state in State)})", name="state"),
    Index(None, "handler", "state", "not_before", "position"),
    Index(None, "handler", "aggregate_id", "position"),
    sqlite_with_rowid=False,
)

receipts = Table(
    "request_receipts",
    metadata,
    Column("key", String(KEY_MAX_LENGTH), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("answer", JSON),
    Column("received_at", UtcDateTime, nullable=False, index=True),
)


def add_to(other: MetaData) -> None:
    """Make these tables a part of an application's schema."""
    for table in metadata.sorted_tables:
        if table.name not in other.tables:
            table.to_metadata(other)
