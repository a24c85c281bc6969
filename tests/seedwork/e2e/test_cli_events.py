"""The commands of events: the worker, and what operators see and do."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from adapters.container import bootstrap
from adapters.settings import Settings
from domain.seedwork.entity import new_id
from service_layer.seedwork.outbox import Handlers, State
from tests.seedwork.command_line import PROGRAM, Run, Start, finished
from tests.seedwork.order_events import OrderPlaced
from tests.seedwork.ordering import OrderId, OrderingUnitOfWork, SqlAlchemyOrderingUnitOfWork


class Mailer:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.is_away = False

    def send(self, uow: OrderingUnitOfWork, event: OrderPlaced) -> None:
        if self.is_away:
            raise ConnectionError("token=secret")
        self.sent.append(event.number)


@pytest.fixture
def mailer(monkeypatch: pytest.MonkeyPatch) -> Mailer:
    mailer = Mailer()
    handlers = Handlers()
    handlers.add("send a mail", mailer.send)
    monkeypatch.setattr(OrderingUnitOfWork, "handlers", handlers)
    return mailer


@pytest.fixture
def published(mailer: Mailer, sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        with uow:
            for number in ("A-1", "B-2"):
                uow.publish(OrderPlaced(order_id=OrderId(new_id()), number=number))
            uow.commit()


def lines(output: str) -> list[Any]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_worker_makes_what_is_due_and_ends(run: Run, mailer: Mailer, published: None) -> None:
    result = run("events", "work", "--once", "--json")

    assert (result.exit_code, lines(result.stdout)) == (0, [{"count": 2}])
    assert mailer.sent == ["A-1", "B-2"]
    assert lines(run("events", "list", "--json").stdout) == []


def test_what_failed_is_listed_without_a_secret(run: Run, mailer: Mailer, published: None) -> None:
    mailer.is_away = True
    run("events", "work", "--once")

    listed = lines(run("events", "list", "--limit", 1, "--json").stdout)
    shown = run("events", "list", "--limit", 1)

    assert [(one["handler"], one["state"], one["attempts"]) for one in listed] == [("send a mail", "due", 1)]
    assert listed[0]["error"].startswith("ConnectionError at test_cli_events.py:")
    assert "secret" not in shown.output
    assert f"More: {PROGRAM} events list --limit 1 --after {listed[0]['position']}" in shown.stderr


def test_what_is_parked_can_be_listed_and_retried(run: Run, mailer: Mailer, published: None, sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        uow = SqlAlchemyOrderingUnitOfWork(container.session_factory())
        with uow:
            uow.outbox.change(uow.outbox.deliveries(1)[0], state=State.PARKED, attempts=10)
            uow.commit()

    parked = lines(run("events", "list", "--state", "parked", "--json").stdout)
    assert [one["attempts"] for one in parked] == [10]
    more = f"{PROGRAM} events list --limit 1 --after {parked[0]['position']} --state parked"
    assert f"More: {more}" in run("events", "list", "--state", "parked", "--limit", 1).stderr
    assert lines(run("events", "retry", "another", "--json").stdout) == [{"count": 0}]
    assert lines(run("events", "retry", "--json").stdout) == [{"count": 1}]
    run("events", "work", "--once")
    assert sorted(mailer.sent) == ["A-1", "B-2"]


def test_a_delivery_is_given_up_by_its_position(run: Run, mailer: Mailer, published: None) -> None:
    [first, _] = lines(run("events", "list", "--json").stdout)

    assert lines(run("events", "drop", "send a mail", "--json").stdout) == [{"count": 0}]
    assert lines(run("events", "drop", "send a mail", first["position"], "--json").stdout) == [{"count": 1}]
    assert run("events", "drop", "send a mail", "0").exit_code == 2
    run("events", "work", "--once")
    assert mailer.sent == ["B-2"]


def test_a_handler_can_have_all_again(run: Run, mailer: Mailer, published: None) -> None:
    run("events", "work", "--once")

    assert run("events", "replay", "send a mail").stdout.split() == ["count", "2"]
    run("events", "work", "--once")
    assert mailer.sent == ["A-1", "B-2"] * 2


def test_a_handler_that_there_is_not_is_refused_in_one_line(run: Run, mailer: Mailer) -> None:
    result = run("events", "replay", "nobody")

    assert result.exit_code == 1
    assert result.stderr == f"{PROGRAM}: handler 'nobody' is not allowed: it must be one of 'send a mail'.\n"


def test_old_events_are_pruned(run: Run, mailer: Mailer, published: None) -> None:
    run("events", "work", "--once")

    assert lines(run("events", "prune", "--older", "30d", "--json").stdout) == [{"count": 0}]
    assert lines(run("events", "prune", "--older", "0s", "--json").stdout) == [{"count": 2}]


@pytest.mark.parametrize("older", ["", "30", "d", "-1d", "1y", "999999d"])
def test_a_duration_that_is_none_is_refused(run: Run, older: str) -> None:
    result = run("events", "prune", "--older", older)

    assert result.exit_code == 2
    assert "write it like 30d" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_end_ends_well(start: Start, sqlite_url: str, number: signal.Signals) -> None:
    worker = start("events", "work")
    has_begun = Path(f"{make_url(sqlite_url).database}-worker")
    while not has_begun.exists():
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.1)

    worker.send_signal(number)

    assert worker.wait(20) == 0
    worker.communicate()


def test_a_worker_whose_login_is_refused_ends_so_that_somebody_hears_of_it(start: Start, postgresql_url: str) -> None:
    url = make_url(postgresql_url).set(database="missing").render_as_string(hide_password=False)

    code, output, errors = finished(start("events", "work", env={"DATABASE_URL": url}))

    assert (code, output) == (1, "")
    assert "The server refuses the login." in errors
    assert "start it" not in errors
