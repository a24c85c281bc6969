"""What a use case takes, as the arguments and options of a command."""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import Parameter
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import typer

from adapters.seedwork.annotations import is_kind_of, is_own_text
from adapters.seedwork.cli.options import After, ExpectedVersion, Limit
from adapters.seedwork.cli.values import parse_as, parse_day, parse_decimal, parse_id, parse_json, parse_moment
from domain.seedwork.errors import InvalidValue

Rules = Mapping[str, Callable[[Any], object]]  # Any: a rule judges whatever a caller hands in

_ALIKE = {"expected_version": ExpectedVersion, "after": After, "limit": Limit}
"""What means the same in every use case."""

_Form = tuple[Callable[[str], object] | None, str | None, str]
"""What reads a value from a text (None: typer does), what stands for it in a usage line, and an example of it."""

_FORMS: dict[type, _Form] = {
    UUID: (parse_id, "ID", "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"),
    date: (parse_day, "DAY", "2026-02-03"),
    datetime: (parse_moment, "MOMENT", "2026-02-03T12:00:00Z"),
    timedelta: (None, "DURATION", "1:30:00"),
    Decimal: (parse_decimal, "NUMBER", "12.50"),
    dict: (parse_json, "JSON", '{"key": "value"}'),
}
_PLAIN = {str, int, float, bool, UUID, date, datetime, time, timedelta, Decimal, Path}
"""What typer reads by itself, beside enumerations and ``Literal``."""


@dataclass(frozen=True)
class Value:
    """A parameter of a use case."""

    name: str
    hint: Any  # Any: a type's annotation
    default: Any = Parameter.empty  # Any: of that type
    is_argument: bool = False
    is_change: bool = False
    """Whether it is one of those of which any may be left out: ``**changes``."""

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is Parameter.empty

    @property
    def may_be_none(self) -> bool:
        """Whether None is allowed."""
        return NoneType in get_args(self.hint)

    @property
    def is_readable(self) -> bool:
        """Whether it can be made of what is typed."""
        kind = self._kind
        one = get_args(kind)[0] if get_origin(kind) is list else kind  # an option that may be repeated
        is_typers = one in _PLAIN or get_origin(one) is Literal or is_kind_of(one, Enum)
        return self.name in _ALIKE or self._form[0] is not None or is_typers

    def parameter(self, rules: Rules) -> Parameter:
        """Return it as typer reads it; a rule of the same name says what is allowed."""
        if self.name in _ALIKE:
            return keyword(self.name, _ALIKE[self.name], self.default)
        read, metavar, example = self._form
        make = typer.Argument if self.is_argument else typer.Option
        info = make(
            parser=read,
            metavar=metavar,
            help=f"As {example}." if example else _allowed(rules.get(self.name)),
            show_default=not self.is_required and self.default is not None,
        )
        kind = str if read else self._kind  # typer would take a sequence for an option that may be repeated
        if self.is_required:
            return keyword(self.name, Annotated[kind, info])
        return keyword(self.name, Annotated[kind | None, info], None if read else self.default)

    @property
    def example(self) -> list[str]:
        """What is typed, for example."""
        kind = self._kind
        if kind is bool or is_kind_of(kind, Enum):
            return self.words(True if kind is bool else next(iter(kind)))
        return self.words(self._form[2] or self.name.upper())

    def words(self, value: object) -> list[str]:
        """Return what is typed for a value."""
        option = self.name.replace("_", "-")
        if value is None:
            return []
        if isinstance(value, bool):
            return [f"--{option}" if value else f"--no-{option}"]
        return [str(value)] if self.is_argument else [f"--{option}", str(value)]

    @property
    def _kind(self) -> Any:  # Any: a type's annotation
        kinds = [one for one in get_args(self.hint) if one is not NoneType] if self.may_be_none else [self.hint]
        kind = self.hint if kinds[1:] else kinds[0]
        return getattr(kind, "__supertype__", kind)

    @property
    def _form(self) -> _Form:
        kind, metavar = self._kind, self.name.upper() if self.is_argument else None
        for part in filter(is_dataclass, (kind, *get_args(kind))):
            shown = dict.fromkeys((field.name for field in fields(part)), "...")
            return parse_as(kind), "JSON", json.dumps(shown if part is kind else [shown])
        if is_own_text(kind):
            return kind, metavar or "TEXT", ""
        return _FORMS.get(get_origin(kind) or kind, (None, metavar, ""))


def keyword(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    """Return a parameter that is given by its name."""
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def values_of(use_case: Callable[..., object]) -> Iterator[Value]:
    """Yield what a use case takes after its unit of work."""
    hints = get_type_hints(use_case)
    _, *parameters = inspect.signature(use_case).parameters.values()
    for one in parameters:
        if one.kind is one.VAR_KEYWORD:
            (changes,) = get_args(hints[one.name])  # of Unpack
            yield from (Value(*change, default=None, is_change=True) for change in get_type_hints(changes).items())
        else:
            yield Value(one.name, hints[one.name], one.default, is_argument=one.kind is one.POSITIONAL_OR_KEYWORD)


def shown_by(use_case: Callable[..., object]) -> Any:  # Any: a dataclass
    """Return the class of the frozen values that a use case returns; None where it returns nothing.

    Raises: TypeError (it returns something else, or no annotation says what).
    """
    hint = get_type_hints(use_case).get("return", "what no annotation names")
    kind = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
    if kind is None and hint is not NoneType:
        raise TypeError(
            f"{use_case.__qualname__}() returns {hint}, which no command can show. Let it return a frozen dataclass,"
            " several of one, a page of them or None, each annotated, or write its command by hand."
        )
    return kind


def summary_of(use_case: Callable[..., object]) -> str:
    """Return the first sentence of a docstring; what a use case returns a command shows."""
    sentence = re.match(r".*?[.](?=\s|$)", inspect.getdoc(use_case) or "", re.DOTALL)
    return re.sub(r"^Return\b", "Show", sentence[0]).replace(", or None", "").replace("``", "") if sentence else ""


def _allowed(rule: Callable[[Any], object] | None) -> str:
    """Return what a rule allows, in the words of its refusal."""
    try:
        if rule:
            rule(object())
    except InvalidValue as refusal:
        allowed = refusal.rule.removeprefix("it must be ")
        return f"{allowed[:1].upper()}{allowed[1:]}."
    except Exception:  # noqa: S110  # a rule may raise anything of a bare object: then its option has no help
        pass
    return ""
