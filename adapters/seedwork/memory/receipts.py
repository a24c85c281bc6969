"""The receipts of requests in memory."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapters.seedwork.encoding import EncodingReceipts, encoded
from adapters.seedwork.shape import Row
from adapters.seedwork.tables import receipts
from service_layer.seedwork.receipts import Receipt

if TYPE_CHECKING:
    from adapters.seedwork.memory.transaction import InMemoryTransaction


class InMemoryReceipts(EncodingReceipts):
    """Rows of one writer at a time."""

    def __init__(self, transaction: "InMemoryTransaction") -> None:
        self._session = transaction.working_session

    def take(self, key: str, request: str) -> Receipt | None:
        if found := self._rows().get(key):
            return Receipt(found["request"], found["answer"])
        row = {"key": key, "request": request, "answer": None, "received_at": datetime.now(UTC)}
        self._session.put(receipts, (key,), row)
        return None

    def keep(self, key: str, kind: Any, answer: object) -> None:  # Any: as the port has it
        self._session.put(receipts, (key,), self._rows()[key] | {"answer": encoded(kind, answer)})

    def forget(self, before: datetime, limit: int) -> int:
        old = [key for key, row in self._rows().items() if row["received_at"] < before][:limit]
        for key in old:
            self._session.drop(receipts, (key,))
        return len(old)

    def _rows(self) -> dict[str, Row]:
        return {row["key"]: row for row in self._session.roots(receipts).values()}
