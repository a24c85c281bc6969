"""Events on the command line: the worker, and what operators do with deliveries."""

import re
import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event as Flag
from typing import Annotated

import typer

from adapters.seedwork.cli.application import Application
from adapters.seedwork.cli.output import Json, show, show_saved
from service_layer.seedwork import upkeep
from service_layer.seedwork.errors import (
    CommitOutcomeUnknown,
    ConcurrencyConflict,
    DatabaseRefused,
    DatabaseUnavailable,
)
from service_layer.seedwork.outbox import Delivery, State
from service_layer.seedwork.worker import Worker

POLL_S = 1.0
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_Handler = Annotated[str, typer.Argument(metavar="HANDLER", help="Its registered name.", show_default=False)]


@dataclass(frozen=True)
class Count:
    """How many there were."""

    count: int


def parse_duration(text: str) -> timedelta:
    """Return the duration of a text. Raises: ValueError (it is not written as 30d)."""
    found = re.fullmatch(r"(\d{1,5})([smhd])", text, re.ASCII)
    if not found:
        raise ValueError("write it like 30d, 12h, 10m or 30s")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def events(application: Callable[[], AbstractContextManager[Application]]) -> typer.Typer:
    """Return the commands; ``application`` starts the application."""
    app = typer.Typer(no_args_is_help=True, help="Deliver events to their handlers, and see what could not be.")

    @app.command()
    def work(
        *,
        once: Annotated[bool, typer.Option("--once", help="End when nothing is due, as cron needs it.")] = False,
        as_json: Json = False,
    ) -> None:
        """Deliver events as they come, until SIGTERM or Ctrl-C: the delivery that is being made is finished first.

        Start as many as you like; on SQLite one works, and the others wait to take its place. It goes on while the
        database is away, and ends with 1 where waiting does not help: a login that the server refuses, a full disk.

        $ PROGRAM events work
        $ PROGRAM events work --once
        """
        stop = Flag()
        with _setting(stop), application() as container:
            worker = Worker(container.unit_of_work(), stop.is_set)
            count = worker.work() if once else _work_until(stop, worker)
        show_saved(Count, [Count(count)], as_json=as_json)

    @app.command("list")
    def list_deliveries(
        context: typer.Context,
        *,
        state: Annotated[State | None, typer.Option(help="Only those in this state.", show_default=False)] = None,
        after: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Begin after the event at this position.")] = 0,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="How many; all of an event are shown.")] = 50,
        as_json: Json = False,
    ) -> None:
        """Show the deliveries that are not done, and why the last try failed.

        $ PROGRAM events list --state parked
        """
        with application() as container:
            found = upkeep.list_deliveries(container.unit_of_work(), after=after, limit=limit, state=state)
        show(Delivery, found, as_json=as_json)
        if len(found) >= limit and not as_json:
            of_state = f" --state {state}" if state else ""
            typer.echo(f"More: {context.command_path} --limit {limit} --after {found[-1].position}{of_state}", err=True)

    @app.command()
    def retry(
        handler: Annotated[
            str | None, typer.Argument(metavar="HANDLER", help="Only those of this handler.", show_default=False)
        ] = None,
        *,
        as_json: Json = False,
    ) -> None:
        """Let what is parked be tried again.

        $ PROGRAM events retry
        """
        with application() as container:
            count = upkeep.retry_deliveries(container.unit_of_work(), handler)
        show_saved(Count, [Count(count)], as_json=as_json)

    @app.command()
    def drop(
        handler: _Handler,
        position: Annotated[
            int | None,
            typer.Argument(
                min=1,
                max=2**63 - 1,
                metavar="[POSITION]",
                help="That of an event, of which the delivery is given up whatever its state.",
                show_default=False,
            ),
        ] = None,
        *,
        as_json: Json = False,
    ) -> None:
        """Give up what is parked of a handler, or all that a handler has left that is registered no more.

        The event stays, and what has waited for its delivery goes on.

        $ PROGRAM events drop "count registrations" 12
        """
        with application() as container:
            count = upkeep.drop_deliveries(container.unit_of_work(), handler, position)
        show_saved(Count, [Count(count)], as_json=as_json)

    @app.command()
    def replay(handler: _Handler, *, as_json: Json = False) -> None:
        """Deliver all stored events of its kinds to a handler again: to a new one, or after a mistake in it.

        $ PROGRAM events replay "count registrations"
        """
        with application() as container:
            count = upkeep.replay(container.unit_of_work(), handler)
        show_saved(Count, [Count(count)], as_json=as_json)

    @app.command()
    def prune(
        *,
        older: Annotated[
            timedelta,
            typer.Option(metavar="30d", parser=parse_duration, help="How old, at the least.", show_default=False),
        ],
        as_json: Json = False,
    ) -> None:
        """Delete old events that all their handlers have got, and old receipts of requests.

        $ PROGRAM events prune --older 30d
        """
        with application() as container:
            count = upkeep.prune(container.unit_of_work(), older)
        show_saved(Count, [Count(count)], as_json=as_json)

    return app


def _work_until(stop: Flag, worker: Worker) -> int:
    count = 0
    while True:
        try:
            count += worker.work()
        except DatabaseRefused:
            raise
        except (CommitOutcomeUnknown, ConcurrencyConflict, DatabaseUnavailable) as error:
            typer.echo(f"{error} The next try comes in {POLL_S:.0f} s.", err=True)
        if stop.wait(POLL_S):
            return count


@contextmanager
def _setting(flag: Flag) -> Generator[None]:
    """Set a flag where SIGTERM or Ctrl-C would end the process."""
    before = {number: signal.signal(number, lambda *_: flag.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
