"""What both outboxes share: how an event becomes a row, and an event again."""

from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

from adapters.seedwork.encoding import decoded, encoded
from adapters.seedwork.shape import Row
from domain.seedwork.events import Event, kind_of
from service_layer.seedwork.errors import StoredValueUnreadable, UnitOfWorkMisuse
from service_layer.seedwork.outbox import Delivery, Outbox, Published, State

_WORDS_OF_THE_CLASS = {"name", "of", "schema"}
"""A field of such a name would get the class's value for its default, and an event be stored under the field's."""


class EncodingOutbox(Outbox):
    """Keeps the fields of an event as JSON."""

    def row_of(self, event: Event) -> Row:
        if taken := sorted(_WORDS_OF_THE_CLASS & {field.name for field in fields(event)}):
            raise UnitOfWorkMisuse(
                f"{type(event).__qualname__} has a field {taken[0]!r}, which every event has for its class. Give it"
                f" another name, such as new_{taken[0]}."
            )
        body: Row = encoded(type(event), event)
        del body["id"]  # it has a column of its own
        return {
            "id": event.id,
            "name": event.name,
            "schema": event.schema,
            "aggregate_id": event.aggregate_id,
            "body": body,
            "published_at": datetime.now(UTC),
        }

    def decoded(self, published: Published) -> Event:
        try:
            kind = kind_of(published.name)
        except LookupError as error:
            raise StoredValueUnreadable(str(error)) from None
        body = published.body
        if published.schema > kind.schema:
            raise StoredValueUnreadable(
                f"{published.name!r} was stored under schema {published.schema}, and its class here has {kind.schema}."
                " Let a worker of the newer release deliver it."
            )
        if published.schema < kind.schema:
            body = kind.upgrade(dict(body), published.schema)
        try:
            event: Event = decoded(kind, body | {"id": published.id})
        except StoredValueUnreadable as error:
            raise StoredValueUnreadable(
                f"{published.name!r} can't be read: {str(error).rstrip('.')}. Write a default or upgrade() into its"
                " class, or let a worker of the newer release deliver it."
            ) from None
        return event


def new_delivery(position: int, handler: str, aggregate_id: UUID, due: datetime) -> Delivery:
    """Return the delivery of an event to a handler that has not been tried."""
    return Delivery(position, handler, aggregate_id, State.DUE, 0, due, None)


def values_of(delivery: Delivery) -> Row:
    """Return a delivery by the columns of its row. ``asdict`` takes 40 times as long: it copies each value."""
    return {name: getattr(delivery, name) for name in Delivery.__slots__}
