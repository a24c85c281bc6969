"""What the annotation of a type says, for those who read and write values of it."""

from enum import Enum
from typing import Any


def is_kind_of(annotation: Any, base: type) -> bool:  # Any: a type's annotation
    """Whether an annotation is a class, and inherits another one."""
    return isinstance(annotation, type) and issubclass(annotation, base)


def is_own_text(annotation: Any) -> bool:  # Any: as above
    """Whether values are texts of a class of their own, as ``EmailAddress`` is: its constructor makes one of a text."""
    return is_kind_of(annotation, str) and annotation is not str and not is_kind_of(annotation, Enum)
