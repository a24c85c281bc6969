"""The recipes run as they stand, each on a database of its own; and what a client sends wrongly is refused."""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask.testing import FlaskClient
from sqlalchemy import text

from adapters.container import async_bootstrap, bootstrap
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy.asynchronous import run
from adapters.settings import Settings
from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from domain.seedwork.entity import new_id
from domain.seedwork.errors import DomainError, NotFound
from domain.user import User
from service_layer import users
from service_layer.seedwork.errors import (
    OVERTAKEN,
    CommitOutcomeUnknown,
    ConcurrencyConflict,
    DatabaseRefused,
    DatabaseUnavailable,
    ReferenceViolated,
)
from service_layer.unit_of_work import UnitOfWork
from tests.seedwork.pages import blocks

PROGRAM = shlex.join([sys.executable, "-c", "from adapters.cli import app; app()"])
FOLDER = PROJECT / "docs" / "recipes"
TESTS = FOLDER / "tests.md"
CONTAINER = FOLDER / "container.md"
"""It stays without the sample, and so does its test."""
SCRIPTS = sorted({*FOLDER.glob("*.md")} - {TESTS, CONTAINER})

NO_OBJECT = {
    "a list": '[{"name": "John Doe"}]',
    "a number": "1",
    "a string": '"John Doe"',
    "null": "null",
    "half a text": '{"name": ',
    "nothing": "",
    "too deep": "[" * 100_000,
}
NO_USER = {
    "not a number": '{"name": "John Doe", "age": NaN}',
    "true": '{"name": "John Doe", "age": true}',
    "a number as text": '{"name": "John Doe", "age": "30"}',
    "a part of a character": '{"name": "\\ud800", "age": 30}',
    "a part of a character where a number belongs": '{"name": "John Doe", "age": "\\ud800"}',
    "a broken rule": '{"name": "John Doe", "age": 151}',
}


def names_in(page: Path, *wanted: str) -> dict[str, Any]:
    """Run those blocks of a page that contain one of these texts, and return the names that they define."""
    source = [block for block in blocks(page.read_text(), "python") if any(text in block for text in wanted)]
    names: dict[str, Any] = {"__name__": page.stem}
    exec("\n\n".join(source), names)
    return names


@pytest.fixture
def environment(sqlite_url: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": sqlite_url,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
    }


