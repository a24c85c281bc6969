"""What every domain event is: a fact about one aggregate, in plain values that nothing will change.

Source: Domain Event, in Vernon, Implementing Domain-Driven Design (2013), chapter 8.
"""

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from domain.seedwork.entity import Entity, new_id

_kinds: dict[str, "type[Event]"] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that has happened to an aggregate. A use case publishes it in the block that saves the aggregate.

    ::

        @dataclass(frozen=True, kw_only=True)
        class OrderPlaced(Event, name="order placed", of=Order):
            order_id: OrderId            # of the aggregate that it speaks of, by this name
            total_cents: int = 0         # added later: events that were stored before get the default

    Args:
        name: under which it is stored, for ever; the class may be renamed.
        of: the class of the aggregate.
        schema: the version of its fields. Raise it when defaults are not enough, and let ``upgrade`` read the old ones.
    Raises: TypeError (another event has this name).
    """

    name: ClassVar[str]
    of: ClassVar[type[Entity]]
    schema: ClassVar[int]
    _key: ClassVar[str]

    id: UUID = field(default_factory=new_id)
    """Its own id: the key by which another system knows that it has this event already."""

    def __init_subclass__(cls, *, name: str, of: type[Entity], schema: int = 1) -> None:
        cls.name, cls.of, cls.schema = name, of, schema
        cls._key = f"{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', of.__name__).lower()}_id"
        other = _kinds.setdefault(name, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(
                f"{other.__qualname__} is stored as {name!r} already: give {cls.__qualname__} another name."
            )
        _kinds[name] = cls  # a dataclass with slots is made anew

    @property
    def aggregate_id(self) -> UUID:
        """The id of the aggregate that it speaks of. Raises: TypeError (no field of that name has it)."""
        if not hasattr(self, self._key):
            aggregate = self.of.__name__
            raise TypeError(
                f"{type(self).__qualname__} speaks of {aggregate}, and does not say which one. Write into the class:"
                f" {self._key}: {aggregate}Id"
            )
        id: UUID = getattr(self, self._key)
        return id

    @classmethod
    def upgrade(cls, body: dict[str, Any], schema: int) -> dict[str, Any]:  # noqa: ARG003  # Any: of JSON
        """Return the fields of an event that was stored under an older ``schema``, as this one has them."""
        return body


def kind_of(name: str) -> type[Event]:
    """Return the class of the events that are stored under a name. Raises: LookupError (no module defines it)."""
    if name not in _kinds:
        raise LookupError(
            f"No event is called {name!r}. Keep the class as long as such events are delivered, or let a worker of the"
            " newer release deliver them."
        )
    return _kinds[name]
