"""Column types that entities of every application need."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Uuid
from sqlalchemy.types import TypeDecorator

from domain.seedwork.entity import Id


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
