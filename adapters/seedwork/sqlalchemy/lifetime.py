"""Where an engine's life ends: with its application, and in a process that was forked from the one that made it."""

import os
from typing import Any, Never
from weakref import WeakSet

from sqlalchemy import Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from service_layer.seedwork.errors import UnitOfWorkMisuse

_engines: WeakSet[Engine] = WeakSet()
_of_the_parent: list[object] = []
"""Pools whose connections the parent still uses: kept here, the garbage collector does not close them."""


def watch(engine: Engine) -> None:
    """Let an engine refuse work in each process that is forked from this one."""
    _engines.add(engine)


def end(engine: Engine) -> None:
    """Close an engine's connections, and let no block begin on it; one that is open can go on to its end."""
    event.listen(engine, "do_connect", refuse_after_the_end, insert=True)
    event.listen(engine, "checkin", _close)
    engine.dispose()


def refuse_after_the_end(*_: object, **__: object) -> Never:
    """Raise UnitOfWorkMisuse: the application has ended."""
    raise UnitOfWorkMisuse(
        "The application has ended, since its block was left. Work inside it: with bootstrap() as container:"
    )


def _close(_driver: object, entry: ConnectionPoolEntry) -> None:
    """Close the connection of a block that was open at the end: its pool is not asked again."""
    entry.close()


def _refuse_forked(*_: object, **__: Any) -> Never:  # Any: whatever the hook takes
    raise UnitOfWorkMisuse(
        "This process was forked, and can't share the connections of its parent. Call bootstrap() after the fork."
    )


def _leave_alone(*_: object) -> None:
    """Do nothing to a connection of the parent, which goes on with it."""


def _abandon() -> None:
    for engine in _engines:
        _of_the_parent.append(engine.pool)
        engine.dispose(close=False)
        for hook in ("connect", "do_begin", "do_commit", "do_execute", "do_execute_no_params", "do_executemany"):
            setattr(engine.dialect, hook, _refuse_forked)
        for hook in ("do_rollback", "do_close", "do_terminate"):
            setattr(engine.dialect, hook, _leave_alone)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_abandon)
