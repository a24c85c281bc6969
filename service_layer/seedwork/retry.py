"""Run a service function again when it lost a race or the database was away for a moment."""

import logging
from collections.abc import Callable
from functools import wraps
from inspect import signature
from time import monotonic
from typing import Concatenate, ParamSpec, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random_exponential,
)

from service_layer.seedwork.errors import (
    ConcurrencyConflict,
    DatabaseRefused,
    DatabaseUnavailable,
    FailedTransaction,
    TransactionError,
)
from service_layer.seedwork.functions import returns_early
from service_layer.seedwork.transaction import Transaction

P = ParamSpec("P")
U = TypeVar("U", bound=Transaction)
T = TypeVar("T")

log = logging.getLogger(__name__)


def retry_transient(
    function: Callable[Concatenate[U, P], T],
) -> Callable[Concatenate[U, P], T]:
    """Decorate a service function so that it is run anew, whole and in a new transaction, after a transient error.

    As often and for as long as the unit of work says, by default 10 tries within 10 seconds, with jittered exponential
    back-off between them; then the error is raised. Each retry is logged. Called with a unit of work that is open
    already, the function runs once: the outermost call decides, since it alone can begin a new transaction. The unit of
    work is handed over by position.

    Never decorate a function that reads an iterator or sends a mail: it can't be run twice.

    Raises: TypeError (a generator, an asynchronous function or a method can't be run anew).
    Source: exponential back-off with equal jitter, as in Brooker, "Exponential Backoff And Jitter" (2015).
    """
    _refuse_what_cannot_be_rerun(function)

    @wraps(function)
    def retrying(uow: U, /, *args: P.args, **kwargs: P.kwargs) -> T:
        started = monotonic()
        try:
            return function(uow, *args, **kwargs)
        # the first try stays outside tenacity: a call that needs no other one pays nothing
        except TransactionError as error:
            left = uow.retry_seconds - (monotonic() - started)
            if uow.is_open or not is_transient(error) or uow.retry_tries == 1 or left <= 0:
                raise
            _log_retry(function, error, 0)
        stop = stop_after_attempt(uow.retry_tries - 1) | stop_before_delay(left)
        return _retrying.copy(stop=stop, sleep=uow.pause)(function, uow, *args, **kwargs)

    return retrying


def is_transient(error: BaseException) -> bool:
    """Return whether a new try may succeed: nothing was saved, and a new transaction reads what is stored then."""
    if isinstance(error, FailedTransaction):
        return is_transient(error.failure)
    return isinstance(error, ConcurrencyConflict | DatabaseUnavailable) and not isinstance(error, DatabaseRefused)


def _refuse_what_cannot_be_rerun(function: Callable[..., object]) -> None:
    first = next(iter(signature(function).parameters), "")
    if returns_early(function):
        raise TypeError(
            f"{function.__qualname__}() returns before its work is done, so it can't be run anew. Decorate a plain"
            " function; asynchronous callers await it by run()."
        )
    if first in {"self", "cls"}:
        raise TypeError(f"{function.__qualname__}() is a method. Decorate a function; it takes the unit of work first.")


def _log_retry(function: Callable[..., object] | None, error: BaseException | None, seconds: float) -> None:
    name = getattr(function, "__name__", function)
    log.warning("%s() raised %s, and runs anew in %.2f s", name, type(error).__name__, seconds)


def _log_retry_of(state: RetryCallState) -> None:
    assert state.outcome, "tenacity sleeps after a try"
    _log_retry(state.fn, state.outcome.exception(), state.upcoming_sleep)


_retrying = Retrying(
    retry=retry_if_exception(is_transient),
    # The second try comes at once: a server that was restarted answers it. Ten of them are spread over 5 to 10 seconds.
    wait=wait_exponential(0.05, max=1.25) + wait_random_exponential(0.05, max=1.25),
    before_sleep=_log_retry_of,
    reraise=True,
)
