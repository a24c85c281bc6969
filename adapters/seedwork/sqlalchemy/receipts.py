"""The receipts of requests in the database."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, select, update

from adapters.seedwork.encoding import EncodingReceipts, encoded
from adapters.seedwork.sqlalchemy.bulk import insert_if_absent
from adapters.seedwork.tables import receipts
from service_layer.seedwork.errors import OVERTAKEN, ConcurrencyConflict
from service_layer.seedwork.receipts import Receipt

if TYPE_CHECKING:
    from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction

_c = receipts.c
_find = select(_c.request, _c.answer).where(_c.key == bindparam("key"))
_keep = update(receipts).where(_c.key == bindparam("the_key"))


class SqlAlchemyReceipts(EncodingReceipts):
    """Rows; the primary key lets one of two transactions wait for the other."""

    def __init__(self, transaction: "SqlAlchemyTransaction") -> None:
        self._session = transaction.working_session

    @property
    def _connection(self) -> Connection:
        return self._session.connection()

    def take(self, key: str, request: str) -> Receipt | None:
        row = {"key": key, "request": request, "answer": None, "received_at": datetime.now(UTC)}
        if insert_if_absent(self._connection, receipts, row):
            return None
        if (found := self._connection.execute(_find, {"key": key}).first()) is None:
            raise ConcurrencyConflict(OVERTAKEN)  # it was pruned between the two statements
        return Receipt(*found)

    def keep(self, key: str, kind: Any, answer: object) -> None:  # Any: as the port has it
        self._connection.execute(_keep, {"the_key": key, "answer": encoded(kind, answer)})

    def forget(self, before: datetime, limit: int) -> int:
        old = select(_c.key).where(_c.received_at < before).order_by(_c.received_at).limit(limit)
        return self._connection.execute(delete(receipts).where(_c.key.in_(old))).rowcount
