"""Rules that fields of many entities share. Each function returns a rule, to be listed in an entity's ``rules``.

A rule takes a value and returns the one to keep. Raises: InvalidValue (it names the field, and says what is allowed).
"""

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Context, Decimal
from enum import Enum
from functools import partial
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

from domain.seedwork.errors import InvalidValue

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

Rule = Callable[[Any], T]  # Any: a rule judges whatever a caller hands in

INTEGER_MIN, INTEGER_MAX = -(2**31), 2**31 - 1
"""What a column of 32 bits holds."""

_JOINERS = "\u200c\u200d"  # zero width non-joiner and zero width joiner
_VIRAMA = 9  # the combining class of the sign that joins two consonants, in the scripts of India and its neighbours
# Letters, marks and symbols that show nothing. Only their name in Unicode says so: they have no property for it.
_BLANK_NAMES = ("FILLER", "BLANK", "NULL NOTEHEAD", "GRAPHEME JOINER", "INHERENT AQ", "INHERENT AA")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


class EmailAddress(str):
    """A well-formed e-mail address in lower case: text that has passed the rule.

    Raises: InvalidValue (not an address of ASCII letters, or longer than 254 characters).
    Source: RFC 5322, section 3.2.3 (dot-atom); the lengths from RFC 5321, section 4.5.3.1.
    """

    __slots__ = ()

    MAX_LENGTH: ClassVar[int] = 254

    def __new__(cls, value: str, field: str = "email") -> Self:
        """Check ``value``, trim it and write it in lower case; ``field`` is what an error calls it."""
        trimmed = value.strip() if isinstance(value, str) else ""
        if len(trimmed) > cls.MAX_LENGTH or not _ADDRESS.fullmatch(trimmed):
            raise InvalidValue(field, value, "write it like john@example.com")
        return super().__new__(cls, trimmed.lower())

    def __reduce__(self) -> tuple[Any, ...]:  # Any: as object has it
        """Copy and pickle the text as it is: the rule checks new values, and a stored one may be older than it."""
        return str.__new__, (type(self), str(self))


# ---- the rules: partial, so that whoever makes examples can read the limits ------------------------------------------


def text(field: str, minimum: int, maximum: int) -> Rule[str]:
    """Return the rule of a text on one line, trimmed: so many visible characters."""
    return partial(_text, field, minimum, maximum)


def whole_number(field: str, minimum: int = INTEGER_MIN, maximum: int = INTEGER_MAX) -> Rule[int]:
    """Return the rule of a whole number."""
    return partial(_whole_number, field, minimum, maximum)


def decimal(field: str, precision: int, scale: int) -> Rule[Decimal]:
    """Return the rule of an exact number: ``precision`` digits, ``scale`` of them behind the point."""
    return partial(_decimal, field, precision, scale)


def boolean(field: str) -> Rule[bool]:
    """Return the rule of what is either true or false."""
    return partial(_boolean, field)


def day(field: str) -> Rule[date]:
    """Return the rule of a day without a time."""
    return partial(_day, field)


def moment(field: str) -> Rule[datetime]:
    """Return the rule of a moment; it is kept in UTC."""
    return partial(_moment, field)


def uuid(field: str) -> Rule[UUID]:
    """Return the rule of a UUID: an id of something that is not an aggregate of this service, or of one that is."""
    return partial(_uuid, field)


def email_address(field: str) -> Rule[EmailAddress]:
    """Return the rule of an e-mail address."""
    return partial(_email, field)


def json_object(field: str) -> Rule[dict[str, Any]]:  # Any: of JSON
    """Return the rule of a JSON object. To change it, assign a new one: a change inside it is not noticed."""
    return partial(_json_object, field)


def one_of(field: str, kind: type[E]) -> Rule[E]:
    """Return the rule of a member of an enumeration, or of its value."""
    return partial(_one_of, field, kind)


def optional(rule: Rule[T]) -> Rule[T | None]:
    """Return the rule of a value that may be missing."""
    return partial(_optional, rule)


