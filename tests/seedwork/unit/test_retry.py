"""Running a service function again."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import DomainError, VersionMismatch
from service_layer.seedwork.errors import (
    CommitOutcomeUnknown,
    ConcurrencyConflict,
    DatabaseRefused,
    DatabaseUnavailable,
    StatementTimeout,
    UnitOfWorkMisuse,
)
from service_layer.seedwork.retry import retry_transient
from service_layer.seedwork.transaction import Transaction
from tests.seedwork.ordering import InMemoryOrderingUnitOfWork


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds between the tries, which nobody waits for."""
    waits: list[float] = []
    monkeypatch.setattr(Transaction, "pause", lambda _, seconds: waits.append(seconds))
    return waits


class Attempts:
    """Errors that a function raises one after the other; then it succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made = 0

    @property
    def function(self) -> Callable[[Transaction, str], str]:
        @retry_transient
        def attempt(uow: Transaction, word: str) -> str:
            """Say a word."""
            with uow:
                self.made += 1
                if self.errors:
                    raise self.errors.pop(0)
            return word

        return attempt


@pytest.mark.parametrize(
    "error", [ConcurrencyConflict("lost"), DatabaseUnavailable("away")], ids=lambda e: type(e).__name__
)
def test_a_transient_error_is_answered_by_running_the_whole_function_again(error: Exception) -> None:
    attempts = Attempts(error, error)

    assert attempts.function(InMemoryOrderingUnitOfWork(), "done") == "done"
    assert attempts.made == 3


def test_after_ten_tries_the_error_is_raised() -> None:
    attempts = Attempts(*(ConcurrencyConflict(f"lost {n}") for n in range(20)))

    with pytest.raises(ConcurrencyConflict, match="lost 9"):
        attempts.function(InMemoryOrderingUnitOfWork(), "done")

    assert attempts.made == 10


@pytest.mark.parametrize("tries", [1, 2, 30])
def test_the_unit_of_work_says_how_often(tries: int) -> None:
    attempts, uow = Attempts(*(DatabaseUnavailable("away") for _ in range(40))), InMemoryOrderingUnitOfWork()
    uow.retry_tries, uow.retry_seconds = tries, 3600

    with pytest.raises(DatabaseUnavailable):
        attempts.function(uow, "done")

    assert attempts.made == tries


def test_thirty_tries_span_a_fail_over_of_half_a_minute(waits: list[float]) -> None:
    attempts, uow = Attempts(*(DatabaseUnavailable("away") for _ in range(29))), InMemoryOrderingUnitOfWork()
    uow.retry_tries, uow.retry_seconds = 30, 3600

    attempts.function(uow, "done")

    assert sum(waits) > 30


def test_the_second_try_comes_at_once_and_the_others_span_the_seconds_of_a_fail_over(waits: list[float]) -> None:
    attempts = Attempts(*(DatabaseUnavailable("away") for _ in range(9)))

    attempts.function(InMemoryOrderingUnitOfWork(), "done")

    assert len(waits) == 8
    assert waits[:5] == sorted(waits[:5])
    assert 5 < sum(waits) < 11


@pytest.mark.parametrize(
    "error",
    [
        CommitOutcomeUnknown("?"),
        DatabaseRefused("wrong password"),
        StatementTimeout("slow"),
        UnitOfWorkMisuse("wrong"),
        DomainError("no"),
        VersionMismatch("Order", new_id(), 1, 2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_error_is_raised_at_once(error: Exception) -> None:
    attempts = Attempts(error)

    with pytest.raises(type(error)) as caught:
        attempts.function(InMemoryOrderingUnitOfWork(), "done")

    assert caught.value is error
    assert attempts.made == 1


def test_a_step_inside_an_open_block_is_not_retried_by_itself() -> None:
    attempts = Attempts(ConcurrencyConflict("lost"))
    uow = InMemoryOrderingUnitOfWork()

    with uow, pytest.raises(ConcurrencyConflict):
        attempts.function(uow, "done")

    assert attempts.made == 1


def test_the_outermost_function_decides() -> None:
    attempts = Attempts(ConcurrencyConflict("lost"))

    @retry_transient
    def outermost(uow: Transaction) -> str:
        with uow:
            return attempts.function(uow, "done")

    assert outermost(InMemoryOrderingUnitOfWork()) == "done"
    assert attempts.made == 2


def test_a_retried_function_keeps_its_name_and_its_docstring() -> None:
    function = Attempts().function

    assert (function.__name__, function.__doc__) == ("attempt", "Say a word.")


def test_a_first_try_that_took_all_the_time_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(ConcurrencyConflict("lost"))
    clock = iter([0.0, 10.1])
    monkeypatch.setattr("service_layer.seedwork.retry.monotonic", lambda: next(clock))

    with pytest.raises(ConcurrencyConflict):
        attempts.function(InMemoryOrderingUnitOfWork(), "done")

    assert attempts.made == 1


def test_each_retry_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    attempts = Attempts(ConcurrencyConflict("lost"), DatabaseUnavailable("away"))

    attempts.function(InMemoryOrderingUnitOfWork(), "done")

    first, second = caplog.messages
    assert first == "attempt() raised ConcurrencyConflict, and runs anew in 0.00 s"
    assert second.startswith("attempt() raised DatabaseUnavailable, and runs anew in 0.")


def generator(uow: Transaction) -> Iterator[int]:
    yield 1


async def coroutine(uow: Transaction) -> int:
    return 1


async def asynchronous_generator(uow: Transaction) -> AsyncIterator[int]:
    yield 1


class Service:
    def method(self, uow: Transaction) -> int:
        return 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (generator, r"generator\(\) returns before its work is done"),
        (coroutine, r"coroutine\(\) returns before its work is done"),
        (asynchronous_generator, "returns before its work is done"),
        (Service.method, r"Service\.method\(\) is a method"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_run_anew_is_refused_when_it_is_decorated(
    function: Callable[[Transaction], object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        retry_transient(function)
