"""How a revision goes on after a kill, on a server where DDL is not undone with its transaction.

Each statement of DDL is noted in the table ``alembic_steps`` before it is sent, and after it. The run after a kill
leaves out what is done. On PostgreSQL itself nothing of this happens but one try, at the first statement of DDL.
"""

import logging
import re
from hashlib import sha256
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from adapters.seedwork.sqlalchemy.gaps import code_of, has_transactional_ddl

log = logging.getLogger("alembic.env")

DDL = re.compile(r"\s*(CREATE|ALTER|DROP|COMMENT|RENAME)\b(?!.*\balembic_version\b)", re.IGNORECASE | re.DOTALL)
TABLE = "CREATE TABLE IF NOT EXISTS alembic_steps (step INTEGER PRIMARY KEY, hash VARCHAR(64), done BOOLEAN)"
DONE_BEFORE = frozenset({"42701", "42710", "42P06", "42P07", "42703", "42704", "42P01", "3F000"})
"""By these codes a server says that it has already what CREATE makes, or no longer what DROP drops."""
NOTHING: tuple[str, Any] = ("SELECT 1", ())


class Steps:
    """The statements of DDL of the revision that runs on a connection."""

    def __init__(self, connection: Connection) -> None:
        self._notes: Connection | None = None
        """A connection of their own, so that they outlive the revision's transaction."""
        self._is_transactional: bool | None = None
        self._engine = connection.engine
        self.restart()
        event.listen(connection, "before_cursor_execute", self._before, retval=True)
        event.listen(connection, "after_cursor_execute", self._after)
        event.listen(self._engine, "handle_error", self._failed)

    def restart(self) -> None:
        """Begin with the first statement of a revision."""
        self._step, self._running = 0, False
        self._noted: dict[int, tuple[str, bool]] | None = None

    def finish(self, ctx: Any, **_: object) -> None:  # Any: as Alembic calls it
        """Forget the statements of a revision in the transaction that notes the revision itself."""
        if self._notes:
            ctx.connection.execute(text("DELETE FROM alembic_steps"))
        self.restart()

    def close(self) -> None:
        """Close what was opened for the notes."""
        if self._notes:
            self._notes.close()

    @property
    def stand(self) -> str:
        """Where a revision stands that has failed, for the message."""
        if not self._notes or self._step < 2:
            return ""
        return (
            f" This server does not undo DDL: of this revision {self._step - 1} statements are done, and stay. Mend the"
            " cause, leave those statements as they are, and run the same command again: it goes on after them."
        )

    def _before(self, _: object, __: object, statement: str, parameters: Any, *___: object) -> tuple[str, Any]:
        if not DDL.match(statement) or not self._takes_notes():
            return statement, parameters
        self._step += 1
        digest = sha256(statement.encode()).hexdigest()
        noted, is_done = self._read().get(self._step, (digest, None))
        if noted != digest:
            raise CommandError(
                f"Another revision was begun, and not finished: its statement {self._step} of DDL was not"
                f" {' '.join(statement.split())!r}. Finish that one as it was; or look what is there, and empty the"
                " table alembic_steps."
            )
        if is_done is None:
            self._note("INSERT INTO alembic_steps (step, hash, done) VALUES (:step, :hash, false)", hash=digest)
            self._running = True
            return statement, parameters
        if not is_done:  # the upgrade was killed while it ran
            self._repeat(statement)
        log.info("Statement %s of this revision was done before: %s", self._step, " ".join(statement.split()))
        return NOTHING

    def _after(self, *_: object) -> None:
        if self._running:
            self._running = False
            self._note("UPDATE alembic_steps SET done = true WHERE step = :step")

    def _failed(self, context: ExceptionContext) -> None:
        if self._running:
            self._running = False
            if not context.is_disconnect:
                self._note("DELETE FROM alembic_steps WHERE step = :step")

    def _takes_notes(self) -> bool:
        if self._is_transactional is None:
            self._is_transactional = True
            try:
                notes = self._engine.connect()
            except DBAPIError:  # the role may have one connection alone: then this stays as Alembic has it
                return False
            self._is_transactional = has_transactional_ddl(notes)
            if self._is_transactional:
                notes.close()
            else:
                self._notes = notes.execution_options(isolation_level="AUTOCOMMIT")
                self._notes.exec_driver_sql(TABLE)
        return not self._is_transactional

    def _read(self) -> dict[int, tuple[str, bool]]:
        if self._noted is None:
            assert self._notes
            rows = self._notes.execute(text("SELECT step, hash, done FROM alembic_steps"))
            self._noted = {step: (digest, done) for step, digest, done in rows}
        return self._noted

    def _repeat(self, statement: str) -> None:
        assert self._notes
        try:
            self._notes.exec_driver_sql(statement)
        except DBAPIError as error:
            if code_of(error) not in DONE_BEFORE:
                raise
        self._note("UPDATE alembic_steps SET done = true WHERE step = :step")

    def _note(self, statement: str, **values: str) -> None:
        assert self._notes
        self._notes.execute(text(statement), {"step": self._step, **values})
