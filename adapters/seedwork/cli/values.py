"""Texts of a command line, or of a file's cell, as the values that a use case takes."""

import re
from uuid import UUID

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
