"""Which functions can be run inside a transaction: those whose work is done when they return."""

from collections.abc import Callable
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType


def returns_early(function: Callable[..., object]) -> bool:
    """Whether a function, or an object that is called like one, is asynchronous or a generator."""
    while isinstance(function, partial):
        function = function.func
    # a Mock(spec=...) of a function passes for one, and has no code
    codes = (getattr(called, "__code__", None) for called in (function, type(function).__call__))
    early = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
    return any(isinstance(code, CodeType) and code.co_flags & early for code in codes)
