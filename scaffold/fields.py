"""A field of an aggregate that is generated, and what it is allowed."""

from dataclasses import dataclass

from domain.seedwork.rules import INTEGER_MAX, INTEGER_MIN

BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True)
class Field:
    """A field of an aggregate, or of a part of one."""

    name: str
    type: str
    arguments: tuple[str, ...] = ()
    unique: bool = False
    optional: bool = False
    index: bool = False
    default: str | None = None
    parts: tuple["Field", ...] = ()

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of a whole number, or length of a text."""
        if self.type == "str":
            return 1, int(self.arguments[0])
        low, high = self.arguments or ("", "")
        return (
            int(low) if low else INTEGER_MIN,
            int(high) if high else (INTEGER_MAX if not low or int(low) <= INTEGER_MAX else BIGINT_MAX),
        )

    @property
    def is_required(self) -> bool:
        """Whether a new entity must be given a value."""
        return not self.optional and self.default is None and self.type != "parts"


@dataclass(frozen=True)
class Fields:
    """All fields of an aggregate, and the unique keys of several of them."""

    fields: tuple[Field, ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
