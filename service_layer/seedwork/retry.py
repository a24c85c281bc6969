"""Run a service function again when it lost a race or the database was away for a moment."""

from collections.abc import Callable
from functools import wraps
from time import monotonic
from typing import Concatenate, ParamSpec, TypeVar

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random_exponential,
)

from service_layer.seedwork.errors import ConcurrencyConflict, DatabaseUnavailable
from service_layer.seedwork.transaction import Transaction

P = ParamSpec("P")
U = TypeVar("U", bound=Transaction)
T = TypeVar("T")

TRIES = 10
SECONDS = 10.0

TRANSIENT = (ConcurrencyConflict, DatabaseUnavailable)
"""What a new try may mend: nothing was saved, and the next transaction sees the state of its own time."""


def retry_transient(
    function: Callable[Concatenate[U, P], T],
) -> Callable[Concatenate[U, P], T]:
    """Decorate a service function so that it is run anew, whole and in a new transaction, after a transient error.

    Up to 10 tries within 10 seconds, with jittered exponential back-off between them; then the error is raised. Called
    with a unit of work that is open already, the function runs once: the outermost call decides, for it alone can begin
    a new transaction. The unit of work is handed over by position.

    Never decorate a function that reads an iterator or sends a mail: it can't be run twice.

    Source: exponential back-off with equal jitter, as in Brooker, "Exponential Backoff And Jitter" (2015).
    """

    @wraps(function)
    def retrying(uow: U, /, *args: P.args, **kwargs: P.kwargs) -> T:
        started = monotonic()
        try:
            return function(uow, *args, **kwargs)
        except TRANSIENT:  # the first try stays outside tenacity, which would cost it 30 us
            if uow.is_open:
                raise
        stop = stop_after_attempt(TRIES - 1) | stop_after_delay(SECONDS - (monotonic() - started))
        return _retrying.copy(stop=stop, sleep=uow.pause)(function, uow, *args, **kwargs)

    return retrying


_retrying = Retrying(
    retry=retry_if_exception_type(TRANSIENT),
    # The second try comes at once: a server that has restarted is there. The others are spread over 5 to 10 seconds.
    wait=wait_exponential(0.05, max=1.25) + wait_random_exponential(0.05, max=1.25),
    reraise=True,
)
