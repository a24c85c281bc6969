"""What both outboxes share: how an event becomes a row, and an event again."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from adapters.seedwork.encoding import decoded, encoded
from domain.seedwork.events import Event, kind_of
from service_layer.seedwork.outbox import Outbox, Published, State

Row = dict[str, Any]  # of the columns' types


class EncodingOutbox(Outbox):
    """Keeps the fields of an event as JSON."""

    def row_of(self, event: Event) -> Row:
        body: Row = encoded(type(event), event)
        del body["id"]  # it has a column of its own
        return {
            "id": event.id,
            "name": event.name,
            "schema": event.schema,
            "aggregate_id": event.aggregate_id,
            "aggregate_version": None,
            "body": body,
            "published_at": datetime.now(UTC),
        }

    def decoded(self, published: Published) -> Event:
        kind = kind_of(published.name)
        body = published.body
        if published.schema < kind.schema:
            body = kind.upgrade(dict(body), published.schema)
        event: Event = decoded(kind, body | {"id": published.id})
        return event


def deliveries_again(published: Sequence[Published], handler: str, now: datetime) -> list[Row]:
    """Return a delivery to a handler of each of these stored events, due now."""
    return [
        row for one in published for row in deliveries_of({**asdict(one), "published_at": now}, one.position, [handler])
    ]


def deliveries_of(row: Row, position: int, handlers: Sequence[str]) -> list[Row]:
    """Return a new delivery of an event for each handler."""
    delivery = {"position": position, "aggregate_id": row["aggregate_id"], "not_before": row["published_at"]}
    return [delivery | {"handler": name, "state": State.DUE, "attempts": 0, "error": None} for name in handlers]
