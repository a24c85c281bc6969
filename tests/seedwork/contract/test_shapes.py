"""Aggregates of many shapes, on every implementation: saved, loaded, changed and refused alike."""

import copy
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm.attributes import flag_modified

from domain.seedwork.entity import new_id
from domain.seedwork.errors import InvalidValue
from domain.seedwork.events import Event
from domain.seedwork.repository import BATCH
from service_layer.seedwork.details import Details, assign
from service_layer.seedwork.errors import (
    ConcurrencyConflict,
    ConstraintViolated,
    FailedTransaction,
    ReferenceViolated,
    UnitOfWorkMisuse,
)
from tests.seedwork.backends import NewUnit, Units
from tests.seedwork.pages import blocks, page
from tests.seedwork.shapes import (
    Address,
    Album,
    Artist,
    ArtistId,
    Badge,
    Ban,
    Cart,
    Fee,
    Folder,
    FolderId,
    InMemoryShapesUnitOfWork,
    Item,
    Kind,
    Label,
    Member,
    MemberId,
    MemberIdTaken,
    Note,
    NoteId,
    Paper,
    Person,
    Point,
    Recording,
    Remark,
    Room,
    Seat,
    SeatTaken,
    ShapesUnitOfWork,
    SkuRepeated,
    SqlAlchemyShapesUnitOfWork,
    Studio,
    StudioCodeTaken,
    a_document,
    map_shapes,
)

New = NewUnit[ShapesUnitOfWork]

LONG_AGO = datetime.fromisoformat("2020-01-01T00:00:00Z")


@pytest.fixture(scope="module")
def units() -> Units[ShapesUnitOfWork]:
    map_shapes()
    return Units(InMemoryShapesUnitOfWork, SqlAlchemyShapesUnitOfWork)


def add(uow: ShapesUnitOfWork, *entities: Any) -> None:
    for entity in entities:
        repository_of(uow, entity).add(entity)


def insert(uow: ShapesUnitOfWork, *entities: Any) -> None:
    for entity in entities:
        repository_of(uow, entity).insert_many([entity])


def repository_of(uow: ShapesUnitOfWork, entity: Any) -> Any:
    name = {Person: "people"}.get(type(entity), f"{type(entity).__name__.lower()}s")
    return getattr(uow, name)


def saved(new_unit: New, *entities: Any) -> None:
    with new_unit() as uow:
        add(uow, *entities)
        uow.commit()


def loaded(new_unit: NewUnit[Any], entity: Any) -> Any:
    """The entity as a second, independent unit of work sees it."""
    with new_unit().reading() as uow:
        return repository_of(uow, entity).get(entity.id)


def skus(cart: Cart) -> list[tuple[str, int]]:
    return [(item.sku, item.quantity) for item in cart.items]


