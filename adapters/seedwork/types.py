"""Column types that entities of every application need."""

import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import JSON, DateTime, Dialect, String, Uuid
from sqlalchemy.types import TypeDecorator, TypeEngine

from domain.seedwork.entity import Id
from domain.seedwork.rules import EmailAddress

E = TypeVar("E", bound=StrEnum)


class IdType(TypeDecorator[Id]):
    """A UUID with a type of its own: ``IdType[OrderId]()``."""

    impl = Uuid
    cache_ok = True


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. SQLite keeps no time zone, so all of them are stored in UTC and come back in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone. Write: datetime.now(UTC)")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value and value.astimezone(UTC)


class EmailType(TypeDecorator[EmailAddress]):
    """An e-mail address, stored as text."""

    impl = String(EmailAddress.MAX_LENGTH)
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> EmailAddress | None:
        # str.__new__: what is stored is taken as it is, so a rule made stricter does not lock old rows out
        return None if value is None else str.__new__(EmailAddress, value)


class EnumType(TypeDecorator[E]):
    """A member of an enumeration, stored as its value: ``EnumType(Status)``. A CHECK says which values there are."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__(length=max(map(len, kind)))
        self.kind = kind
        """The enumeration."""

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.kind(value)


class JsonType(TypeDecorator[Any]):  # Any: of JSON
    """A value of JSON, replaced as a whole; None is NULL."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def compare_values(self, x: Any, y: Any) -> bool:  # Any: as TypeDecorator has it
        """Compare what is stored: to Python 1, 1.0 and True are equal, and as JSON they are three texts.

        The order of keys is no part of it: JSONB gives them back in one of its own.
        """
        try:
            return json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)
        except TypeError:  # what was there before is not known
            return False


def rounded(value: Any, kind: TypeEngine[Any]) -> Any:  # Any: a Decimal, or another value, which stays as it is
    """Return a decimal with the places of its column's type, a half rounded away from zero, as PostgreSQL does it."""
    scale: int | None = getattr(kind, "scale", None)
    if scale is None or not isinstance(value, Decimal) or not value.is_finite():
        return value
    return value.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, Context(prec=1000))
