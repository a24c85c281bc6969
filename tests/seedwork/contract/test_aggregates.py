"""The contract of every aggregate holds for all shapes of the tests' own, and finds what is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, cast
from uuid import UUID

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, UniqueConstraint, Uuid
from sqlalchemy.orm import composite
from sqlalchemy.schema import DropTable

from adapters.seedwork import mapping
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.types import IdType
from domain.seedwork.entity import Entity, new_id
from domain.seedwork.errors import InvalidValue, NotFound
from domain.seedwork.rules import optional, text, whole_number
from service_layer.seedwork.errors import ConstraintViolated, SchemaOutdated
from tests.examples import EXAMPLES
from tests.seedwork import aggregates, examples
from tests.seedwork.aggregates import (
    CHECKS,
    Kind,
    New,
    check_added_comes_back,
    check_constraints_raise_their_errors,
    check_rules_and_columns_agree,
)
from tests.seedwork.backends import Units
from tests.seedwork.examples import NoExample, Reference, example, with_references
from tests.seedwork.ordering import Money, Order, map_orders
from tests.seedwork.shapes import (
    Album,
    Artist,
    ArtistId,
    Cart,
    Document,
    InMemoryShapesUnitOfWork,
    Item,
    Label,
    Member,
    Note,
    Person,
    Recording,
    Seat,
    SeatId,
    ShapesUnitOfWork,
    SkuRepeated,
    SqlAlchemyShapesUnitOfWork,
    Studio,
    artists,
    documents,
    map_shapes,
)

KINDS: list[Any] = [Album, Artist, Cart, Document, Label, Member, Note, Person, Recording, Seat, Studio]


@pytest.fixture(scope="module")
def units() -> Units[ShapesUnitOfWork]:
    map_shapes()
    return Units(InMemoryShapesUnitOfWork, SqlAlchemyShapesUnitOfWork)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_shape_keeps_the_contract(new_unit: New, kind: Kind, check: Callable[[New, Kind], None]) -> None:
    check(new_unit, kind)


@pytest.mark.usefixtures("units")
def test_the_references_of_an_example_agree_with_one_another_and_with_what_is_given() -> None:
    tenant_id = new_id()

    billed_to, mixed_in, studio, *_, recording = with_references(Recording, 1, tenant_id=tenant_id)

    assert billed_to.code == recording.billed_to != studio.code
    assert (studio.tenant_id, studio.id) == (recording.tenant_id, recording.studio_id) == (tenant_id, studio.id)
    assert (mixed_in.tenant_id, mixed_in.id) == (tenant_id, recording.mixed_in)


@pytest.mark.usefixtures("units")
def test_an_example_that_must_refer_to_its_own_class_refers_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "references", lambda kind: [Reference(kind, {"parent_id": "id"}, [])])

    (studio,) = with_references(Studio, 1)

    assert studio.parent_id == studio.id


@dataclass(frozen=True)
class Stake:
    artist_id: ArtistId
    cents: int


@dataclass(frozen=True)
class Term:
    """A value object that says itself what its columns hold."""

    days: int

    @classmethod
    def of(cls, weeks: int, days: int) -> Self:
        return cls(7 * weeks + days)

    def __composite_values__(self) -> tuple[int, int]:
        return divmod(self.days, 7)


@dataclass(eq=False, kw_only=True)
class Share(Entity):
    id: UUID = field(default_factory=new_id)
    stake: Stake
    term: Term


@pytest.fixture
def new_unit_of_shares() -> New:
    """A unit in memory of an aggregate whose value object has a foreign key."""
    map_shapes()
    shares = Table(
        "shares",
        MetaData(),
        Column("id", Uuid, primary_key=True),
        Column("artist_id", IdType[ArtistId](), ForeignKey(artists.c.id), nullable=False),
        Column("cents", Integer, nullable=False),
        Column("weeks", Integer, nullable=False),
        Column("days", Integer, nullable=False),
        Column("version", Integer, nullable=False),
        UniqueConstraint("artist_id"),
    )
    with mapping.mapping():
        properties = {
            "_artist_id": shares.c.artist_id,
            "_cents": shares.c.cents,
            "_weeks": shares.c.weeks,
            "_days": shares.c.days,
            "stake": composite(Stake, "_artist_id", "_cents"),
            "term": composite(Term.of, "_weeks", "_days"),
        }
        mapping.map_once(Share, shares, version_id_col=shares.c.version, properties=properties)

    class Shares(InMemoryRepository[Any, UUID]):
        entity = Share
        not_found = NotFound

    class Unit(InMemoryShapesUnitOfWork):
        shares = RepositoryOf(Shares)

    return partial(Unit, InMemoryStore())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_an_aggregate_whose_value_object_refers_to_another_one_keeps_the_contract(
    new_unit_of_shares: New, check: Callable[[New, Kind], None]
) -> None:
    check(new_unit_of_shares, Share)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_value_that_a_rule_asks_for_may_be_missing_in_older_rows(
    new_unit: New, check: Callable[[New, Kind], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Seat, "rules", {"number": whole_number("number")})

    check(new_unit, Seat)


# ---- what is wrong is noticed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)
def test_a_rule_that_the_database_contradicts_is_noticed(new_unit: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Document, "rules", {"amount": lambda amount: amount})

    with pytest.raises(AssertionError, match=r"The rule of Document\.amount takes Decimal\('-1'\), and the database"):
        check_rules_and_columns_agree(new_unit, Document)


@pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)
def test_what_the_database_refuses_of_another_aggregate_is_not_said_of_this_one(
    new_unit: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    artist = Artist(name=cast("str", None))
    album = Album(title="t", artist_id=artist.id)
    monkeypatch.setattr(Album, "rules", {"title": lambda title: title})
    monkeypatch.setattr(aggregates, "with_references", lambda *_, **_values: [artist, album])

    with pytest.raises(ConstraintViolated, match="name does not allow it"):
        check_rules_and_columns_agree(new_unit, Album)


@pytest.mark.parametrize("open_backend", ["sqlite"], indirect=True)
def test_a_table_that_no_revision_makes_is_not_said_of_a_rule(new_unit: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Document, "rules", {"amount": lambda amount: amount})
    with new_unit() as uow:
        uow.session.execute(DropTable(documents))
        uow.commit()

    with pytest.raises(SchemaOutdated, match="If no revision makes it, write one first"):
        check_rules_and_columns_agree(new_unit, Document)


def test_a_constraint_without_the_error_of_its_entity_is_noticed(
    new_unit: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregates, "error_of", lambda _: SkuRepeated())

    with pytest.raises(AssertionError, match="raises ConstraintViolated.* not SkuRepeated"):
        check_constraints_raise_their_errors(new_unit, Seat)


def test_a_repository_that_is_not_registered_is_noticed(new_unit: New) -> None:
    map_orders()

    for check in (check_added_comes_back, check_rules_and_columns_agree):
        with pytest.raises(AssertionError, match=r"^\w+UnitOfWork has no repository of Order\. Register it"):
            check(new_unit, Order)


def test_values_that_differ_are_named(new_unit: New, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = aggregates.load

    def load(new_unit: New, cart: Cart) -> Cart:
        found: Cart = loaded(new_unit, cart)
        found.items[0].quantity = 99
        return found

    monkeypatch.setattr(aggregates, "load", load)

    with pytest.raises(
        AssertionError, match=r"^Cart\.items: .*'quantity': 1.* was saved, and .*'quantity': 99.* loaded"
    ):
        check_added_comes_back(new_unit, Cart)


@pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)
def test_a_value_that_comes_back_in_another_type_is_noticed(new_unit: New, monkeypatch: pytest.MonkeyPatch) -> None:
    class Name(str):
        __slots__ = ()

    class Sku(str):
        __slots__ = ()

    monkeypatch.setitem(EXAMPLES, Artist, lambda n: Artist(name=Name(f"a{n}")))
    monkeypatch.setitem(EXAMPLES, Cart, lambda n: Cart(items=[Item(sku=Sku(f"a{n}"))]))

    for kind, field_ in ((Artist, "name"), (Cart, "items")):
        with pytest.raises(AssertionError, match=rf"^{kind.__name__}\.{field_}: .* loaded, of another type\. Let"):
            check_added_comes_back(new_unit, kind)


@dataclass(frozen=True)
class Leg:
    port: str


@dataclass(eq=False, kw_only=True)
class Voyage(Entity):
    rules = {"port": text("port", 5, 5), "flag": optional(text("flag", 2, 2))}

    port: str
    flag: str | None
    names: list[str]
    legs: tuple[Leg, ...]
    place: tuple[int, str]
    ids: frozenset[UUID]


def test_examples_have_collections_of_values_and_texts_of_an_exact_length() -> None:
    one, other = example(Voyage, 1), example(Voyage, 2)

    assert [len(one.port), len(one.flag), len(one.names), len(one.legs), len(one.ids)] == [5, 2, 2, 2, 2]
    assert [type(value) for value in (*one.names, *one.legs, *one.place)] == [str, str, Leg, Leg, int, str]
    assert one.port != other.port


def test_an_entity_of_which_no_example_can_be_made_asks_for_one_line() -> None:
    class Riddle:
        def __init__(self) -> None:
            raise ValueError

    @dataclass(eq=False, kw_only=True)
    class Secret(Entity):
        riddle: Riddle

    Secret.__annotations__["riddle"] = Riddle

    with pytest.raises(NoExample, match=r"for Secret\.riddle\. In tests/examples\.py write: EXAMPLES\[Secret\] = "):
        example(Secret, 1)


def test_a_value_object_of_which_no_example_can_be_made_asks_for_one_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def in_euros(value: Money) -> Money:
        if value.currency != "EUR":
            raise InvalidValue("tip", value, "it must be in EUR")
        return value

    @dataclass(eq=False, kw_only=True)
    class Meal(Entity):
        rules = {"tip": in_euros}

        tip: Money | None

    Meal.__annotations__["tip"] = Money | None

    with pytest.raises(NoExample, match=r"for Meal\.tip\. In tests/examples\.py write: EXAMPLES\[Money\] = "):
        example(Meal, 1)
    monkeypatch.setitem(EXAMPLES, Money, lambda n: Money(n, "EUR"))
    assert example(Meal, 7).tip == Money(7, "EUR")
    monkeypatch.setitem(EXAMPLES, Money, lambda n: Money(n, "USD"))
    with pytest.raises(NoExample, match=r"write: EXAMPLES\[Meal\] = "):
        example(Meal, 1)


def test_a_given_value_that_a_rule_refuses_is_reported_as_by_the_constructor() -> None:
    with pytest.raises(InvalidValue, match="quantity 0 is not allowed"):
        example(Item, 1, quantity=0)


# ---- examples that were written ------------------------------------------------------------------------------------


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXAMPLES, Cart, lambda n: Cart())
    monkeypatch.setitem(EXAMPLES, Seat, lambda n: Seat(hall=f"hall {n}", row=1, number=n))


@pytest.mark.usefixtures("written")
def test_an_example_that_was_written_is_taken_with_the_values_that_are_given() -> None:
    id = SeatId(new_id())

    seat = example(Seat, 7, row=2, id=id)

    assert (seat.hall, seat.row, seat.id) == ("hall 7", 2, id)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("kind", [Seat, Item])
def test_a_given_value_of_no_field_is_refused(kind: Kind) -> None:
    with pytest.raises((AttributeError, TypeError), match="rwo"):
        example(kind, 7, rwo=2)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("kind", [Cart, Seat], ids=["without its parts", "without a reference"])
def test_an_example_that_was_written_keeps_the_contract(
    new_unit: New, kind: Kind, check: Callable[[New, Kind], None]
) -> None:
    check(new_unit, kind)
