"""Texts of a command line, or of a file's cell, as the values that a use case takes."""

import json
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast
from uuid import UUID

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def parse_id(text: str) -> UUID:
    """Return the UUID of a text: ``typer.Argument(parser=parse_id)``.

    Raises: ValueError (it is not written in the usual form, the only one allowed; Python itself takes many more).
    """
    if not _UUID.fullmatch(text):
        raise ValueError("write it like 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d")
    return UUID(text)


def id_of_cell(text: str) -> object:
    """Return a UUID, or the text itself where it is none: the rules of the domain refuse it then."""
    return parse_id(text) if _UUID.fullmatch(text) else text


def number_of_cell(text: str) -> object:
    """Return a whole number, or the text itself where it is none: the rules of the domain refuse it then."""
    try:
        return int(text.replace("_", "?"))  # Python alone reads 3_0 as 30
    except ValueError:
        return text


def parse_day(text: str) -> date:
    """Return the date of a text. Raises: ValueError (it is not written as 2026-02-03)."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("write it like 2026-02-03") from None


def parse_moment(text: str) -> datetime:
    """Return the moment of a text. Raises: ValueError (it is not written as 2026-02-03T12:00:00Z, or has no zone)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise ValueError("write it like 2026-02-03T12:00:00Z")
    return moment


def parse_decimal(text: str) -> Decimal:
    """Return the exact number of a text. Raises: ValueError (it is none)."""
    try:
        return Decimal(text.replace("_", "?"))  # Python alone reads 3_0 as 30
    except InvalidOperation:
        raise ValueError("write it like 12.50") from None


def parse_json(text: str) -> object:
    """Return what a text of JSON says. Raises: ValueError (it is no JSON)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('write it like {"key": "value"}') from None


def parse_as(kind: type[T]) -> Callable[[str], T]:
    """Return what makes a dataclass of a text of JSON. It raises ValueError: a field is missing, unknown or refused."""

    def parse(text: str) -> T:
        from pydantic import TypeAdapter, ValidationError

        from adapters.seedwork.encoding import adapter_of

        adapter: TypeAdapter[T] = adapter_of(cast("Any", kind))
        try:
            return adapter.validate_json(text, extra="forbid")
        except ValidationError as error:
            problem = error.errors()[0]
            unknown = problem["type"] == "unexpected_keyword_argument"
            said = "There is no such field" if unknown else problem["msg"]
            raise ValueError(f"{'.'.join(map(str, problem['loc'])) or 'it'}: {said}") from None

    return parse
