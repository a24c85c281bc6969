"""Events, requests and answers as JSON, and back."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import CoreSchema, core_schema, to_json

from adapters.seedwork.annotations import is_own_text
from domain.seedwork.entity import Entity
from domain.seedwork.errors import DomainError
from service_layer.seedwork.errors import StoredValueUnreadable, UnitOfWorkMisuse
from service_layer.seedwork.receipts import Receipts

_UNFIT = (
    "{} can't be kept as JSON: {}. Use frozen dataclasses of text, finite numbers, UUIDs, dates, enumerations and"
    " tuples, each with its type."
)
_OTHER_TYPE = re.compile(r"Expected `(.+?)`(?:.*?\[field_name='(\w+)')?.*input_type=(\w+)\]")
"""In pydantic's words about a value of another type: the type that is right, the field, and the type that it has."""
_STORED = object()
"""Says that a value was kept: it is taken as it is, since a rule may have become stricter."""


def encoded(kind: Any, value: object) -> Any:  # Any: a type's annotation; JSON
    """Return a value of a type as JSON. Raises: UnitOfWorkMisuse (it is not of that type, or no JSON can keep it)."""
    try:
        kept = adapter_of(kind).serializer.to_python(value, mode="json", warnings="error")
        json.dumps(kept, allow_nan=False)
        decoded(kind, kept)
    except (AttributeError, PydanticSchemaGenerationError, ValueError) as error:
        raise UnitOfWorkMisuse(_UNFIT.format(type(value).__name__, _cause_of(error))) from error
    return kept


def _cause_of(error: Exception) -> str:
    """Return what was wrong, without the value."""
    if found := _OTHER_TYPE.search(str(error)):
        right, field, wrong = found.groups()
        return f"{field or 'it'} is of the type {wrong}, where {right} is expected"
    return str(error).splitlines()[0]


def decoded(kind: Any, value: Any) -> Any:  # Any: a type's annotation; JSON; a value of that type
    """Return the value that was kept; fields that its class does not have are left out.

    Raises: StoredValueUnreadable (it is no value of that type).
    """
    try:
        return adapter_of(kind).validate_python(value, context=_STORED)
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        cause, said = problem.get("ctx", {}).get("error"), problem["msg"]
        if isinstance(cause, Exception) and not isinstance(cause, DomainError):  # its words may hold a value
            said = type(cause).__name__
        raise StoredValueUnreadable(f"{'.'.join(map(str, problem['loc'])) or 'it'}: {said}") from None


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:  # Any: as above
    """Return what reads and writes values of a type; a subclass of ``str`` in it is read by its constructor."""
    for text in _texts(kind, set()):
        if not hasattr(text, "__get_pydantic_core_schema__"):
            text.__get_pydantic_core_schema__ = classmethod(_schema_of)
    return TypeAdapter(kind)


def _texts(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield the subclasses of ``str`` that values of a type may hold. Raises: ValueError (they may hold an entity)."""
    if is_own_text(kind):
        yield kind
    parts = [get_origin(kind), getattr(kind, "__supertype__", None), *get_args(kind)]
    if isinstance(kind, type) and is_dataclass(kind) and kind not in seen:
        if issubclass(kind, Entity):
            raise ValueError(f"{kind.__name__} is an entity, and would come back without its version")
        seen.add(kind)
        hints = get_type_hints(kind)
        parts += [hints[field.name] for field in fields(kind)]
    for part in filter(None, parts):
        yield from _texts(part, seen)


def _schema_of(kind: Any, *_: object) -> CoreSchema:
    def made(text: str, info: ValidationInfo) -> object:
        return str.__new__(kind, text) if info.context is _STORED else kind(text)

    return core_schema.with_info_after_validator_function(made, core_schema.str_schema())


class EncodingReceipts(Receipts):
    """Keeps answers as JSON."""

    def fingerprint(self, *values: object, **named: object) -> str:
        try:
            return sha256(to_json(_in_order((values, sorted(named.items()))))).hexdigest()
        except ValueError as error:
            raise UnitOfWorkMisuse(_UNFIT.format("A request", str(error).splitlines()[0])) from error

    def decoded(self, kind: Any, answer: Any) -> Any:  # Any: as the port has it
        try:
            return decoded(kind, answer)
        except StoredValueUnreadable as error:
            raise StoredValueUnreadable(
                f"The answer that was kept for this request is no {getattr(kind, '__name__', kind)}: {error}."
                " Give a new field a default; where a field has another type, write its older type beside the new one."
            ) from None


def _in_order(value: object) -> object:
    """Return a part of a request, with what has no order of its own in one that is always the same."""
    match value:
        case Iterator():
            raise UnitOfWorkMisuse("An iterator can be read once, so it can't be a part of a request. Pass a list.")
        case dict():
            return {_in_order(key): _in_order(value[key]) for key in sorted(value, key=str)}
        case str():
            return value.encode(errors="backslashreplace").decode()  # half a character, which the use case may refuse
        case set() | frozenset():
            return sorted(map(_in_order, value), key=to_json)
        case list() | tuple():
            return list(map(_in_order, value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: _in_order(getattr(value, field.name)) for field in fields(value)}
    return value
