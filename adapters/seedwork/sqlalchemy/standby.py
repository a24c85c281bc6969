"""Reading what was just written on a stand-by, which may be some time behind its primary."""

import re
from time import monotonic

from sqlalchemy import text

from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from domain.seedwork.errors import InvalidValue
from service_layer.seedwork.errors import DatabaseUnavailable

PAUSE_S = 0.02
POSITION = text("SELECT CAST(pg_current_wal_lsn() AS text)")
FORM = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}")
IS_THERE = text("SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= CAST(:position AS pg_lsn)")


def position(uow: SqlAlchemyTransaction) -> str:
    """Return up to where the primary has written: all that was committed before this call is in it.

    Args:
        uow: closed, of the database that takes writes.
    """
    uow.require_closed("position() asks for what is committed")
    with uow.reading():
        return "" if _is_one_file(uow) else str(uow.session.execute(POSITION).scalar_one())


def wait_for(position: str, reader: SqlAlchemyTransaction, *, within_s: float) -> None:
    """Wait until a stand-by has what was written up to a position; the next block of ``reader`` sees it.

    Args:
        position: what ``position()`` has returned; it may come from another process, or from a caller's cookie.
        reader: closed; its URL names one stand-by, or several of which the driver takes the first.
        within_s: how many seconds to wait at the most.
    Raises: DatabaseUnavailable (it is not there within that time), InvalidValue (it is no position).
    """
    reader.require_closed("wait_for() waits for the next block")
    deadline = monotonic() + within_s
    while not _has(reader, position):
        if monotonic() > deadline:
            raise DatabaseUnavailable(f"The stand-by has not got the write within {within_s:g} s: read on the primary.")
        reader.pause(PAUSE_S)


def _has(reader: SqlAlchemyTransaction, position: str) -> bool:
    with reader.reading():  # one block for each look: a block sees one moment only
        if _is_one_file(reader):
            return True
        if not FORM.fullmatch(position):
            raise InvalidValue("position", position, "it must be what position() has returned, such as 0/16B3748")
        return bool(reader.session.execute(IS_THERE, {"position": position}).scalar_one())


def _is_one_file(uow: SqlAlchemyTransaction) -> bool:
    return uow.session.get_bind().dialect.name == "sqlite"