@pytest.fixture(params=[add, insert], ids=["add", "insert_many"])
def store(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Both ways to save a new entity."""
    way: Callable[..., None] = request.param
    return way


# ---- what is stored comes back --------------------------------------------------------------------------------------


def test_a_root_of_nothing_but_parts_comes_back(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    cart = Cart(items=[Item(sku="b", quantity=2), Item(sku="a")])

    with uow:
        store(uow, cart, Cart())
        uow.commit()

    assert skus(loaded(new_unit, cart)) == [("a", 1), ("b", 2)]


def test_a_value_of_every_type_comes_back(uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]) -> None:
    other = new_id()
    document = a_document(other=other, kind=Kind.INVOICE, paid=True)

    with uow:
        store(uow, document)
        uow.commit()

    twin = loaded(new_unit, document)
    assert (twin.amount, type(twin.amount), twin.day) == (Decimal("12.30"), Decimal, date(2026, 2, 3))
    assert (twin.at, twin.paid, twin.kind) == (document.at, True, Kind.INVOICE)
    assert (twin.tags, twin.content, twin.other, twin.version) == ({"colours": ["red"]}, b"abc", other, 1)


def test_parts_of_a_part_come_back(uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]) -> None:
    address = Address(street="High Street", point=Point(1, 2), rooms=[Room(name="a"), Room(name="b")])
    person, homeless = Person(name="Ann", address=address), Person(name="Bob")

    with uow:
        store(uow, person, homeless)
        uow.commit()

    twin = loaded(new_unit, person)
    assert (twin.address.street, twin.address.point) == ("High Street", Point(1, 2))
    assert [room.name for room in twin.address.rooms] == ["b", "a"]
    assert loaded(new_unit, homeless).address is None


def test_what_the_database_fills_is_there_after_the_block(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    note = Note(text="x")

    with uow:
        store(uow, note)
        uow.commit()

    twin = loaded(new_unit, note)
    assert (twin.language, twin.changed_at) == ("en", None)
    assert isinstance(twin.made_at, datetime)


def test_a_column_that_the_database_computes_may_stay_out_of_the_mapping(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    label, other = Label(text="x"), Label(text="xyz")

    with uow:
        store(uow, label, other)
        uow.commit()
    with uow:
        uow.labels.get(label.id).text = "xy"
        uow.commit()

    assert (loaded(new_unit, label).text, loaded(new_unit, label).version) == ("xy", 2)


def test_a_default_may_be_a_text_whatever_the_type_of_its_column(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    document = a_document(amount=None, day=None, at=None, paid=None, kind=None)

    with uow:
        store(uow, document)
        uow.commit()

    twin = loaded(new_unit, document)
    assert (twin.amount, twin.day, twin.paid, twin.kind) == (Decimal("1.50"), date(2020, 1, 2), True, Kind.INVOICE)
    assert twin.at == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_what_the_database_fills_can_be_given(uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]) -> None:
    note = Note(text="x", language="fr")

    with uow:
        store(uow, note)
        uow.commit()

    assert loaded(new_unit, note).language == "fr"


def test_what_the_database_filled_at_an_insert_is_readable_after_the_block(uow: ShapesUnitOfWork) -> None:
    note = Note(text="x")

    with uow:
        uow.notes.add(note)
        uow.commit()

    assert note.language == "en"
    assert note.made_at


def test_a_value_of_too_many_places_is_as_it_was_given_until_it_is_loaded(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document(amount=Decimal("1.234"))

    with uow:
        uow.documents.add(document)
        uow.commit()

    assert (document.amount, loaded(new_unit, document).amount) == (Decimal("1.234"), Decimal("1.23"))


@pytest.mark.parametrize(
    ("new", "text"),
    [(lambda: Note(text="x", changed_at=LONG_AGO), "text"), (lambda: Person(name="x", changed_at=LONG_AGO), "name")],
    ids=["among other columns", "in one column"],
)
def test_what_the_database_fills_at_an_update_is_new_and_readable_after_the_block(
    uow: ShapesUnitOfWork, new_unit: New, new: Callable[[], Note | Person], text: str
) -> None:
    entity = new()
    saved(new_unit, entity)

    with uow:
        changed = repository_of(uow, entity).get(entity.id)
        setattr(changed, text, "y")
        uow.commit()

    assert changed.changed_at
    assert changed.changed_at.year > 2020
    assert loaded(new_unit, entity).changed_at == changed.changed_at


def test_a_value_that_is_set_stays_where_an_update_would_fill_its_column(uow: ShapesUnitOfWork, new_unit: New) -> None:
    note = Note(text="x")
    saved(new_unit, note)

    with uow:
        changed = uow.notes.get(note.id)
        changed.text, changed.changed_at = "y", LONG_AGO
        uow.commit()

    assert loaded(new_unit, note).changed_at == LONG_AGO


@pytest.mark.parametrize(("given", "kept"), [("12.345", "12.35"), ("1.005", "1.01"), ("0.125", "0.13"), ("7", "7")])
def test_a_decimal_is_rounded_to_the_places_of_its_column(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None], given: str, kept: str
) -> None:
    document = a_document(amount=Decimal(given))

    with uow:
        store(uow, document)
        uow.commit()

    assert str(loaded(new_unit, document).amount) == str(Decimal(kept).quantize(Decimal("0.01")))


def test_what_was_rounded_is_found_by_what_is_kept(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    document = a_document(amount=Decimal("1.005"))
    with uow:
        store(uow, document)
        uow.commit()

    with new_unit() as other:
        assert other.documents._all(amount=Decimal("1.010")) == [document]
        assert other.documents._all(amount=Decimal("1.005")) == []


def test_a_change_that_is_rounded_to_what_is_kept_counts_as_one(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document(amount=Decimal("1.00"))
    saved(new_unit, document)

    with uow:
        uow.documents.get(document.id).amount = Decimal("1.001")
        uow.commit()

    assert loaded(new_unit, document).version == 2


def test_a_json_value_is_replaced_as_a_whole(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document()
    saved(new_unit, document)

    with uow:
        held = uow.documents.get(document.id)
        held.tags["colours"].append("blue")
        held.amount = Decimal(1)
        uow.commit()
    assert (loaded(new_unit, document).tags, loaded(new_unit, document).amount) == ({"colours": ["red"]}, Decimal(1))

    with uow:
        held = uow.documents.get(document.id)
        held.tags = {"colours": ["red", "blue"]}
        uow.commit()
    assert loaded(new_unit, document).tags == {"colours": ["red", "blue"]}


def test_the_order_of_keys_in_json_is_no_change(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document(tags={"size": 1, "colour": {"red": 2, "blue": 3}})
    saved(new_unit, document)

    with uow:
        uow.documents.get(document.id).tags = {"colour": {"blue": 3, "red": 2}, "size": 1}  # as JSONB gives it back
        uow.commit()

    assert loaded(new_unit, document).version == 1


@pytest.mark.parametrize("other", [True, 1.0])
def test_a_json_value_that_only_python_takes_for_equal_is_a_change(
    uow: ShapesUnitOfWork, new_unit: New, other: object
) -> None:
    document = a_document(tags={"a": 1, "b": 2})
    saved(new_unit, document)

    with uow:
        uow.documents.get(document.id).tags = {"a": other, "b": 2}
        uow.commit()
    twin = loaded(new_unit, document)
    assert (repr(twin.tags), twin.version) == (repr({"a": other, "b": 2}), 2)

    with uow:
        uow.documents.get(document.id).tags = {"a": other, "b": 2}
        uow.commit()
    assert loaded(new_unit, document).version == 2


def test_a_json_value_that_is_flagged_as_changed_is_saved(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document(tags={"a": 1})
    saved(new_unit, document)

    with uow:
        held = uow.documents.get(document.id)
        held.tags["b"] = 2
        flag_modified(held, "tags")
        uow.commit()

    assert loaded(new_unit, document).tags == {"a": 1, "b": 2}


def test_a_change_inside_a_json_value_is_not_saved_by_a_shallow_copy(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document(tags={"a": [1]})
    saved(new_unit, document)

    with uow:
        held = uow.documents.get(document.id)
        held.tags["a"].append(2)
        held.tags = {**held.tags}
        uow.commit()

    assert (loaded(new_unit, document).tags, loaded(new_unit, document).version) == ({"a": [1]}, 1)


@pytest.mark.parametrize(
    ("new", "name"),
    [(lambda: Label(text="x", words=["a"]), "words"), (lambda: a_document(content=bytearray(b"a")), "content")],
    ids=["list", "bytes"],
)
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_change_inside_a_value_is_not_saved(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None], new: Callable[[], Any], name: str, ends: str
) -> None:
    entity = new()
    given = getattr(entity, name)
    kept = copy.copy(given)
    with uow:
        store(uow, entity)
        uow.commit()
    given.append(given[0])

    with uow:
        held = getattr(repository_of(uow, entity).get(entity.id), name)
        assert held == kept
        held += held
        getattr(uow, ends)()

    assert getattr(loaded(new_unit, entity), name) == kept


def test_no_json_value_is_null(uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]) -> None:
    document, other = a_document(), a_document(extra={"a": None})
    with uow:
        store(uow, document, other)
        uow.commit()

    with uow:
        assert uow.documents._all(extra=None) == [document]
        uow.documents.get(other.id).extra = None
        uow.commit()
    assert (loaded(new_unit, other).extra, loaded(new_unit, other).version) == (None, 2)


def test_what_a_column_type_refuses_comes_through_as_it_is(uow: ShapesUnitOfWork, store: Callable[..., None]) -> None:
    with pytest.raises(ValueError, match="has no time zone"), uow:
        store(uow, a_document(at=datetime(2026, 2, 3)))  # noqa: DTZ001  # on purpose
        uow.commit()


def test_a_column_that_no_field_shows_is_saved(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    folder = Folder(code="x")

    with uow:
        store(uow, folder)
        uow.commit()
    assert vars(loaded(new_unit, folder))["_shelf_mark"] == "x"

    with uow:
        uow.folders.get(folder.id).code = "y"
        uow.commit()
    assert vars(loaded(new_unit, folder))["_shelf_mark"] == "y"


def test_who_listens_for_what_is_loaded_hears_it(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = Person(name="x", address=Address(street="y"))
    saved(new_unit, person)
    heard: list[tuple[str, object]] = []

    def hear_load(instance: object, _: object) -> None:
        heard.append(("load", instance))

    def hear_refresh(instance: object, *_: object) -> None:
        heard.append(("refresh", instance))

    with listening((Person, Address), load=hear_load, refresh=hear_refresh), uow:
        found = uow.people.get(person.id)
        assert {*heard} == {("load", found), ("load", found.address)}

        heard.clear()
        uow.people.get(person.id, for_update=True)
        assert {*heard} == {("refresh", found), ("refresh", found.address)}


def test_who_listens_for_what_a_default_makes_hears_it(uow: ShapesUnitOfWork) -> None:
    made: list[tuple[object, object]] = []

    def hear(remark: object, _: object, names: Collection[str]) -> None:
        made.extend((remark, vars(remark)[name]) for name in names if name == "number")

    remark = Remark(text="kind")
    with listening((Remark,), refresh_flush=hear), uow:
        uow.members.add(Member(name="Ann", remarks=[remark]))
        uow.commit()

    assert made == [(remark, vars(remark)["number"])]


@contextmanager
def listening(kinds: tuple[type, ...], **listeners: Callable[..., None]) -> Generator[None]:
    with ExitStack() as heard:
        for kind, name in product(kinds, listeners):
            event.listen(kind, name, listeners[name])
            heard.callback(event.remove, kind, name, listeners[name])
        yield


# ---- plain values in insert_many ------------------------------------------------------------------------------------


@dataclass
class PlainNote:
    id: UUID
    text: str
    changed_at = None
    language: str | None = None
    made_at = None


@dataclass(slots=True)
class SlottedSeat:
    hall: str
    row: int
    number: int | None
    id: UUID = field(default_factory=new_id)


def test_plain_values_may_leave_attributes_to_their_class(uow: ShapesUnitOfWork, new_unit: New) -> None:
    first, second = PlainNote(new_id(), "a", "fr"), PlainNote(new_id(), "b")
    del second.language

    with uow:
        uow.notes.insert_many([second, first])  # type: ignore[list-item]  # on purpose
        uow.commit()

    with new_unit().reading() as other:
        assert sorted((note.text, note.language) for note in other.notes.stream()) == [("a", "fr"), ("b", "en")]


def test_plain_values_without_an_id_are_refused(uow: ShapesUnitOfWork) -> None:
    with pytest.raises(ConstraintViolated), uow:
        uow.seats.insert_many([SimpleNamespace(id=None, hall="A", row=1, number=1)])  # type: ignore[list-item]  # on purpose
        uow.flush()


def test_plain_values_may_have_slots(uow: ShapesUnitOfWork, new_unit: New) -> None:
    with uow:
        uow.seats.insert_many([SlottedSeat("red", 1, 2)])  # type: ignore[list-item]  # on purpose
        uow.commit()

    with new_unit().reading() as other:
        assert other.seats.at("red", 1, 2)


def test_plain_values_may_have_a_version_of_none(uow: ShapesUnitOfWork, new_unit: New) -> None:
    seat = SimpleNamespace(id=new_id(), hall="red", row=1, number=2, version=None)

    with uow:
        uow.seats.insert_many([seat])  # type: ignore[list-item]  # on purpose
        uow.commit()

    with new_unit().reading() as other:
        assert [found.version for found in other.seats.stream()] == [1]


def test_plain_values_may_have_parts_and_value_objects(uow: ShapesUnitOfWork, new_unit: New) -> None:
    room = SimpleNamespace(id=new_id(), name="a", floor=None)
    address = SimpleNamespace(id=new_id(), street="x", point=Point(1, 2), rooms=[room])
    person = SimpleNamespace(id=new_id(), name="Ann", address=address, changed_at=None)

    with uow:
        uow.people.insert_many([person])  # type: ignore[list-item]  # on purpose
        uow.commit()

    with new_unit().reading() as other:
        [found] = other.people.stream()
        assert found.address
        assert (found.address.point, found.address.rooms[0].name) == (Point(1, 2), "a")


def test_plain_values_may_have_a_column_that_no_field_shows(uow: ShapesUnitOfWork, new_unit: New) -> None:
    with_it = SimpleNamespace(id=new_id(), tenant="a", code="x", around=None, _shelf_mark="x")
    without = SimpleNamespace(id=new_id(), tenant="a", code="y", around=None)

    with uow:
        uow.folders.insert_many([with_it, without])  # type: ignore[list-item]  # on purpose
        uow.commit()

    with new_unit().reading() as other:
        marks = [vars(other.folders.get(FolderId(folder.id)))["_shelf_mark"] for folder in (with_it, without)]
    assert marks == ["x", None]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hall": "red", "row": 1}, "Seat needs .*number"),
        ({"hall": "red", "row": 1, "number": 2, "colour": "blue"}, "Seat has no colour"),
        ({"hall": "red", "row": 1, "number": 2, "version": 7}, "Get it again"),
    ],
    ids=["one is missing", "one too many", "a version"],
)
def test_plain_values_with_other_attributes_are_refused(
    uow: ShapesUnitOfWork, new_unit: New, values: dict[str, object], message: str
) -> None:
    with pytest.raises(UnitOfWorkMisuse, match=message), uow:
        uow.seats.insert_many([SimpleNamespace(id=new_id(), **values)])  # type: ignore[list-item]  # on purpose

    with new_unit().reading() as other:
        assert other.seats.count() == 0


def test_plain_values_without_their_parts_are_refused(uow: ShapesUnitOfWork) -> None:
    with pytest.raises(UnitOfWorkMisuse, match="Cart needs .*no items"), uow:
        uow.carts.insert_many([SimpleNamespace(id=new_id())])  # type: ignore[list-item]  # that is the point


# ---- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda cart: setattr(cart.items[0], "quantity", 5), [("a", 5), ("b", 1)]),
        (lambda cart: cart.items.append(Item(sku="c")), [("a", 1), ("b", 1), ("c", 1)]),
        (lambda cart: cart.items.insert(0, Item(sku="c")), [("a", 1), ("b", 1), ("c", 1)]),
        (lambda cart: cart.items.pop(), [("a", 1)]),
        (lambda cart: cart.items.clear(), []),
        (lambda cart: setattr(cart, "items", [Item(sku="z")]), [("z", 1)]),
    ],
    ids=["changed", "added", "inserted first", "taken away", "cleared", "replaced"],
)
def test_a_change_of_parts_is_saved_and_counts_once(
    uow: ShapesUnitOfWork, new_unit: New, change: Callable[[Cart], object], expected: list[tuple[str, int]]
) -> None:
    cart = Cart(items=[Item(sku="a"), Item(sku="b")])
    saved(new_unit, cart)

    with uow:
        held = uow.carts.get(cart.id)
        change(held)
        uow.commit()

    twin = loaded(new_unit, cart)
    assert skus(twin) == expected
    assert held.version == twin.version == 2


@pytest.mark.parametrize(
    "change",
    [lambda cart: cart.items.reverse(), lambda cart: setattr(cart, "items", list(reversed(cart.items)))],
    ids=["reversed", "assigned in another order"],
)
def test_the_order_of_parts_is_that_of_the_mapping(
    uow: ShapesUnitOfWork, new_unit: New, change: Callable[[Cart], object]
) -> None:
    cart = Cart(items=[Item(sku="a"), Item(sku="b")])
    saved(new_unit, cart)

    with uow:
        change(uow.carts.get(cart.id))
        uow.commit()

    twin = loaded(new_unit, cart)
    assert (skus(twin), twin.version) == ([("a", 1), ("b", 1)], 1)


def test_a_lock_brings_the_parts_into_their_order(uow: ShapesUnitOfWork, new_unit: New) -> None:
    cart = Cart(items=[Item(sku="b")])
    saved(new_unit, cart)

    with uow:
        held = uow.carts.get(cart.id)
        held.items.append(Item(sku="a", quantity=2))
        assert uow.carts.get(cart.id, for_update=True) is held
        assert skus(held) == [("a", 2), ("b", 1)]
        uow.commit()


def test_parts_without_a_value_come_where_the_mapping_says(uow: ShapesUnitOfWork, new_unit: New) -> None:
    rooms = [Room(name="attic"), Room(name="hall", floor=2), Room(name="cellar", floor=1), Room(name="den", floor=2)]
    person = Person(name="Ann", address=Address(street="High Street", rooms=rooms))

    saved(new_unit, person)

    assert [room.name for room in loaded(new_unit, person).address.rooms] == ["cellar", "hall", "den", "attic"]


def test_parts_are_in_the_order_of_code_points_where_their_column_says_so(uow: ShapesUnitOfWork, new_unit: New) -> None:
    rooms = [Room(name=name) for name in ("B", "a", "Z", "_", "é")]
    person = Person(name="Ann", address=Address(street="High Street", rooms=rooms))

    saved(new_unit, person)

    assert [room.name for room in loaded(new_unit, person).address.rooms] == ["é", "a", "_", "Z", "B"]


@pytest.mark.parametrize(
    "read",
    [lambda uow, cart_id: uow.carts.get(cart_id), lambda uow, _: uow.carts.page().items[0]],
    ids=["got", "of a page"],
)
def test_a_part_is_saved_though_its_root_was_dropped_by_the_caller(
    uow: ShapesUnitOfWork, new_unit: New, read: Callable[[ShapesUnitOfWork, UUID], Cart]
) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, cart)

    with uow:
        read(uow, cart.id).items[0].quantity += 1
        uow.commit()

    twin = loaded(new_unit, cart)
    assert (skus(twin), twin.version) == ([("a", 2)], 2)


def test_a_change_deep_inside_counts_for_the_root(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = Person(name="Ann", address=Address(street="x", rooms=[Room(name="a")]))
    saved(new_unit, person)

    with uow:
        held = uow.people.get(person.id)
        assert held.address
        held.address.rooms[0].name = "b"
        uow.commit()

    assert loaded(new_unit, person).version == 2


def test_a_part_of_which_there_is_one_can_be_replaced_and_taken_away(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = Person(name="Ann", address=Address(street="x"))
    saved(new_unit, person)

    with uow:
        held = uow.people.get(person.id)
        held.address = None
        uow.flush()
        held.address = Address(street="y")
        uow.commit()
    assert loaded(new_unit, person).address.street == "y"

    with uow:
        uow.people.get(person.id).address = None
        uow.commit()
    assert loaded(new_unit, person).address is None


def test_a_part_moves_to_another_root(uow: ShapesUnitOfWork, new_unit: New) -> None:
    first, second = Cart(items=[Item(sku="a")]), Cart()
    saved(new_unit, first, second)

    with uow:
        uow.carts.get(second.id).items.append(uow.carts.get(first.id).items.pop())
        uow.commit()

    one, other = loaded(new_unit, first), loaded(new_unit, second)
    assert (skus(one), one.version) == ([], 2)
    assert (skus(other), other.version) == ([("a", 1)], 2)


def test_new_roots_may_swap_their_parts(uow: ShapesUnitOfWork, new_unit: New) -> None:
    first, second = Cart(items=[Item(sku="a")]), Cart(items=[Item(sku="b")])
    rooms = [Room(name="hall")]
    near, far = Person(name="Jo", address=Address(street="near", rooms=rooms)), Person(name="Al")

    with uow:
        add(uow, first, second, near, far)
        first.items, second.items = second.items, first.items
        near.address, far.address = far.address, near.address
        uow.flush()
        first.items[0].quantity = 2
        uow.commit()

    assert skus(loaded(new_unit, first)) == [("b", 2)]
    assert skus(loaded(new_unit, second)) == [("a", 1)]
    address = loaded(new_unit, far).address
    assert loaded(new_unit, near).address is None
    assert (address.street, [room.name for room in address.rooms]) == ("near", ["hall"])


def test_a_new_part_is_saved_that_stood_twice_in_its_list(uow: ShapesUnitOfWork, new_unit: New) -> None:
    cart = Cart(items=[Item(sku="a"), Item(sku="b")])

    with uow:
        uow.carts.add(cart)
        cart.items.append(cart.items[0])
        del cart.items[0]
        uow.commit()

    assert skus(loaded(new_unit, cart)) == [("a", 1), ("b", 1)]


def test_a_new_entity_whose_block_was_not_saved_keeps_parts_that_its_rule_refuses_by_then(
    uow: ShapesUnitOfWork, new_unit: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(items: object) -> None:
        raise InvalidValue("items", items, "it must be empty")

    cart = Cart(items=[Item(sku="a")])
    monkeypatch.setattr(Cart, "rules", {"items": refused})
    with uow:
        uow.carts.add(cart)
        uow.flush()
        uow.rollback()
    assert skus(cart) == [("a", 1)]

    with uow:
        uow.carts.add(cart)
        uow.commit()

    assert skus(loaded(new_unit, cart)) == [("a", 1)]


def test_a_new_part_whose_block_was_not_saved_can_be_added_again(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = Person(name="Ann")
    saved(new_unit, person)
    address = Address(street="x", rooms=[Room(name="hall")])

    with uow:
        uow.people.get(person.id).address = address
        uow.flush()
        uow.rollback()
    with uow:
        uow.people.get(person.id).address = address
        uow.commit()

    assert [room.name for room in loaded(new_unit, person).address.rooms] == ["hall"]


def a_person() -> Person:
    return Person(name="Ann", address=Address(street="x", point=Point(1, 2), rooms=[Room(name="hall")]))


def rooms(person: Person) -> list[str]:
    assert person.address
    return [room.name for room in person.address.rooms]


def test_an_inner_block_that_is_rolled_back_leaves_what_it_did_not_change_as_it_was(uow: ShapesUnitOfWork) -> None:
    cart = Cart(items=[Item(sku="b"), Item(sku="a")])

    with uow:
        uow.carts.add(cart)
        with uow:
            uow.rollback()
        uow.commit()

    assert skus(cart) == [("b", 1), ("a", 1)]


@pytest.mark.parametrize("changed", ["root", "part"])
def test_parts_of_parts_are_readable_after_an_inner_block_whose_changes_were_refused(
    uow: ShapesUnitOfWork, new_unit: New, changed: str
) -> None:
    person = a_person()
    saved(new_unit, person)

    with uow:
        held = uow.people.get(person.id)
        assert held.address
        with pytest.raises(ConstraintViolated), uow:
            setattr(*{"root": (held, "name", None), "part": (held.address, "street", None)}[changed])
            uow.commit()
        uow.commit()

    assert (held.name, held.address.street, held.address.point, rooms(held)) == ("Ann", "x", Point(1, 2), ["hall"])


def test_a_new_entity_keeps_parts_of_parts_through_an_inner_block_whose_changes_were_refused(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    person = a_person()
    with uow:
        uow.people.add(person)
        with pytest.raises(ConstraintViolated), uow:
            person.name = None  # type: ignore[assignment]  # on purpose
            uow.commit()
        uow.rollback()

    with uow:
        uow.people.add(person)
        uow.commit()

    assert rooms(loaded(new_unit, person)) == ["hall"]


def test_an_inner_block_that_goes_on_after_a_refusal_leaves_no_refused_value(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    person = a_person()
    saved(new_unit, person)

    with uow:
        held = uow.people.get(person.id)
        assert held.address
        held.address.street = "y"
        with uow:
            held.address.street = None  # type: ignore[assignment]  # on purpose
            with pytest.raises(ConstraintViolated):
                uow.flush()
            held.name, held.address.point = "Bob", Point(3, 4)
            uow.rollback()
        assert (held.name, held.address.street, held.address.point, rooms(held)) == ("Ann", "y", Point(1, 2), ["hall"])
        uow.commit()

    twin = loaded(new_unit, person)
    assert (twin.name, twin.address.street, twin.version) == ("Ann", "y", 2)


def test_a_part_that_is_new_in_an_inner_block_after_a_refusal_is_undone_with_it(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    person = Person(name="Ann")
    saved(new_unit, person)
    address = Address(street="x", rooms=[Room(name="hall")])

    with uow:
        held = uow.people.get(person.id)
        with uow:
            held.name = None  # type: ignore[assignment]  # on purpose
            with pytest.raises(ConstraintViolated):
                uow.flush()
            held.address = address
            uow.rollback()
        assert held.name == "Ann"
        assert held.address is None
        held.address = address
        uow.commit()

    assert rooms(loaded(new_unit, person)) == ["hall"]


def take_room(person: Person) -> None:
    assert person.address
    person.address.rooms.pop()


def take_address(person: Person) -> None:
    person.address = None


def send(uow: ShapesUnitOfWork, _: Person) -> None:
    uow.flush()


def be_refused(uow: ShapesUnitOfWork, person: Person) -> None:
    person.name = None  # type: ignore[assignment]  # on purpose
    with pytest.raises(ConstraintViolated):
        uow.flush()


@pytest.mark.parametrize("take", [take_room, take_address])
@pytest.mark.parametrize("steps", [[], [send], [be_refused], [send, be_refused]])
@pytest.mark.parametrize("stored", [False, True], ids=["new", "stored"])
def test_a_part_that_an_inner_block_took_out_in_vain_can_be_changed(
    uow: ShapesUnitOfWork,
    new_unit: New,
    take: Callable[[Person], None],
    steps: list[Callable[[ShapesUnitOfWork, Person], None]],
    *,
    stored: bool,
) -> None:
    person = a_person()
    saved(new_unit, *[person] * stored)

    with uow:
        add(uow, *[person] * (not stored))
        held = uow.people.get(person.id)
        address = held.address
        assert address
        with uow:
            take(held)
            for step in steps:
                step(uow, held)
            uow.rollback()
        assert held.address is address
        address.street, address.rooms[0].name = "y", "loft"
        uow.commit()

    twin = loaded(new_unit, person)
    assert (twin.address.street, rooms(twin), twin.version) == ("y", ["loft"], 2)


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "new"])
def test_a_part_of_two_roots_is_refused(uow: ShapesUnitOfWork, new_unit: New, *, stored: bool) -> None:
    first, second = Cart(items=[Item(sku="a")]), Cart()
    saved(new_unit, *[first, second] * stored)

    with pytest.raises(UnitOfWorkMisuse, match=f"^Item {first.items[0].id} belongs to two owners"), uow:
        add(uow, *[first, second] * (not stored))
        one, other = uow.carts.get(first.id), uow.carts.get(second.id)
        other.items.append(one.items[0])
        uow.commit()


def test_a_new_part_of_two_roots_is_refused_where_its_key_has_its_owners(uow: ShapesUnitOfWork) -> None:
    badge = Badge(name="a")

    with pytest.raises(UnitOfWorkMisuse, match=r"^Badge belongs to two owners"), uow:
        add(uow, Member(name="Ann", badges=[badge]), Member(name="Bob", badges=[badge]))
        uow.commit()


@pytest.mark.parametrize("changed", [True, False], ids=["changed", "unchanged"])
@pytest.mark.parametrize("is_own", [True, False], ids=["by its own root", "by another root"])
@pytest.mark.parametrize("is_held", [True, False], ids=["beside the one of this block", "alone"])
def test_a_part_of_an_ended_block_is_refused(
    uow: ShapesUnitOfWork, new_unit: New, *, changed: bool, is_own: bool, is_held: bool
) -> None:
    first, second = Cart(items=[Item(sku="a")]), Cart()
    saved(new_unit, first, second)
    old = loaded(new_unit, first).items
    if changed:
        old[0].quantity = 55

    with pytest.raises(UnitOfWorkMisuse, match=" comes from another block, and its values may be old"), uow:
        assert not is_held or uow.carts.get(first.id).items
        uow.carts.get(first.id if is_own else second.id).items = old
        uow.commit()

    assert loaded(new_unit, first).items[0].quantity == 1
    assert (loaded(new_unit, first).version, loaded(new_unit, second).items) == (1, [])


def test_a_part_of_an_ended_block_is_refused_inside_a_new_part(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = a_person()
    saved(new_unit, person)
    old = loaded(new_unit, person).address

    with pytest.raises(UnitOfWorkMisuse, match=" comes from another block, and its values may be old"), uow:
        uow.people.get(person.id).address = Address(street="new", rooms=old.rooms)
        uow.commit()


@pytest.mark.parametrize("open_backend", ["sqlite", "postgresql"], indirect=True)
def test_a_removed_root_is_refused_a_new_list_of_its_parts(uow: ShapesUnitOfWork, new_unit: New) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, cart)

    with uow:
        removed = uow.carts.get(cart.id)
        uow.carts.remove(removed)
        uow.flush()
        with pytest.raises(UnitOfWorkMisuse, match=" is deleted already: its owner gave it up, or was removed"):
            removed.items = [*removed.items]
        uow.commit()


def test_a_new_part_that_has_a_stored_one_is_taken_out_and_comes_back(uow: ShapesUnitOfWork, new_unit: New) -> None:
    housed, homeless = a_housed_person("kitchen"), Person(name="q", address=None)
    saved(new_unit, housed, homeless)

    with uow:
        giver, taker = uow.people.get(housed.id), uow.people.get(homeless.id)
        assert giver.address
        address = Address(street="new", rooms=[])
        taker.address = address
        address.rooms.append(giver.address.rooms.pop())
        taker.address = None
        taker.address = address
        uow.commit()

    assert rooms(loaded(new_unit, homeless)) == ["kitchen"]
    assert rooms(loaded(new_unit, housed)) == []


@pytest.mark.parametrize("taker", ["its own root", "another root", "a new root"])
def test_a_part_that_a_flush_has_deleted_cannot_come_back(uow: ShapesUnitOfWork, new_unit: New, taker: str) -> None:
    first, second = Cart(items=[Item(sku="a")]), Cart()
    saved(new_unit, first, second)

    with pytest.raises(UnitOfWorkMisuse, match="To move a part, get both owners first"), uow:
        held = uow.carts.get(first.id)
        item = held.items.pop()
        other = uow.carts.get(second.id)  # which flushes
        if taker == "a new root":
            uow.carts.add(Cart(items=[item]))
        else:
            (held if taker == "its own root" else other).items.append(item)
        uow.commit()

    assert [item.sku for item in loaded(new_unit, first).items] == ["a"]


def test_the_one_part_that_a_flush_has_deleted_cannot_come_back(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = a_person()
    saved(new_unit, person)

    with pytest.raises(UnitOfWorkMisuse, match="To move a part, get both owners first"), uow:
        held = uow.people.get(person.id)
        address, held.address = held.address, None
        uow.flush()
        held.address = address
        uow.commit()


def test_a_part_of_a_root_that_a_flush_has_removed_cannot_come_back(uow: ShapesUnitOfWork, new_unit: New) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, cart)

    with pytest.raises(UnitOfWorkMisuse, match="To move a part, get both owners first"), uow:
        held = uow.carts.get(cart.id)
        uow.carts.remove(held)
        uow.flush()
        uow.carts.add(Cart(items=[*held.items]))
        uow.commit()


@pytest.mark.parametrize("inner", [True, False], ids=["an inner block", "a block"])
def test_a_new_part_of_a_stored_root_that_was_undone_is_new_again(
    uow: ShapesUnitOfWork, new_unit: New, *, inner: bool
) -> None:
    cart, item = Cart(), Item(sku="a")
    saved(new_unit, cart)

    with uow:
        with uow if inner else nullcontext():
            uow.carts.get(cart.id).items.append(item)
            uow.flush()
            uow.rollback()
        if inner:
            uow.carts.get(cart.id).items.append(item)
            uow.commit()
    if not inner:
        with uow:
            uow.carts.get(cart.id).items.append(item)
            uow.commit()

    assert [item.sku for item in loaded(new_unit, cart).items] == ["a"]


def test_a_part_with_the_id_of_a_stored_one_breaks_its_primary_key(uow: ShapesUnitOfWork, new_unit: New) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, cart)

    with pytest.raises(ConstraintViolated, match="pk_house_cart_items"), uow:
        held = uow.carts.get(cart.id)
        held.items = [Item(id=item.id, sku=item.sku) for item in held.items]
        uow.commit()


@pytest.mark.parametrize("part", ["new", "stored"])
@pytest.mark.parametrize("of", ["new", "stored"])
def test_a_part_that_stands_twice_in_a_list_is_refused(
    uow: ShapesUnitOfWork, new_unit: New, of: str, part: str
) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, *[cart] * (of == "stored"))

    with pytest.raises(UnitOfWorkMisuse, match=r"^Item [-0-9a-f]{36} belongs to two owners, or to one twice"), uow:
        add(uow, *[cart] * (of == "new"))
        held = uow.carts.get(cart.id)
        held.items += {"new": [Item(sku="b")] * 2, "stored": held.items[:]}[part]
        uow.commit()


def test_what_is_inserted_in_bulk_twice_breaks_its_primary_key(uow: ShapesUnitOfWork, new_unit: New) -> None:
    item, empty, stored = Item(sku="a"), Cart(), Cart(items=[Item(sku="b")])
    saved(new_unit, stored)

    with uow:
        held = uow.carts.get(stored.id)
        with pytest.raises(ConstraintViolated), uow:
            uow.carts.insert_many([Cart(items=[item]), Cart(items=[item])])
        with pytest.raises(ConstraintViolated), uow:
            uow.carts.insert_many([Cart(items=held.items)])
        with pytest.raises(ConstraintViolated), uow:
            uow.carts.insert_many([empty, empty])


def test_parts_are_kept_in_a_list(uow: ShapesUnitOfWork) -> None:
    cart = Cart()

    with pytest.raises(TypeError, match="tuple"):
        cart.items = (Item(sku="a"),)  # type: ignore[assignment]  # on purpose


def test_a_rule_of_a_part_holds_for_its_making_and_for_plain_assignment() -> None:
    item = Item(sku="a")

    with pytest.raises(InvalidValue, match="quantity -5 is not allowed"):
        item.quantity = -5
    with pytest.raises(InvalidValue, match="quantity 0 is not allowed"):
        Item(sku="a", quantity=0)

    assert item.quantity == 1


# ---- constraints ----------------------------------------------------------------------------------------------------


def test_a_unique_key_of_several_columns_is_kept(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    saved(new_unit, Seat(hall="red", row=1, number=2), Seat(hall="red", row=1, number=None))

    with pytest.raises(SeatTaken) as caught, uow:
        store(uow, Seat(hall="red", row=1, number=2))
        uow.flush()
    assert caught.value.fields == ("hall", "row", "number")

    with uow:
        store(uow, Seat(hall="red", row=1, number=None), Seat(hall="red", row=2, number=2))
        uow.commit()


def test_a_unique_key_of_parts_is_kept(uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]) -> None:
    saved(new_unit, Cart(items=[Item(sku="a")]))

    with pytest.raises(SkuRepeated), uow:
        store(uow, Cart(items=[Item(sku="a"), Item(sku="a")]))
        uow.flush()


def test_a_new_root_whose_parts_were_refused_has_no_version(uow: ShapesUnitOfWork) -> None:
    cart = Cart(items=[Item(sku="a"), Item(sku="a")])

    with uow:
        uow.carts.add(cart)
        with pytest.raises(SkuRepeated):
            uow.flush()

        assert cart.version == 0
        uow.rollback()


def test_a_unique_value_of_a_part_is_not_free_before_its_removal_is_flushed(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, cart)

    with pytest.raises(SkuRepeated), uow:
        held = uow.carts.get(cart.id)
        held.items.pop()
        held.items.append(Item(sku="a"))
        uow.commit()

    with uow:
        held = uow.carts.get(cart.id)
        held.items.pop()
        uow.flush()
        held.items.append(Item(sku="a"))
        uow.commit()


def test_two_entities_swap_their_unique_values_by_one_that_is_free(uow: ShapesUnitOfWork, new_unit: New) -> None:
    ann, bob = (Seat(hall="A", row=1, number=number) for number in (1, 2))
    saved(new_unit, ann, bob)

    with pytest.raises(SeatTaken), uow:
        uow.seats.get(ann.id).number, uow.seats.get(bob.id).number = 2, 1
        uow.commit()

    with uow:
        first, second = uow.seats.get(ann.id), uow.seats.get(bob.id)
        for seat, number in ((first, None), (second, 1), (first, 2)):
            seat.number = number
            uow.flush()
        uow.commit()

    with new_unit().reading() as seen:
        assert (seen.seats.get(ann.id).number, seen.seats.get(bob.id).number) == (2, 1)


def test_a_missing_value_is_refused(uow: ShapesUnitOfWork, store: Callable[..., None]) -> None:
    with pytest.raises(ConstraintViolated, match="hall"), uow:
        store(uow, Seat(hall=None, row=1, number=1))  # type: ignore[arg-type]  # on purpose
        uow.flush()


# ---- a table whose own primary key is another one --------------------------------------------------------------------


def test_rows_are_known_by_a_unique_key_where_the_mapping_says_so(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    ann = Member(name="Ann", fees=[Fee(cents=100), Fee(cents=200)])
    with uow:
        store(uow, ann)
        store(uow, Member(name="Bob", brought_by=ann.id))
        uow.commit()

    with uow:
        held = uow.members.get(ann.id)
        with suppress(LookupError), uow:
            held.fees.clear()
            uow.flush()
            raise LookupError
        held.fees.pop(0)
        uow.commit()

    assert held.version == 2
    assert [fee.cents for fee in loaded(new_unit, ann).fees] == [200]


@pytest.mark.parametrize("open_backend", ["postgresql"], indirect=True)
@pytest.mark.parametrize("left_out", [" AS IT IS", " WHEN (NEW.version = OLD.version)"], ids=["ours", "an old one"])
def test_a_trigger_counts_what_another_program_changes_and_not_what_the_service_does(
    left_out: str, uow: SqlAlchemyShapesUnitOfWork, new_unit: NewUnit[SqlAlchemyShapesUnitOfWork]
) -> None:
    [trigger] = [block for block in blocks(page("migrations.md"), "sql") if "count_version" in block]
    note = Note(text="a")
    with uow:
        for statement in trigger.replace("customer", "house_notes").replace(left_out, "").split(";\n")[:-1]:
            uow.session.execute(text(statement))
        uow.notes.add(note)
        uow.commit()

    with uow:
        held = uow.notes.get(note.id)
        held.text = "b"
        uow.flush()
        held.text = "c"
        uow.commit()
    with pytest.raises(ConcurrencyConflict), uow:
        held = uow.notes.get(note.id)
        with new_unit() as other:
            other.session.execute(text("UPDATE house_notes SET text = 'd'"))
            other.commit()
        held.text = "e"
        uow.commit()

    found = loaded(new_unit, note)
    assert (found.text, found.version) == ("d", 4)


def test_what_others_refer_to_by_that_key_is_not_removed(uow: ShapesUnitOfWork) -> None:
    ann = Member(name="Ann")
    with uow:
        add(uow, Member(name="Bob", brought_by=ann.id), ann)  # in any order
        uow.commit()

    with pytest.raises(ReferenceViolated), uow:
        uow.members.remove(uow.members.get(ann.id))
        uow.commit()


def test_the_primary_key_beside_the_id_is_unique_and_others_refer_to_it(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    tenant_id = new_id()
    hall = Studio(tenant_id=tenant_id, code="hall")
    saved(new_unit, hall)

    with pytest.raises(StudioCodeTaken), uow:
        store(uow, Studio(tenant_id=tenant_id, code="hall"))
        uow.commit()
    with pytest.raises(ReferenceViolated), uow:
        store(uow, Recording(tenant_id=tenant_id, studio_id=hall.id, mixed_in=hall.id, billed_to="booth"))
        uow.commit()


def test_a_second_row_of_that_key_is_refused_by_its_error(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    ann = Member(name="Ann")
    saved(new_unit, ann)

    with pytest.raises(MemberIdTaken), uow:
        uow.members.get(ann.id)
        store(uow, Member(id=ann.id, name="Bob"))
        uow.commit()


def test_an_id_that_is_taken_is_refused_before_parts_whose_keys_are(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    fee = Fee(cents=1)
    ann = Member(name="Ann", badges=[Badge(name="a")], fees=[fee])
    saved(new_unit, ann)

    with pytest.raises(MemberIdTaken), uow:
        store(uow, Member(id=ann.id, name="Bob", badges=[Badge(name="a")]))
        uow.commit()
    with pytest.raises(MemberIdTaken), uow:
        store(uow, Member(id=ann.id, name="Bob", fees=[Fee(id=fee.id, cents=1)]))
        uow.commit()


@pytest.mark.parametrize("place", [0, 1], ids=["before it", "after it"])
def test_a_new_part_with_the_key_of_a_stored_one_that_stays_is_refused(
    uow: ShapesUnitOfWork, new_unit: New, place: int
) -> None:
    ann = Member(name="Ann", badges=[Badge(name="a")])
    saved(new_unit, ann)

    with pytest.raises(ConstraintViolated), uow:
        uow.members.get(ann.id).badges.insert(place, Badge(name="a"))
        uow.commit()


def test_parts_with_the_key_of_their_owner_are_replaced_by_others_of_the_same_key(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None]
) -> None:
    ann = Member(name="Ann", badges=[Badge(name="a"), Badge(name="b")])
    with uow:
        store(uow, ann)
        uow.commit()

    with uow:
        held = uow.members.get(ann.id)
        held.badges = [Badge(name="b", rank=2), Badge(name="c", rank=3)]
        uow.commit()

    assert held.version == 2
    assert [(badge.name, badge.rank) for badge in loaded(new_unit, ann).badges] == [("b", 2), ("c", 3)]


def test_a_part_without_a_field_is_given_and_taken_away(uow: ShapesUnitOfWork, new_unit: New) -> None:
    member = Member(name="Jo", ban=Ban())
    saved(new_unit, member)
    assert isinstance(loaded(new_unit, member).ban, Ban)

    with uow:
        uow.members.get(member.id).ban = Ban()
        uow.commit()
    assert isinstance(loaded(new_unit, member).ban, Ban)

    with uow:
        uow.members.get(member.id).ban = None
        uow.commit()
    found = loaded(new_unit, member)
    assert (found.ban, found.version) == (None, 3)


def test_what_an_update_would_fill_is_empty_in_a_new_part_that_takes_the_row_of_another(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    ann = Member(name="Ann", badges=[Badge(name="a")])
    saved(new_unit, ann)

    with uow:
        uow.members.get(ann.id).badges = [Badge(name="a", rank=2)]
        uow.commit()

    assert [badge.changes for badge in loaded(new_unit, ann).badges] == [None]


def test_two_parts_of_one_key_do_not_both_take_the_row_of_one_that_goes(uow: ShapesUnitOfWork, new_unit: New) -> None:
    ann = Member(name="Ann", badges=[Badge(name="a")])
    saved(new_unit, ann)

    with pytest.raises(ConstraintViolated), uow:
        uow.members.get(ann.id).badges = [Badge(name="a", rank=2), Badge(name="a", rank=3)]
        uow.commit()

    assert [badge.rank for badge in loaded(new_unit, ann).badges] == [1]


def test_parts_of_one_root_may_get_their_keys_from_a_default(uow: ShapesUnitOfWork, new_unit: New) -> None:
    ann = Member(name="Ann", remarks=[Remark(text="kind")])
    saved(new_unit, ann)

    with uow:
        uow.members.get(ann.id).remarks += [Remark(text="late"), Remark(text="tall")]
        uow.commit()

    assert [remark.text for remark in loaded(new_unit, ann).remarks] == ["kind", "late", "tall"]


def _rename(ann: Member, _bob: Member) -> None:
    ann.badges[0].name = "b"


def _move(ann: Member, bob: Member) -> None:
    bob.badges.append(ann.badges.pop())


@pytest.mark.parametrize("change", [_rename, _move])
def test_the_key_of_a_part_stays_what_it_is(
    uow: ShapesUnitOfWork, new_unit: New, change: Callable[[Member, Member], None]
) -> None:
    ann, bob = Member(name="Ann", badges=[Badge(name="a")]), Member(name="Bob")
    saved(new_unit, ann, bob)

    with pytest.raises(UnitOfWorkMisuse, match="Badge would get another key"), uow:
        change(uow.members.get(ann.id), uow.members.get(bob.id))
        uow.commit()

    assert [badge.name for badge in loaded(new_unit, ann).badges] == ["a"]


@pytest.mark.parametrize("is_flushed", [False, True])
def test_a_part_that_a_removed_root_gets_is_not_saved(
    uow: ShapesUnitOfWork, new_unit: New, *, is_flushed: bool
) -> None:
    ann, person = Member(name="Ann"), a_person()
    saved(new_unit, ann, person)

    with uow:
        member, held = uow.members.get(ann.id), uow.people.get(person.id)
        assert held.address
        uow.members.remove(member)
        uow.people.remove(held)
        if is_flushed:
            uow.flush()
        member.badges.append(Badge(name="a"))
        held.address.rooms.append(Room(name="cellar"))
        uow.commit()

    with new_unit().reading() as other:
        assert (other.members.count(), other.people.count()) == (0, 0)


def test_a_new_part_is_saved_with_the_root_that_has_it_if_a_removed_one_gets_it_too(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    gone, kept, item = Cart(), Cart(), Item(sku="VASE")
    saved(new_unit, gone, kept)

    with uow:
        removed, held = uow.carts.get(gone.id), uow.carts.get(kept.id)
        uow.carts.remove(removed)
        uow.carts.count()  # which flushes
        held.items.append(item)
        removed.items.append(item)
        uow.commit()

    assert [item.sku for item in loaded(new_unit, kept).items] == ["VASE"]


@pytest.mark.parametrize("change", [_rename, _move])
def test_a_part_with_another_key_can_be_removed_with_its_root(
    uow: ShapesUnitOfWork, new_unit: New, change: Callable[[Member, Member], None]
) -> None:
    ann, bob = Member(name="Ann", badges=[Badge(name="a")]), Member(name="Bob")
    saved(new_unit, ann, bob)

    with uow:
        held = uow.members.get(ann.id), uow.members.get(bob.id)
        change(*held)
        for member in held:
            uow.members.remove(member)
        uow.commit()

    with new_unit().reading() as other:
        assert other.members.count() == 0


def test_a_part_whose_place_another_one_has_taken_is_back_after_an_inner_rollback(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    ann = Member(name="Ann", badges=[Badge(name="a")])
    saved(new_unit, ann)

    with uow:
        held = uow.members.get(ann.id)
        [badge] = held.badges
        with suppress(LookupError), uow:
            held.badges = [Badge(name="a", rank=2)]
            uow.flush()
            raise LookupError
        badge.rank = 3
        uow.commit()

    assert [badge.rank for badge in loaded(new_unit, ann).badges] == [3]


# ---- references by id -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_an_entity_and_what_it_refers_to_are_added_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    artist = Artist(name="Ann")
    album = Album(title="x", artist_id=artist.id)

    with uow:
        add(uow, *turn([artist, album]))
        uow.commit()

    assert loaded(new_unit, album).artist_id == artist.id


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_an_entity_and_what_it_refers_to_are_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    artist = Artist(name="Ann")
    album = Album(title="x", artist_id=artist.id)
    saved(new_unit, artist, album)

    with uow:
        for held in turn([uow.artists.get(artist.id), uow.albums.get(album.id)]):
            repository_of(uow, held).remove(held)
        uow.commit()

    with new_unit().reading() as other:
        assert (other.artists.count(), other.albums.count()) == (0, 0)


def test_what_a_removed_entity_is_referred_to_by_is_got_before_its_removal(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    artist = Artist(name="Ann")
    album = Album(title="x", artist_id=artist.id)
    saved(new_unit, artist, album)

    with pytest.raises(ReferenceViolated), uow:
        uow.artists.remove(uow.artists.get(artist.id))
        uow.albums.remove(uow.albums.get(album.id))


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_entities_of_one_kind_that_refer_to_each_other_are_added_and_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    teacher = Artist(name="Ann")
    pupil = Artist(name="Bob", teacher_id=teacher.id)

    with uow:
        add(uow, *turn([teacher, pupil]))
        uow.commit()
    with uow:
        for held in turn([uow.artists.get(teacher.id), uow.artists.get(pupil.id)]):
            uow.artists.remove(held)
        uow.commit()

    with new_unit().reading() as other:
        assert other.artists.count() == 0


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_entities_of_two_kinds_that_refer_to_each_other_are_added_and_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    ann = Artist(name="Ann")
    first = Album(title="x", artist_id=ann.id)
    bob = Artist(name="Bob", best_album_id=first.id)
    second = Album(title="y", artist_id=bob.id)

    with uow:
        add(uow, *turn([ann, first, bob, second]))
        uow.commit()
    with uow:
        for held in turn([repository_of(uow, entity).get(entity.id) for entity in (ann, first, bob, second)]):
            repository_of(uow, held).remove(held)
        uow.commit()

    with new_unit().reading() as other:
        assert (other.artists.count(), other.albums.count()) == (0, 0)


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_entities_of_two_kinds_that_each_refer_to_their_own_kind_are_added_and_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    studios = [
        Studio(tenant_id=uuid4(), code=f"{n}") for n in range(9)
    ]  # many: the order of a pair may be right by chance
    members = [Member(name="Ann", works_in=studio.id) for studio in studios]

    with uow:
        add(uow, *turn([*studios, *members]))
        uow.commit()
    with uow:
        for held in turn([repository_of(uow, entity).get(entity.id) for entity in (*studios, *members)]):
            repository_of(uow, held).remove(held)
        uow.commit()

    with new_unit().reading() as other:
        assert (other.studios.count(), other.members.count()) == (0, 0)


def test_a_stored_entity_may_refer_to_a_new_one_of_its_kind(uow: ShapesUnitOfWork, new_unit: New) -> None:
    pupil, teacher = Artist(name="Bob"), Artist(name="Ann")
    saved(new_unit, pupil)

    with uow:
        uow.artists.get(pupil.id).teacher_id = teacher.id
        uow.artists.add(teacher)
        uow.commit()

    assert loaded(new_unit, pupil).teacher_id == teacher.id


def test_a_reference_can_be_turned_round_in_one_block(uow: ShapesUnitOfWork, new_unit: New) -> None:
    teacher = Artist(name="Ann")
    pupil = Artist(name="Bob", teacher_id=teacher.id)

    with uow:
        add(uow, pupil, teacher)
        uow.flush()
        pupil.teacher_id = None
        uow.flush()
        teacher.teacher_id = pupil.id
        uow.flush()
        uow.artists.remove(pupil)
        uow.artists.remove(teacher)
        uow.commit()

    with new_unit().reading() as other:
        assert other.artists.count() == 0


def test_a_new_entity_that_is_added_again_refers_to_what_it_says_then(uow: ShapesUnitOfWork, new_unit: New) -> None:
    teacher = Artist(name="Ann")
    pupil = Artist(name="Bob", teacher_id=teacher.id)

    with uow:
        add(uow, pupil, teacher)
        uow.flush()
        uow.rollback()
    pupil.teacher_id, teacher.teacher_id = None, pupil.id
    saved(new_unit, teacher, pupil)

    assert (loaded(new_unit, pupil).teacher_id, loaded(new_unit, teacher).teacher_id) == (None, pupil.id)


def test_an_entity_may_refer_to_itself(uow: ShapesUnitOfWork, new_unit: New) -> None:
    artist = Artist(name="Ann")
    artist.teacher_id = artist.id
    saved(new_unit, artist)

    with uow:
        uow.artists.remove(uow.artists.get(artist.id))
        uow.commit()

    with new_unit().reading() as other:
        assert other.artists.count() == 0


def test_entities_that_can_only_be_added_after_each_other_are_refused(uow: ShapesUnitOfWork) -> None:
    one, other = Artist(name="Ann"), Artist(name="Bob")
    one.teacher_id, other.teacher_id = other.id, one.id

    with pytest.raises(ReferenceViolated), uow:
        add(uow, one, other)
        uow.flush()


def test_entities_that_can_only_be_removed_after_each_other_are_refused(uow: ShapesUnitOfWork, new_unit: New) -> None:
    one = Artist(name="Ann")
    other = Artist(name="Bob", teacher_id=one.id)
    saved(new_unit, one, other)
    with uow:
        uow.artists.get(one.id).teacher_id = other.id
        uow.commit()

    with pytest.raises(ReferenceViolated), uow:
        for held in [uow.artists.get(one.id), uow.artists.get(other.id)]:
            uow.artists.remove(held)
        uow.commit()


@pytest.mark.parametrize("of", [Artist, Album], ids=["of its kind", "by another kind"])
def test_a_unique_value_is_not_free_for_a_new_entity_to_which_its_owner_will_refer(
    uow: ShapesUnitOfWork, new_unit: New, of: type
) -> None:
    artist, teacher = Artist(name="Bob", stage_name="B"), Artist(name="Ann", stage_name="B")
    album = Album(title="x", artist_id=teacher.id)
    saved(new_unit, artist)

    with pytest.raises(ConstraintViolated), uow:
        held = uow.artists.get(artist.id)
        held.stage_name = None
        held.teacher_id = teacher.id if of is Artist else None
        held.best_album_id = album.id if of is Album else None
        add(uow, teacher, album)
        uow.commit()


def test_what_is_inserted_in_bulk_refers_to_what_comes_before_it(uow: ShapesUnitOfWork, new_unit: New) -> None:
    teacher, other = Artist(name="Ann"), Artist(name="Eve")
    other.teacher_id = other.id
    pupil = Artist(name="Bob", teacher_id=teacher.id)

    with uow:
        with pytest.raises(ReferenceViolated), uow:
            uow.artists.insert_many([pupil, teacher])
        uow.artists.insert_many([teacher, pupil, other])
        uow.commit()

    assert loaded(new_unit, pupil).teacher_id == teacher.id


def test_a_reference_to_nothing_is_refused(uow: ShapesUnitOfWork, store: Callable[..., None]) -> None:
    with pytest.raises(ReferenceViolated), uow:
        store(uow, Album(title="x", artist_id=ArtistId(new_id())))
        uow.flush()


def test_what_others_refer_to_is_not_removed(uow: ShapesUnitOfWork, new_unit: New) -> None:
    artist = Artist(name="Ann")
    saved(new_unit, artist, Album(title="x", artist_id=artist.id))

    with pytest.raises(ReferenceViolated), uow:
        uow.artists.remove(uow.artists.get(artist.id))
        uow.commit()


def test_references_of_several_columns_that_share_one_are_saved_and_removed_in_any_order(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    tenant_id = new_id()
    hall, booth = (Studio(tenant_id=tenant_id, code=code) for code in ("hall", "booth"))
    recording = Recording(tenant_id=tenant_id, studio_id=hall.id, mixed_in=booth.id, billed_to="hall")

    with uow:
        uow.recordings.add(recording)
        uow.studios.add(hall)
        uow.studios.add(booth)
        uow.commit()
    with uow:
        held = uow.recordings.get(recording.id)
        held.studio_id, held.mixed_in = held.mixed_in, held.studio_id
        uow.commit()
    assert loaded(new_unit, recording).studio_id == booth.id

    with uow:
        entities = uow.studios.get(hall.id), uow.studios.get(booth.id), uow.recordings.get(recording.id)
        for studio in entities[:2]:
            uow.studios.remove(studio)
        uow.recordings.remove(entities[2])
        uow.commit()


# ---- references by a unique key -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entity",
    [lambda: Folder(code="y", around="z"), lambda: Folder(tenant="b", code="y", around="x"), lambda: Paper(folder="z")],
    ids=["to nothing", "of another tenant", "of another kind to nothing"],
)
def test_a_reference_by_a_unique_key_to_nothing_is_refused(
    uow: ShapesUnitOfWork, new_unit: New, store: Callable[..., None], entity: Callable[[], Folder | Paper]
) -> None:
    saved(new_unit, Folder(code="x"))

    with pytest.raises(ReferenceViolated), uow:
        store(uow, entity())
        uow.commit()


def test_a_reference_by_a_unique_key_with_a_missing_value_refers_to_nothing(
    uow: ShapesUnitOfWork, store: Callable[..., None]
) -> None:
    with uow:
        store(uow, Folder(code="x"), Paper(tenant=None, folder="z"))
        uow.commit()


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_entities_that_refer_to_each_other_by_a_unique_key_are_added_and_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    entities = [Folder(code="z"), Folder(code="y", around="z"), Folder(code="x", around="y"), Paper(folder="x")]

    with uow:
        add(uow, *turn(entities))
        uow.commit()
    with uow:
        for held in turn([repository_of(uow, entity).get(entity.id) for entity in entities]):
            repository_of(uow, held).remove(held)
        uow.commit()

    with new_unit().reading() as other:
        assert (other.folders.count(), other.papers.count()) == (0, 0)


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring one first"])
def test_an_entity_that_refers_to_nothing_does_not_wait_for_one_that_has_no_unique_value(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    outer, inner = Folder(code="x", around=None), Folder(code=None, around="x")

    with uow:
        add(uow, *turn([outer, inner]))
        uow.commit()
    with uow:
        for folder in turn([uow.folders.get(outer.id), uow.folders.get(inner.id)]):
            uow.folders.remove(folder)
        uow.commit()

    with new_unit().reading() as other:
        assert other.folders.count() == 0


def test_what_is_inserted_in_bulk_refers_by_a_unique_key_to_what_comes_before_it(uow: ShapesUnitOfWork) -> None:
    outer, inner = Folder(code="x"), Folder(code="y", around="x")

    with uow:
        with pytest.raises(ReferenceViolated), uow:
            uow.folders.insert_many([inner, outer])
        uow.folders.insert_many([outer, inner])
        uow.commit()


@pytest.mark.parametrize("turn", [list, reversed], ids=["in order", "the referring ones first"])
def test_a_unique_key_is_changed_in_the_block_that_refers_to_it(
    uow: ShapesUnitOfWork, new_unit: New, turn: Callable[[list[Any]], Iterator[Any]]
) -> None:
    ids = [*turn(sorted(FolderId(new_id()) for _ in range(9)))]
    outer = Folder(id=ids[0], code="a")
    inner = [Folder(id=id) for id in ids[1:]]  # many: the order of a pair may be right by chance
    saved(new_unit, outer, *inner)

    with uow:
        held = [uow.folders.get(id) for id in ids]
        held[0].code = "b"
        for folder in held[1:]:
            folder.around = "b"
        uow.folders.add(Folder(around="b"))
        uow.commit()

    assert [loaded(new_unit, folder).around for folder in inner] == ["b"] * 8


def test_two_that_refer_to_each_other_may_be_given_the_unique_keys_that_they_have(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    ann, bob = Folder(code="a"), Folder(code="b", around="a")
    saved(new_unit, ann, bob)

    with uow:
        uow.folders.get(ann.id).around = "b"
        uow.commit()
    with uow:
        for folder in uow.folders.get(ann.id), uow.folders.get(bob.id):
            assign(folder, {"code": folder.code, "around": folder.around})
        uow.commit()

    assert [loaded(new_unit, folder).around for folder in (ann, bob)] == ["b", "a"]


def test_a_circle_of_changed_unique_keys_is_refused(uow: ShapesUnitOfWork, new_unit: New) -> None:
    one, other = Folder(code="a"), Folder(code="b")
    saved(new_unit, one, other)

    with pytest.raises(ReferenceViolated), uow:
        held_one, held_other = uow.folders.get(one.id), uow.folders.get(other.id)
        held_one.code, held_one.around = "c", "d"
        held_other.code, held_other.around = "d", "c"
        uow.commit()

    assert loaded(new_unit, one).around is None


def test_an_entity_may_refer_to_itself_by_a_unique_key(uow: ShapesUnitOfWork, new_unit: New) -> None:
    folder = Folder(code="x", around="x")
    saved(new_unit, folder)

    with uow:
        held = uow.folders.get(folder.id)
        held.code = held.around = "y"
        uow.commit()
    with uow:
        uow.folders.remove(uow.folders.get(folder.id))
        uow.commit()


REFERRING = pytest.mark.parametrize(
    ("new", "name"),
    [(lambda: Folder(code="y", around="x"), "around"), (lambda: Paper(folder="x"), "folder")],
    ids=["of its kind", "of another kind"],
)


@REFERRING
def test_what_others_refer_to_by_a_unique_key_is_not_removed(
    uow: ShapesUnitOfWork, new_unit: New, new: Callable[[], Folder | Paper], name: str
) -> None:
    folder, referring = Folder(code="x"), new()
    saved(new_unit, folder, referring)

    with pytest.raises(ReferenceViolated), uow:
        uow.folders.remove(uow.folders.get(folder.id))
        uow.commit()

    assert getattr(loaded(new_unit, referring), name) == "x"


@REFERRING
@pytest.mark.parametrize("other", ["x", "z"], ids=["alone", "with what refers to it"])
def test_a_unique_key_to_which_others_refer_is_not_given_up(
    uow: ShapesUnitOfWork, new_unit: New, new: Callable[[], Folder | Paper], name: str, other: str
) -> None:
    folder, referring = Folder(code="x"), new()
    saved(new_unit, folder, referring)

    with pytest.raises(ReferenceViolated), uow:
        uow.folders.get(folder.id).code = "z"
        setattr(repository_of(uow, referring).get(referring.id), name, other)
        uow.commit()


def test_a_unique_key_to_which_nobody_refers_can_change(uow: ShapesUnitOfWork, new_unit: New) -> None:
    folder, paper = Folder(code="x"), Paper(folder="x")
    saved(new_unit, folder, Folder(code="w"), paper)

    with uow:
        uow.papers.get(paper.id).folder = "w"
        uow.flush()
        uow.folders.get(folder.id).code = "z"
        uow.commit()
    with uow:
        uow.papers.get(paper.id).folder = "z"
        uow.commit()
    with pytest.raises(ReferenceViolated), uow:
        uow.papers.get(paper.id).folder = "x"
        uow.commit()

    assert loaded(new_unit, paper).folder == "z"


# ---- look-ups -------------------------------------------------------------------------------------------------------


def test_an_entity_is_looked_up_by_several_values(uow: ShapesUnitOfWork, new_unit: New) -> None:
    seat, unnumbered = Seat(hall="red", row=1, number=2), Seat(hall="red", row=1, number=None)
    saved(new_unit, seat, unnumbered)

    with uow.reading():
        assert uow.seats.at("red", 1, 2) == seat
        assert uow.seats.at("red", 1, None) == unnumbered
        assert uow.seats.at("red", 2, 2) is None
        assert uow.seats.in_hall("red") == sorted([seat, unnumbered], key=lambda seat: seat.id)
        assert uow.seats.in_hall("blue") == []


def test_a_lookup_of_one_that_finds_several_is_refused(uow: ShapesUnitOfWork, new_unit: New) -> None:
    saved(new_unit, Seat(hall="red", row=1, number=2), Seat(hall="red", row=1, number=3))

    with uow.reading(), pytest.raises(LookupError, match=r"2 entities have this hall\. Look them up by _all"):
        uow.seats._one(hall="red")


def test_a_lookup_by_an_attribute_that_is_not_there_is_refused(uow: ShapesUnitOfWork) -> None:
    with (
        uow.reading(),
        pytest.raises(UnitOfWorkMisuse, match="no colour to look up by. Use one of hall, id, number, row"),
    ):
        uow.seats._all(colour="red")


def test_a_lookup_by_a_value_of_json_is_refused(uow: ShapesUnitOfWork) -> None:
    with uow.reading(), pytest.raises(UnitOfWorkMisuse, match=r"Document\.extra is JSON"):
        uow.documents._all(extra={"a": 1})


@pytest.mark.parametrize("id", ["019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d", "x", 1])
def test_a_lookup_by_an_id_that_is_no_uuid_is_refused(uow: ShapesUnitOfWork, id: object) -> None:
    with uow.reading(), pytest.raises(InvalidValue, match=r"artist_id .* is not allowed: it must be a UUID"):
        uow.albums._all(artist_id=id)
    with uow.reading():
        assert uow.artists._all(teacher_id=None) == []


@pytest.mark.parametrize("at", [datetime(2026, 2, 3), datetime.fromisoformat("0001-01-01T00:00:00+01:00")])  # noqa: DTZ001
def test_a_lookup_by_what_is_no_moment_is_refused(uow: ShapesUnitOfWork, at: datetime) -> None:
    with (
        uow.reading(),
        pytest.raises(InvalidValue, match=r"at .* is not allowed: it must be a datetime with a time zone"),
    ):
        uow.documents._all(at=at)


def test_a_lookup_by_a_renamed_column_and_by_a_value_of_every_type(uow: ShapesUnitOfWork, new_unit: New) -> None:
    document = a_document()
    saved(new_unit, document, a_document(paid=True))

    with uow.reading():
        values = {name: getattr(document, name) for name in ("id", "amount", "day", "at", "kind", "content", "other")}
        assert uow.documents._all(paid=False, **values) == [document]


@dataclass(frozen=True, slots=True)
class AddressDetails(Details):
    street: str


def test_the_details_of_a_one_to_one_part_change_it_in_place(uow: ShapesUnitOfWork, new_unit: New) -> None:
    address = Address(street="Main Street")
    person = Person(name="John Doe", address=address)
    saved(new_unit, person)

    with uow:
        assign(uow.people.get(person.id), {"address": AddressDetails("Side Street")})
        uow.commit()

    changed = loaded(new_unit, person).address
    assert (changed.id, AddressDetails.of(changed)) == (address.id, AddressDetails("Side Street"))


@pytest.mark.parametrize("open_backend", ["postgresql"], indirect=True)
def test_an_inner_block_that_fails_lets_nobody_overwrite_a_root_without_parts_that_another_has_changed(
    new_unit: New,
) -> None:
    seat = Seat(hall="red", row=1, number=1)
    saved(new_unit, seat)

    with pytest.raises(FailedTransaction), new_unit() as uow:
        read = uow.seats.get(seat.id)
        with new_unit() as faster:
            faster.seats.get(seat.id).row += 1
            faster.commit()
        with uow:
            read.row = 9
            uow.rollback()
        read.row = 1 + 1
        uow.commit()

    assert (loaded(new_unit, seat).row, loaded(new_unit, seat).version) == (2, 2)


# ---- what can't be right is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["add", "remove"])
def test_an_entity_that_was_made_before_its_class_was_mapped_is_refused(uow: ShapesUnitOfWork, action: str) -> None:
    early = Seat.__new__(Seat)
    vars(early).update(vars(Seat(hall="A", row=1, number=1)))
    del vars(early)["_sa_instance_state"]

    with uow, pytest.raises(UnitOfWorkMisuse, match=f"Seat {early.id} was made before its class was mapped"):
        getattr(uow.seats, action)(early)


def test_an_entity_with_two_lists_of_parts_can_be_copied_after_a_failed_flush(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    ann = Member(name="Ann", fees=[Fee(cents=100)], badges=[Badge(name="gold")])
    saved(new_unit, ann)

    with pytest.raises(ReferenceViolated), uow:
        member = uow.members.get(ann.id)
        member.brought_by = MemberId(new_id())
        uow.flush()

    again = copy.deepcopy(member)
    assert ([fee.cents for fee in again.fees], [badge.name for badge in again.badges]) == ([100], ["gold"])


def test_a_shallow_copy_is_refused(uow: ShapesUnitOfWork, new_unit: New) -> None:
    seat = Seat(hall="red", row=1, number=8)
    shallow = copy.copy(seat)
    shallow.number = 9

    with pytest.raises(UnitOfWorkMisuse, match=r"Write copy\.deepcopy\(\)"), uow:
        uow.seats.add(shallow)

    deep = copy.deepcopy(seat)
    deep.number = 9
    saved(new_unit, deep)
    assert loaded(new_unit, seat).number == 9


@pytest.mark.parametrize("name", ["add", "remove"])
@pytest.mark.parametrize("kind", ["Cart", "Item", "SimpleNamespace"])
def test_what_is_of_another_class_is_refused(uow: ShapesUnitOfWork, new_unit: New, name: str, kind: str) -> None:
    cart = Cart(items=[Item(sku="a")])
    saved(new_unit, cart)

    with uow:
        held = uow.carts.get(cart.id)
        other = {"Cart": held, "Item": held.items[0], "SimpleNamespace": SimpleNamespace(id=cart.id)}[kind]
        with pytest.raises(UnitOfWorkMisuse, match=f"This repository holds Seat, and {name}\\(\\) was given a {kind}"):
            getattr(uow.seats, name)(other)
        uow.rollback()


def test_a_version_is_set_by_the_unit_of_work_alone(new_unit: New) -> None:
    seat = Seat(hall="red", row=1, number=8)
    with pytest.raises(InvalidValue, match="version 7 is not allowed: the unit of work alone counts it"):
        seat.version = 7
    saved(new_unit, seat)

    with pytest.raises(InvalidValue, match="version 7"):
        loaded(new_unit, seat).version = 7


# ---- parts that are taken away, and references that are dissolved -------------------------------------------------


def a_housed_person(*rooms: str) -> Person:
    return Person(name="p", address=Address(street="s", rooms=[Room(name=name) for name in rooms]))


def test_a_part_that_moved_to_a_new_part_of_a_removed_root_is_removed(uow: ShapesUnitOfWork, new_unit: New) -> None:
    housed, homeless = a_housed_person("kitchen", "hall"), Person(name="q", address=None)
    saved(new_unit, housed, homeless)

    with uow:
        giver, taker = uow.people.get(housed.id), uow.people.get(homeless.id)
        assert giver.address
        taker.address = Address(street="new", rooms=[])
        taker.address.rooms.append(giver.address.rooms.pop())
        uow.people.remove(taker)
        uow.commit()

    assert rooms(loaded(new_unit, housed)) == ["kitchen"]


def test_a_part_that_an_unsaved_root_has_now_is_removed(uow: ShapesUnitOfWork, new_unit: New) -> None:
    cart, person = Cart(items=[Item(sku="a"), Item(sku="b")]), a_housed_person("n")
    saved(new_unit, cart, person)

    with uow:
        draft, dropped = Cart(), Cart()
        draft.items.append(uow.carts.get(cart.id).items.pop())
        uow.carts.add(dropped)
        dropped.items.append(uow.carts.get(cart.id).items.pop())
        uow.carts.remove(dropped)
        held = uow.people.get(person.id)
        other = Person(name="q", address=held.address)
        held.address = None
        uow.commit()

    assert (loaded(new_unit, cart).items, loaded(new_unit, cart).version) == ([], 2)
    assert (loaded(new_unit, person).address, loaded(new_unit, person).version) == (None, 2)
    assert (len(draft.items), other.address is None) == (1, False)


def test_a_part_with_parts_is_taken_away_and_its_root_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    person = a_housed_person("n", "m")
    saved(new_unit, person)

    with uow:
        held = uow.people.get(person.id)
        held.address = None
        uow.people.remove(held)
        uow.commit()

    with uow.reading():
        assert uow.people.find(person.id) is None


def test_a_part_is_taken_away_with_a_new_part_of_its_own(uow: ShapesUnitOfWork, new_unit: New) -> None:
    person = a_housed_person("n")
    saved(new_unit, person)

    with uow:
        held = uow.people.get(person.id)
        assert held.address
        held.address.rooms.append(Room(name="m"))
        held.address = None
        uow.commit()

    assert loaded(new_unit, person).address is None


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("instead", ["nobody", "itself"])
def test_a_reference_is_dissolved_and_both_ends_are_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New, first: int, instead: str
) -> None:
    pairs = [(Artist(name=f"teacher {n}"), Artist(name=f"pupil {n}")) for n in range(9)]
    for teacher, pupil in pairs:
        pupil.teacher_id = teacher.id
        saved(new_unit, teacher, pupil)

    with uow:
        for pair in pairs:
            ends = [uow.artists.get(artist.id) for artist in pair]
            ends[1].teacher_id = ends[1].id if instead == "itself" else None
            uow.artists.remove(ends[first])
            uow.artists.remove(ends[1 - first])
        uow.commit()

    with uow.reading():
        assert uow.artists.count() == 0


def test_a_reference_to_itself_is_dissolved_and_its_entity_removed_in_one_block(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    artist = Artist(name="a")
    artist.teacher_id = artist.id
    saved(new_unit, artist)

    with uow:
        held = uow.artists.get(artist.id)
        held.teacher_id = None
        uow.artists.remove(held)
        uow.commit()

    with uow.reading():
        assert uow.artists.count() == 0


# ---- what nobody keeps --------------------------------------------------------------------------------------------


def test_what_is_changed_or_removed_while_a_stream_is_read_stays_so(uow: ShapesUnitOfWork, new_unit: New) -> None:
    many = [Note(text="a") for _ in range(BATCH + 2)]
    *_, removed, changed = sorted(note.id for note in many)
    saved(new_unit, *many)

    with uow:
        stream = uow.notes.stream()
        next(stream)
        uow.notes.get(changed).text = "b"
        uow.notes.remove(uow.notes.get(removed))
        uow.flush()
        assert [note.text for note in stream][-1] == "b"
        assert uow.notes.find(removed) is None
        uow.notes.get(changed).text += "c"
        uow.commit()

    with new_unit().reading() as other:
        note = other.notes.get(changed)
        assert (note.text, note.version, other.notes.find(removed)) == ("bc", 3, None)


@dataclass(frozen=True, kw_only=True)
class NoteChanged(Event, name="note changed", of=Note):
    note_id: NoteId


def change(uow: ShapesUnitOfWork, note: Note) -> None:
    uow.notes.get(note.id).text = "b"


def change_and_flush(uow: ShapesUnitOfWork, note: Note) -> None:
    change(uow, note)
    uow.flush()


def change_in_an_inner_block(uow: ShapesUnitOfWork, note: Note) -> None:
    with uow:
        change(uow, note)
        uow.commit()


@pytest.mark.parametrize("work", [change, change_and_flush, change_in_an_inner_block])
def test_an_event_has_the_version_of_an_aggregate_that_its_block_has_changed_and_nobody_keeps(
    uow: ShapesUnitOfWork, new_unit: New, work: Callable[[ShapesUnitOfWork, Note], None]
) -> None:
    note = Note(text="a")
    saved(new_unit, note)

    with uow:
        work(uow, note)
        uow.publish(NoteChanged(note_id=note.id))
        uow.commit()

    with uow.reading():
        assert [published.aggregate_version for published in uow.outbox.events(9)] == [2]


# ---- parts of owners that are not saved ---------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["by a rollback", "by an error"])
def test_a_part_that_an_undone_root_had_taken_can_be_taken_away_again(
    uow: ShapesUnitOfWork, new_unit: New, ends: str
) -> None:
    cart = Cart(items=[Item(sku="a"), Item(sku="b")])
    saved(new_unit, cart)

    def take() -> None:
        with uow:
            uow.carts.add(Cart(items=[held.items.pop(0)]))
            uow.flush()
            if ends == "by an error":
                raise LookupError
            uow.rollback()

    with uow:
        held = uow.carts.get(cart.id)
        with suppress(LookupError):
            take()
        held.items.clear()
        uow.commit()

    assert loaded(new_unit, cart).items == []


def test_a_part_that_was_moved_to_a_root_that_its_block_removes_is_removed(
    uow: ShapesUnitOfWork, new_unit: New
) -> None:
    cart, other = Cart(items=[Item(sku="a"), Item(sku="b")]), Cart()
    saved(new_unit, cart, other)

    with uow:
        held, removed = uow.carts.get(cart.id), uow.carts.get(other.id)
        uow.carts.remove(removed)
        removed.items.append(held.items.pop(0))
        uow.commit()

    assert [item.sku for item in loaded(new_unit, cart).items] == ["b"]


# ---- which reference is broken -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("units")
def test_a_reference_to_nothing_is_noted_with_both_tables() -> None:
    uow = InMemoryShapesUnitOfWork()

    with pytest.raises(ReferenceViolated) as by_id, uow:
        uow.albums.add(Album(title="Blue", artist_id=ArtistId(new_id())))
        uow.commit()
    with pytest.raises(ReferenceViolated) as by_key, uow:
        uow.papers.add(Paper(tenant="a", folder="b"))
        uow.commit()

    assert by_id.value.__notes__ == ["A row of house_albums refers to one of house_artists that does not exist."]
    assert by_key.value.__notes__ == ["A row of house_papers refers to one of house_folders that does not exist."]


@pytest.mark.usefixtures("units")
def test_a_removal_of_what_others_refer_to_is_noted_with_its_table() -> None:
    uow = InMemoryShapesUnitOfWork()
    artist = Artist(name="Joni")
    with uow:
        uow.artists.add(artist)
        uow.albums.add(Album(title="Blue", artist_id=artist.id))
        uow.commit()

    with pytest.raises(ReferenceViolated) as caught, uow:
        uow.artists.remove(uow.artists.get(artist.id))
        uow.commit()

    assert caught.value.__notes__ == ["Others refer to a row of house_artists that is removed or changed."]