def _text(field: str, minimum: int, maximum: int, value: object) -> str:
    trimmed = value.strip() if isinstance(value, str) else ""
    if not minimum <= len(trimmed) <= maximum or not _is_visible(trimmed):
        raise InvalidValue(field, value, f"it must be {minimum} to {maximum} visible characters on one line")
    return trimmed


def _is_visible(line: str) -> bool:
    """Whether every character can be seen, or is needed by its neighbours.

    Source: Unicode's general categories and names; for joiners RFC 5892, appendix A.1 and A.2.
    """
    if line.isascii():
        return line.isprintable()
    return all(map(_can_stand, " " + line, line, line[1:] + " "))


def _can_stand(before: str, character: str, after: str) -> bool:
    if character in _JOINERS:
        kinds = {unicodedata.bidirectional(before), unicodedata.bidirectional(after)}
        between_arabic_letters = "AL" in kinds and kinds <= {"AL", "NSM"}  # NSM: a mark on one
        return between_arabic_letters or _VIRAMA in map(unicodedata.combining, (before, after))
    if not character.isprintable():  # categories C* and Z*
        return unicodedata.category(character) == "Zs"  # a space of any width
    if before.isspace() and unicodedata.category(character).startswith("M"):
        return False  # a mark without a letter
    return not unicodedata.name(character, "").endswith(_BLANK_NAMES)


def _whole_number(field: str, minimum: int, maximum: int, value: object) -> int:
    if type(value) is not int or not minimum <= value <= maximum:
        raise InvalidValue(field, value, f"it must be a whole number from {minimum} to {maximum}")
    return value


def _decimal(field: str, precision: int, scale: int, value: object) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite() and value.copy_abs() < 10 ** (precision - scale):
        exact = Context(precision, ROUND_DOWN)  # the caller's own context may have fewer digits
        kept = value.quantize(Decimal(1).scaleb(-scale), context=exact)
        if kept == value:
            return exact.plus(kept)  # no negative zero
    raise InvalidValue(
        field, value, f"it must be a Decimal of {precision - scale} digits at the most, and {scale} behind the point"
    )


def _boolean(field: str, value: object) -> bool:
    if type(value) is not bool:
        raise InvalidValue(field, value, "it must be True or False")
    return value


def _day(field: str, value: object) -> date:
    if type(value) is not date:
        raise InvalidValue(field, value, "it must be a date without a time")
    return value


def _moment(field: str, value: object) -> datetime:
    try:
        if isinstance(value, datetime) and value.utcoffset() is not None:
            return value.astimezone(UTC)
    except OverflowError:
        pass  # in UTC it is before the year 1, or after the year 9999
    raise InvalidValue(
        field, value, "it must be a datetime with a time zone, as datetime.now(UTC), and of the years 1 to 9999 in UTC"
    )


def _uuid(field: str, value: object) -> UUID:
    if not isinstance(value, UUID):
        raise InvalidValue(field, value, "it must be a UUID")
    return value


def _email(field: str, value: Any) -> EmailAddress:  # Any: whatever a caller hands in
    return value if isinstance(value, EmailAddress) else EmailAddress(value, field)


def _json_object(field: str, value: Any) -> dict[str, Any]:  # Any: of JSON
    try:
        # half a character can be stored, but every answer in UTF-8 that shows it would fail
        kept = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        if isinstance(value, dict) and json.loads(kept) == value:
            return value
    except (TypeError, ValueError, RecursionError):
        pass  # it is no JSON, or is nested too deeply
    raise InvalidValue(field, value, "it must be a dict of what JSON knows")


def _one_of(field: str, kind: type[E], value: object) -> E:
    try:
        return kind(value)
    except Exception:  # whatever a value raises that is compared, or shown
        raise InvalidValue(field, value, f"it must be one of {', '.join(str(one.value) for one in kind)}") from None


def _optional(rule: Rule[T], value: object) -> T | None:
    return None if value is None else rule(value)
