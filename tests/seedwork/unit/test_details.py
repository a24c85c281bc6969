"""Parts are changed by their details: what has the same key stays the same part."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from domain.seedwork.entity import Entity, Part, new_id
from domain.seedwork.errors import InvalidValue
from domain.seedwork.rules import text, whole_number
from service_layer.seedwork.details import Details, assign


@dataclass(eq=False, kw_only=True)
class Tyre(Part):
    rules = {"place": text("place", 1, 20), "worn": whole_number("worn", 0, 100)}
    key = ("place",)

    id: UUID = field(default_factory=new_id)
    place: str
    worn: int = 0


@dataclass(eq=False, kw_only=True)
class Trip(Part):
    id: UUID = field(default_factory=new_id)
    km: int


@dataclass(eq=False, kw_only=True)
class Engine(Part):
    id: UUID = field(default_factory=new_id)
    power: int


@dataclass(frozen=True)
class Size:
    width: int
    height: int


@dataclass(eq=False, kw_only=True)
class Sticker(Part):
    key = ("text",)

    text: str
    size: Size


@dataclass(eq=False, kw_only=True)
class Car(Entity):
    tyres: list[Tyre] = field(default_factory=list)
    trips: list[Trip] = field(default_factory=list)
    stickers: list[Sticker] = field(default_factory=list)
    engine: Engine | None = None

    @property
    def wide_stickers(self) -> Iterator[Sticker]:
        """Those that are wider than high."""
        return (sticker for sticker in self.stickers if sticker.size.width > sticker.size.height)


@dataclass(frozen=True, slots=True)
class TyreDetails(Details):
    place: str
    worn: int = 0


@dataclass(frozen=True, slots=True)
class TripDetails(Details):
    km: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WearDetails(Details):
    worn: int = 0
    place: str


@dataclass(frozen=True, slots=True)
class EngineDetails(Details):
    power: int


@dataclass(frozen=True, slots=True)
class StickerDetails(Details):
    text: str
    size: Size


@dataclass(frozen=True, slots=True)
class WideDetails(Details):
    wide_stickers: tuple[StickerDetails, ...]


@dataclass(frozen=True, slots=True)
class CarDetails(Details):
    tyres: tuple[TyreDetails, ...]
    engine: EngineDetails | None


@pytest.fixture
def car() -> Car:
    return Car(tyres=[Tyre(place="left"), Tyre(place="right")], trips=[Trip(km=5), Trip(km=5), Trip(km=7)])


def test_a_part_with_the_same_key_is_changed_and_the_others_come_and_go(car: Car) -> None:
    left, right = car.tyres

    assign(car, {"tyres": (TyreDetails("spare"), TyreDetails("right", 30))})

    assert [(tyre.place, tyre.worn) for tyre in car.tyres] == [("right", 30), ("spare", 0)]
    assert (car.tyres[0] is right, left in car.tyres) == (True, False)


def test_parts_without_a_key_are_told_apart_by_all_their_values(car: Car) -> None:
    first, second, third = car.trips

    assign(car, {"trips": [TripDetails(7), TripDetails(5), TripDetails(9)]})

    assert [car.trips[0] is first, car.trips[1] is third, car.trips[2].km] == [True, True, 9]
    assert second not in car.trips


def test_a_key_that_is_given_twice_makes_a_part_that_the_database_refuses(car: Car) -> None:
    assign(car, {"tyres": [TyreDetails("left"), TyreDetails("left", 1)]})

    assert [tyre.place for tyre in car.tyres] == ["left", "left"]


def test_what_is_taken_by_name_alone_is_taken_down_too(car: Car) -> None:
    assert WearDetails.of(car.tyres[0]) == WearDetails(place="left")


def test_a_value_object_of_a_part_stays_one_and_a_part_without_an_id_where_it_is_given(car: Car) -> None:
    given = (StickerDetails("D", Size(4, 3)), StickerDetails("A", Size(3, 4)))

    assign(car, {"stickers": given})

    assert tuple(map(StickerDetails.of, car.stickers)) == given


def test_parts_are_taken_down_from_whatever_has_several(car: Car) -> None:
    car.stickers = [Sticker(text="D", size=Size(4, 3)), Sticker(text="A", size=Size(3, 4))]

    assert WideDetails.of(car) == WideDetails((StickerDetails("D", Size(4, 3)),))


def test_no_parts_takes_all_away(car: Car) -> None:
    assign(car, {"tyres": ()})

    assert car.tyres == []


def test_a_part_keeps_its_rules(car: Car) -> None:
    with pytest.raises(InvalidValue, match="worn 101"):
        assign(car, {"tyres": [TyreDetails("left", 101)]})


def test_the_one_part_that_there_may_be_is_taken_down_too(car: Car) -> None:
    without = CarDetails.of(car)
    car.engine = Engine(power=90)

    assert without == CarDetails((TyreDetails("left"), TyreDetails("right")), None)
    assert CarDetails.of(car).engine == EngineDetails(90)


def test_the_one_part_that_there_may_be_comes_is_changed_in_place_and_goes(car: Car) -> None:
    assign(car, {"engine": EngineDetails(90)})
    engine = car.engine
    assign(car, {"engine": EngineDetails(110)})

    assert (car.engine is engine, CarDetails.of(car).engine) == (True, EngineDetails(110))
    assign(car, {"engine": None})
    assert car.engine is None
    assign(car, {"engine": engine})
    assert car.engine is engine
