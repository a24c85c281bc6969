"""The outbox: events are stored by the transaction that publishes them, with a delivery for each of their handlers.

Source: Transactional Outbox, in Richardson, Microservices Patterns (2018), section 3.3.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from inspect import signature
from typing import Any, get_args
from uuid import UUID

from domain.seedwork.entity import Entity
from domain.seedwork.events import Event
from service_layer.seedwork.functions import returns_early

NAME_MAX_LENGTH = 100


class State(StrEnum):
    """Where a delivery stands. One that is done is gone."""

    DUE = "due"
    """It can be made, as soon as its time has come."""
    WAITING = "waiting"
    """An earlier one of the same aggregate and handler comes first, and lets it be due."""
    PARKED = "parked"
    """It was tried too often. Somebody has to look at it; those after it wait."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a handler has yet to get."""

    position: int
    """That of the event: the events of an aggregate have the order of its commits."""
    handler: str
    aggregate_id: UUID
    state: State
    attempts: int
    """How often it was begun: a try that killed its process counts."""
    not_before: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it is stored."""

    position: int
    id: UUID
    name: str
    schema: int
    aggregate_id: UUID
    aggregate_version: int | None
    """What the aggregate's version became; None where the block has neither changed it nor kept what it loaded."""
    body: dict[str, Any]
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Handler:
    """A use case that takes an event."""

    function: Callable[[Any, Any], object]  # Any: your unit of work, and an event of the kinds
    kinds: tuple[type[Event], ...]


class Handlers(dict[str, Handler]):
    """The handlers of an application, by the names under which their deliveries are stored."""

    def add(self, name: str, function: Callable[[Any, Any], object]) -> None:
        """Register a handler: ``HANDLERS.add("send the invoice", send_invoice)``.

        Args:
            name: 1 to 100 characters, for ever: under a new name it is another handler, which gets new events alone.
            function: a use case that takes the unit of work and the event; the annotation of the event says which kinds
                it gets, as ``OrderPlaced | OrderRemoved``.
        Raises: ValueError (the name is in use), TypeError (the annotation names no event, or the function is
            asynchronous or a generator: it returns before its work is done).
        """
        if name in self or not 1 <= len(name) <= NAME_MAX_LENGTH:
            raise ValueError(
                f"A handler can't be called {name!r}: use another name, of 1 to {NAME_MAX_LENGTH} characters."
            )
        if returns_early(function):
            raise TypeError(
                f"{name!r} returns before its work is done, and its events would be lost. Write a plain function, which"
                " awaits by asyncio.run() what it has to: def handle(uow: UnitOfWork, event: OrderPlaced)"
            )
        hints = [parameter.annotation for parameter in signature(function, eval_str=True).parameters.values()][1:2]
        kinds = tuple(kind for hint in hints for kind in get_args(hint) or (hint,))
        if not kinds or not all(isinstance(kind, type) and issubclass(kind, Event) for kind in kinds):
            raise TypeError(
                f"{name!r} does not say which events it takes. Write: def handle(uow: UnitOfWork, event: OrderPlaced)"
            )
        self[name] = Handler(function, kinds)

    def of(self, event: Event) -> list[str]:
        """Return the names of those that get an event."""
        return [name for name, handler in self.items() if isinstance(event, handler.kinds)]


class Outbox(ABC):
    """The stored events and their deliveries, inside a block of a unit of work. Each query is bounded."""

    @abstractmethod
    def known(self, kind: type[Entity], id: UUID) -> Entity | None:
        """Return an aggregate if the block has loaded it."""

    @abstractmethod
    def row_of(self, event: Event) -> dict[str, Any]:  # Any: of the columns' types
        """Return what is to be stored of an event. Raises: UnitOfWorkMisuse (it holds what JSON can't keep)."""

    @abstractmethod
    def decoded(self, published: Published) -> Event:
        """Return a stored event as an object. Raises: StoredValueUnreadable (its class lacks a default, or is gone)."""

    @abstractmethod
    def store(self, row: dict[str, Any], aggregate_version: int | None, handlers: Sequence[str]) -> None:
        """Store an event, with the next position, and a delivery for each handler."""

    @abstractmethod
    def deliver_again(self, published: Sequence[Published], handler: str, now: datetime) -> None:
        """Make a delivery of each of these stored events, unless there is one."""

    @abstractmethod
    def due(self, handlers: Iterable[str], now: datetime) -> list[str]:
        """Return which handlers have deliveries whose time has come."""

    @abstractmethod
    def next_due(self, handler: str, now: datetime) -> Delivery | None:
        """Return the delivery that has been due the longest, and lock it; those that are locked are left out."""

    @abstractmethod
    def earlier(self, delivery: Delivery) -> Delivery | None:
        """Return the nearest delivery before this one, of the same aggregate and handler."""

    @abstractmethod
    def later(self, delivery: Delivery) -> Delivery | None:
        """Return the nearest delivery after it."""

    @abstractmethod
    def lock(self, delivery: Delivery) -> bool:
        """Lock a delivery until the block ends, if it is as it was and nobody else has locked it.

        Where rows can't be locked, one worker works at a time: then this sends nothing, and is true.
        """

    @abstractmethod
    def change(self, delivery: Delivery, **values: object) -> bool:
        """Change a delivery if nobody has begun it since; return whether that was so."""

    def finish(self, delivery: Delivery, now: datetime) -> bool:
        """Remove a delivery that is done or given up, and let the next one of its aggregate be due.

        Returns: whether that was so; nothing is changed where somebody has begun it since.
        """
        if not self.remove(delivery):
            return False
        later = self.later(delivery)
        if later and (later.state is State.WAITING or (later.attempts == 0 and later.not_before > now)):
            self.change(later, state=State.DUE, not_before=now)
        return True

    @abstractmethod
    def remove(self, delivery: Delivery) -> bool:
        """Remove a delivery, if nobody has begun it since; return whether that was so."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[bool]:
        """Let one worker work at a time, where rows can't be locked; the operating system frees it when one dies."""

    @abstractmethod
    def deliveries(
        self, limit: int, *, after: int = 0, state: State | None = None, handler: str | None = None
    ) -> list[Delivery]:
        """Return deliveries of events after a position, in order."""

    @abstractmethod
    def events(self, limit: int, *, after: int = 0, lock: bool = False) -> list[Published]:
        """Return stored events after a position, in order; ``lock`` keeps others from locking them, too."""

    @abstractmethod
    def forget(self, positions: Sequence[int]) -> int:
        """Delete those of the events that have no delivery left; return how many."""
