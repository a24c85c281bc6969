"""Which functions can be run inside a transaction: those whose work is done when they return."""

from collections.abc import Callable
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction


def returns_early(function: Callable[..., object]) -> bool:
    """Whether a function, or an object that is called like one, is asynchronous or a generator."""
    kinds = (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction)
    return any(is_kind(called) for is_kind in kinds for called in (function, type(function).__call__))
