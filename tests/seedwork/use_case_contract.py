"""What the use cases of an aggregate promise that add, get, list, change and remove it, on every implementation."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, ClassVar, Self, get_args, get_type_hints

import pytest

from domain.seedwork.entity import new_id
from domain.seedwork.errors import NotFound, VersionMismatch
from service_layer.seedwork.details import Details
from service_layer.seedwork.transaction import Transaction
from tests.seedwork.aggregates import New, save, saved
from tests.seedwork.examples import referred_ids, with_references

UseCase = Callable[..., Any]  # Any: of whatever aggregate


@dataclass(frozen=True)
class UseCases:
    """The use cases of an aggregate: ``add`` takes by name what ``change`` may change."""

    entity: type
    add: UseCase
    get: UseCase
    list: UseCase
    change: UseCase
    remove: UseCase
    find_by: Mapping[str, UseCase] = field(default_factory=dict)
    """By the name of a unique value: finds the one that has it."""

    @classmethod
    def of(cls, module: ModuleType, entity: type) -> Self:
        """Find those of a module by their names: ``add_order``, ``list_orders``, ``find_order_by_number`` and so on."""
        added = (key.removeprefix("add_") for key in vars(module) if key.startswith("add_"))
        entity_name = entity.__name__.lower()  # where its words end the class can't say: XRay is x_ray
        name = next((one for one in added if one.replace("_", "") == entity_name), entity_name)
        one = {verb: getattr(module, f"{verb}_{name}") for verb in ("add", "get", "change", "remove")}
        many = getattr(module, f"list_{module.__name__.rpartition('.')[2]}")
        finder = f"find_{name}_by_"
        find_by = {key.removeprefix(finder): find for key, find in vars(module).items() if key.startswith(finder)}
        return cls(entity, list=many, find_by=find_by, **one)

    def values(self, new_unit: New, n: int) -> dict[str, Any]:
        """Return what ``add`` takes for an example, and save what that must refer to.

        Args:
            new_unit: of the back end.
            n: examples of different numbers share no value that must be unique.
        """
        *needed, entity = with_references(self.entity, n)
        save(new_unit, *needed)
        hints = get_type_hints(self.add)
        _, *taken = inspect.signature(self.add).parameters
        return {name: _plain(getattr(entity, name), hints[name]) for name in taken}


class UseCaseContract:
    """Inherited by a test class that says which ``use_cases`` are tested."""

    use_cases: ClassVar[UseCases]

    @pytest.fixture
    def details(self, new_unit: New) -> Any:
        return self.use_cases.add(new_unit(), **self.use_cases.values(new_unit, 1))

    def test_what_is_added_can_be_got_and_listed(self, uow: Transaction, new_unit: New) -> None:
        given = self.use_cases.values(new_unit, 1)

        added = self.use_cases.add(uow, **given)

        assert added == replace(added, **given, version=1)
        assert self.use_cases.get(uow, added.id) == added
        assert self.use_cases.list(uow).items == (added,)

    def test_what_is_unique_finds_the_one_that_has_it(self, uow: Transaction, new_unit: New, details: Any) -> None:
        referred = {
            name: saved(new_unit, kind, n).id
            for n, (name, kind) in enumerate(referred_ids(self.use_cases.entity).items(), 3)
            if name in self.use_cases.find_by  # an example leaves it empty where it may be
        }
        details = self.use_cases.change(uow, details.id, **referred)
        other = self.use_cases.values(new_unit, 2) | dict.fromkeys(referred, new_id())
        for name, find in self.use_cases.find_by.items():
            assert find(uow, getattr(details, name)) == details
            assert find(uow, other[name]) is None

    def test_what_is_changed_is_saved_and_counted(self, uow: Transaction, new_unit: New, details: Any) -> None:
        changes = self.use_cases.values(new_unit, 2)

        changed = self.use_cases.change(uow, details.id, expected_version=1, **changes)

        changes_something = replace(details, **changes) != details
        assert changed == replace(details, **changes, version=1 + changes_something)
        assert self.use_cases.get(new_unit(), details.id) == changed

    def test_a_change_to_what_is_there_already_changes_nothing(self, uow: Transaction, new_unit: New) -> None:
        given = self.use_cases.values(new_unit, 1)
        added = self.use_cases.add(new_unit(), **given)

        assert self.use_cases.change(uow, added.id, **given) == added

    def test_what_is_removed_is_gone(self, uow: Transaction, new_unit: New, details: Any) -> None:
        assert self.use_cases.remove(uow, details.id, expected_version=1) == details

        assert self.use_cases.list(new_unit()).items == ()

    def test_what_is_unknown_or_was_saved_since_is_refused(self, uow: Transaction, details: Any) -> None:
        for use_case in (self.use_cases.change, self.use_cases.remove):
            with pytest.raises(NotFound, match=self.use_cases.entity.__name__):
                use_case(uow, new_id())
            with pytest.raises(VersionMismatch):
                use_case(uow, details.id, expected_version=2)

    def test_what_it_refers_to_exists(self, uow: Transaction, new_unit: New, details: Any) -> None:
        for n, (name, other) in enumerate(referred_ids(self.use_cases.entity).items(), 2):
            with pytest.raises(NotFound, match=other.__name__):
                self.use_cases.add(uow, **self.use_cases.values(new_unit, n) | {name: new_id()})
            with pytest.raises(NotFound, match=other.__name__):
                self.use_cases.change(uow, details.id, **{name: new_id()})


def _plain(value: Any, hint: Any) -> Any:
    """Return a value as a use case takes it: a part as its details."""
    for kind in get_args(hint):
        if isinstance(kind, type) and issubclass(kind, Details):
            return tuple(map(kind.of, value))
    return value
