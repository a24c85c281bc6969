"""psycopg's asynchronous cursor, when it has sent a statement together with BEGIN.

psycopg is an extra: only what connects imports this module.
"""

from typing import Any, Self  # Any: what psycopg's own method takes

import psycopg


class AsyncCursor(psycopg.AsyncCursor[Any]):
    """Shows the result of the statement: SQLAlchemy's adapter takes all rows at once, and would take those of BEGIN."""

    __slots__ = ()

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        await super().execute(query, params, **options)
        if self.statusmessage == "BEGIN":
            self.nextset()
        return self