def assert_runs(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("page", SCRIPTS, ids=lambda page: page.stem)
def test_a_recipe_runs(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    script = tmp_path / "recipe.py"
    script.write_text("\n\n".join(blocks(page.read_text(), "python")))

    assert_runs([sys.executable, "-W", "error", str(script)], tmp_path, environment)
    assert_runs(
        ["sh", "-ec", "\n".join(blocks(page.read_text(), "sh")).replace("PROGRAM", PROGRAM)], tmp_path, environment
    )


@pytest.mark.parametrize("first", ["tasks", "service_layer.handlers", "adapters.container"])
def test_the_task_of_the_recipe_for_celery_is_ordered_by_the_handlers_of_the_service(
    first: str, environment: dict[str, str], tmp_path: Path
) -> None:
    for layer in ("domain", "service_layer", "adapters", "migrations"):
        shutil.copytree(PROJECT / layer, tmp_path / layer)
    *module, line, _ = blocks((FOLDER / "celery.md").read_text(), "python")
    (tmp_path / "tasks.py").write_text("\n\n".join(module))
    handlers = tmp_path / "service_layer" / "handlers.py"
    handlers.write_text(f"{handlers.read_text()}\nfrom tasks import order_welcome\n{line}")

    registered = f"import {first}, tasks; tasks.container(); print(*tasks.app.tasks)"
    assert "tasks.send_welcome" in assert_runs(
        [sys.executable, "-c", registered], tmp_path, environment | {"PYTHONPATH": str(tmp_path)}
    )


KILLED_ONCE = """
import os, signal, sys
from pathlib import Path

start = container


def container() -> "Container":
    if not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return start()


app.conf.worker_lost_wait = 0.1  # seconds: 10 by default
register_user.delay("019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d", "John Doe", 30)
app.worker_main(["worker", "--concurrency=1", "--loglevel=INFO", "--without-mingle", "--without-gossip"])
"""
"""What makes the recipe's module a worker with one task, whose first try kills its process."""


def test_a_task_of_the_recipe_for_celery_outlives_the_process_that_makes_it(
    environment: dict[str, str], tmp_path: Path
) -> None:
    module = blocks((FOLDER / "celery.md").read_text(), "python")[:2]
    (tmp_path / "tasks.py").write_text("\n\n".join([*module, KILLED_ONCE]))

    with subprocess.Popen(
        [sys.executable, "tasks.py"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as worker:
        limit = Timer(30, worker.kill)
        limit.start()
        assert worker.stderr
        done = next((line for line in worker.stderr if "succeeded" in line), None)
        limit.cancel()
        worker.terminate()

    assert (tmp_path / "killed").exists()
    assert done


def test_the_tests_that_the_recipe_for_tests_shows_pass(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_users.py").write_text("\n\n".join(blocks(TESTS.read_text(), "python")))

    printed = assert_runs([sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path)], tmp_path, environment)

    assert "4 passed" in printed


def test_the_job_of_the_recipe_for_cron_goes_on_after_a_lost_race() -> None:
    class OvertakenOnce(InMemoryUnitOfWork):
        overtaken = False

        def commit(self) -> None:
            if not self.overtaken:
                self.overtaken = True
                raise ConcurrencyConflict(OVERTAKEN)
            super().commit()

    store = InMemoryStore()
    users.register_user(InMemoryUnitOfWork(store), name="John Doe", age=30, email="john@example.com")

    assert (
        names_in(FOLDER / "cron.md", "def forget_addresses")["forget_addresses"](OvertakenOnce(store), "example.com")
        == 1
    )


@pytest.fixture
def flask(sqlite_url: str) -> Iterator[FlaskClient]:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        yield names_in(FOLDER / "flask.md", "def create_app")["create_app"](container).test_client()


@pytest.fixture
def fastapi(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    names = names_in(FOLDER / "fastapi.md", "def unit_of_work", "STATUS = ", "@app.")
    with TestClient(names["app"]) as client:
        yield client


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT.keys())
def test_flask_refuses_a_body_that_is_no_object(flask: FlaskClient, body: str) -> None:
    answer = flask.post("/users", data=body, content_type="application/json")

    assert (answer.status_code, answer.get_json()["detail"][:19]) == (400, "Send a JSON object,")


@pytest.mark.parametrize("body", NO_USER.values(), ids=NO_USER.keys())
def test_flask_refuses_values_that_are_not_those_of_a_user(flask: FlaskClient, body: str) -> None:
    answer = flask.post("/users", data=body, content_type="application/json")

    assert (answer.status_code, "is not allowed: " in answer.get_json()["detail"]) == (422, True)


@pytest.mark.parametrize("body", NO_OBJECT.values(), ids=NO_OBJECT.keys())
def test_fastapi_refuses_a_body_that_is_no_object(fastapi: TestClient, body: str) -> None:
    answer = fastapi.post("/users", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in {400, 422}
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("body", NO_USER.values(), ids=NO_USER.keys())
def test_fastapi_refuses_values_that_are_not_those_of_a_user(fastapi: TestClient, body: str) -> None:
    answer = fastapi.post("/users", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("age", ["NaN", "true", '"31"'])
def test_fastapi_is_as_strict_about_a_single_value(fastapi: TestClient, age: str) -> None:
    john = fastapi.post("/users", json={"name": "John Doe", "age": 30}).json()

    answer = fastapi.patch(
        f"/users/{john['id']}/age", content=f'{{"age": {age}}}', headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["detail"][:8]) == (422, "body.age")


class TooLate(DomainError):
    """What a rule of a fork's own raises."""


REFUSED = {TooLate("It has begun."): 409, ReferenceViolated("Others refer to it."): 409, NotFound(new_id()): 404}


@pytest.mark.parametrize(("error", "status"), REFUSED.items(), ids=[type(error).__name__ for error in REFUSED])
def test_whatever_a_request_is_refused_by_is_its_fault(
    fastapi: TestClient, flask: FlaskClient, error: Exception, status: int
) -> None:
    def refuse() -> str:
        raise error

    assert isinstance(fastapi.app, FastAPI)
    fastapi.app.add_api_route("/refused", refuse)
    flask.application.add_url_rule("/refused", view_func=refuse)
    by_fastapi, by_flask = fastapi.get("/refused"), flask.get("/refused")

    assert (by_fastapi.status_code, by_fastapi.json()) == (status, {"detail": str(error)})
    assert (by_flask.status_code, by_flask.json) == (status, {"detail": str(error)})


@pytest.mark.parametrize("kind", [DatabaseUnavailable, DatabaseRefused, CommitOutcomeUnknown])
def test_what_a_driver_says_is_for_the_log(
    fastapi: TestClient, flask: FlaskClient, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    def refuse() -> str:
        raise kind("connection to server at db1 failed")

    assert isinstance(fastapi.app, FastAPI)
    fastapi.app.add_api_route("/away", refuse)
    flask.application.add_url_rule("/away", view_func=refuse)
    by_fastapi, by_flask = fastapi.get("/away"), flask.get("/away")

    said = {"detail": f"Try again later: {kind.__name__}."}
    assert (by_fastapi.status_code, by_fastapi.json()) == (by_flask.status_code, by_flask.json) == (503, said)
    assert caplog.messages.count("'/away': connection to server at db1 failed") == 2


def test_several_use_cases_are_one_transaction_for_many_fastapi_requests_at_a_time(fastapi: TestClient) -> None:
    household = [{"name": "John Doe", "age": 30}, {"name": "Jane Doe", "age": 28}]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fastapi.post("/households", json=household), range(16)))

    assert [answer.status_code for answer in answers] == [201] * 16
    assert len(fastapi.get("/users").json()["items"]) == 32


def test_a_long_answer_is_whole_for_many_fastapi_requests_at_a_time(fastapi: TestClient, sqlite_url: str) -> None:
    with bootstrap(settings=Settings(database_url=sqlite_url)) as container, container.unit_of_work() as uow:
        uow.users.insert_many(User(name="John Doe", age=30) for _ in range(2_500))
        uow.commit()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fastapi.get("/exported-users"), range(16)))

    assert [len({*answer.text.splitlines()}) for answer in answers] == [2_500] * 16


def test_a_household_of_which_one_is_refused_is_not_saved(fastapi: TestClient) -> None:
    answer = fastapi.post("/households", json=[{"name": "John Doe", "age": 30}, {"name": "", "age": 28}])

    assert answer.status_code == 422
    assert fastapi.get("/users").json()["items"] == []


def test_a_scope_of_anyio_leaves_no_statement_running(postgresql_url: str, caplog: pytest.LogCaptureFixture) -> None:
    names = names_in(FOLDER / "fastapi.md", "def unit_of_work", "STATUS = ", "async_app = ", "def run_in_a_task")

    def work(uow: UnitOfWork) -> None:
        assert isinstance(uow, SqlAlchemyUnitOfWork)
        with uow:
            uow.session.execute(text("SELECT pg_sleep(60)"))

    def sleeping(uow: UnitOfWork) -> int:
        assert isinstance(uow, SqlAlchemyUnitOfWork)
        with uow.reading():
            query = text(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%'"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
            return int(uow.session.scalars(query).one())

    async def main() -> int:
        async with async_bootstrap(Settings(database_url=postgresql_url)) as container:
            with pytest.raises(TimeoutError), anyio.fail_after(0.3):
                await names["run_in_a_task"](work, container.unit_of_work())
            return await run(sleeping, container.unit_of_work())

    assert asyncio.run(main()) == 0
    assert "query cancellation interrupted" not in caplog.text  # psycopg logs it where it was cancelled twice


def test_a_time_limit_in_an_awaited_endpoint_is_no_defect(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    names = names_in(FOLDER / "fastapi.md", "def unit_of_work", "STATUS = ", "async_app = ", "def run_in_a_task")

    async def wait() -> None:
        with anyio.fail_after(0):
            await anyio.sleep_forever()

    names["async_app"].add_api_route("/waiting", wait)
    with TestClient(names["async_app"]) as client:
        answer = client.get("/waiting")

    assert (answer.status_code, answer.json()) == (503, {"detail": "Try again later: TimeoutError."})
    assert "'/waiting': TimeoutError" in caplog.messages
