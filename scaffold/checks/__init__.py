"""What ``make doctor`` looks at. Each check imports what it needs itself, so that it works where others can't."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

Level = Literal["ok", "note", "mend"]
"""``mend`` fails the command; a ``note`` is only to be known."""
Said = tuple[Level, str, str]
"""The level; the words; and the command that mends it, or, where it begins with ``In``, the line to write in a file."""
Check = Callable[[Path], Iterator[Said]]
"""Looks at one thing in a fork's folder."""
