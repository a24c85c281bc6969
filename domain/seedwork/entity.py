"""What every entity is: one identity, equal and hashable by it, its rules kept on every assignment."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import randbits
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

from domain.seedwork.errors import InvalidValue, VersionMismatch

Id = TypeVar("Id", bound=UUID)

if sys.version_info >= (3, 14):
    from uuid import uuid7

    new_id = uuid7
else:
    _last = 0
    """The newest id's time, in 4096ths of a millisecond."""

    def new_id() -> UUID:
        """Return a new UUIDv7: ids sort in the order in which a process made them, and else by their time.

        Source: RFC 9562, section 5.7; the order within a millisecond by section 6.2, method 3.
        """
        global _last  # noqa: PLW0603  # nothing else reads or sets it
        milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
        # a clock may stand still for 16 ms, as on Windows, and may be set back
        _last = now = max(_last + 1, milliseconds << 12 | nanoseconds * 4096 // 1_000_000)
        return UUID(int=now >> 12 << 80 | 0x7 << 76 | (now & 0xFFF) << 64 | 0b10 << 62 | randbits(62))


def checked_id(id: Id) -> Id:
    """Return ``id`` if it is a UUID; otherwise raise InvalidValue."""
    if not isinstance(id, UUID):
        raise InvalidValue("id", id, "it must be a UUID")
    return id


class _Ruled:
    rules: ClassVar[Mapping[str, Callable[[Any], object]]] = {}  # Any: a rule judges whatever a caller hands in
    _listed: ClassVar[Mapping[str, Callable[[Any], object]]] = {}
    """Those that the class itself lists: its ``rules`` have those of its bases as well."""

    def __init_subclass__(cls, **options: Any) -> None:  # Any: whatever another base takes
        super().__init_subclass__(**options)
        cls._listed = vars(cls).get("rules", {})
        listed = (vars(kind).get("_listed", vars(kind).get("rules", {})) for kind in reversed(cls.__mro__))
        cls.rules = {name: rule for rules in listed for name, rule in rules.items()}

    if not TYPE_CHECKING:  # a type checker that saw it would accept every misspelt attribute

        def __setattr__(self, name, value):
            if rule := self.rules.get(name):
                value = rule(value)
            object.__setattr__(self, name, value)


class Part(_Ruled):
    """A part of an aggregate: it is saved, loaded and removed with its root, and has no repository.

    A subclass is a plain dataclass (``eq=False, kw_only=True``) that lists in ``rules`` the check of each field: it
    takes the value and returns the one to keep, or raises InvalidValue. The rules of its bases hold as well.
    Construction, methods and plain assignment run the rules; nothing else does, so what is stored can be loaded, shown,
    copied and pickled whatever a rule says now.
    """

    key: ClassVar[tuple[str, ...]] = ()
    """The fields by which an owner's parts are told apart; none: by all their values."""


@dataclass(eq=False, kw_only=True)
class Entity(_Ruled):
    """The root of an aggregate: equal by type and id, and hashable by them; the id is set once.

    A subclass narrows ``id`` to a type of its own, and lists its ``rules`` as a part does.
    """

    id: Any = field(default_factory=new_id)  # Any: a UUID, whose type a subclass narrows
    # default_factory: mapping the class would lose the plain default of a field that __init__ does not take
    version: int = field(default_factory=int, init=False)
    """How often the entity was saved, counted by the unit of work alone; 0 before the first time."""

    if not TYPE_CHECKING:

        def __setattr__(self, name, value):
            if rule := self.rules.get(name):
                value = rule(value)
            elif name == "id" and checked_id(value) != self.__dict__.get("id", value):
                raise InvalidValue("id", value, f"the entity keeps its id {self.id}")
            elif name == "version" and value != self.__dict__.get("version", 0):
                raise InvalidValue("version", value, "the unit of work alone counts it")
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entity) and type(other) is type(self) and other.id == self.id

    def __hash__(self) -> int:
        return hash((type(self), self.id))

    def expect_version(self, version: int | None) -> None:
        """Check that nobody has saved this entity since a caller read it.

        Args:
            version: the version that the caller read; None to accept any version.
        Raises: VersionMismatch (the entity has another version).
        """
        if version is not None and (type(version) is not int or version != self.version):
            raise VersionMismatch(type(self).__name__, self.id, version, self.version)
