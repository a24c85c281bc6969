"""Examples of your entities, where the contract of every aggregate can't make one by itself. Most forks need none."""

from collections.abc import Callable

EXAMPLES: dict[type, Callable[[int], object]] = {}
"""By class: makes an example from a number; two of different numbers share no value that must be unique."""
