"""What the examples and the contracts of the tests make of classes and modules."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from types import ModuleType
from typing import Any, ClassVar

import pytest

from domain.seedwork.rules import decimal, optional, whole_number
from tests.seedwork.examples import example
from tests.seedwork.use_case_contract import UseCases


@dataclass
class Badge:
    number: int
    rules: ClassVar[dict[str, Callable[[Any], object]]] = {}  # Any: a rule judges whatever a caller hands in


@dataclass
class Price:
    number: Decimal
    rules: ClassVar[dict[str, Callable[[Any], object]]] = {}  # Any: as above


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Badge, whole_number("number", 100, 999)),
        (Badge, whole_number("number", 140, 160)),
        (Badge, whole_number("number", 1000)),
        (Badge, whole_number("number", -9, -1)),
        (Badge, optional(whole_number("number", maximum=-1))),
        (Price, decimal("number", 1, 1)),
        (Price, decimal("number", 5, 2)),
    ],
)
def test_numbers_of_examples_differ(monkeypatch: pytest.MonkeyPatch, kind: type, rule: Callable[[Any], object]) -> None:
    monkeypatch.setattr(kind, "rules", {"number": rule})

    assert len({example(kind, n).number for n in range(1, 5)}) == 4


@pytest.mark.parametrize("name", ["x_ray", "address_2", "order_line", "user"])
def test_use_cases_are_found_by_the_words_of_their_names(name: str) -> None:
    module = ModuleType(f"service_layer.{name}s")
    uses = {verb: f"{verb}_{name}" for verb in ("add", "get", "change", "remove")}
    vars(module).update(dict.fromkeys(uses.values(), print), **{f"list_{name}s": print, f"find_{name}_by_tag": len})
    entity = type("".join(word.capitalize() for word in name.split("_")), (), {})

    found = UseCases.of(module, entity)

    assert (found.add, found.list, found.find_by) == (print, print, {"tag": len})
