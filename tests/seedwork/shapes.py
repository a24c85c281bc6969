"""Aggregates of many shapes, none of which the ordering has: what a fork's own may look like."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, NewType
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Time,
    UniqueConstraint,
    create_engine,
    event,
    func,
    text,
    true,
)
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.orm import Relationship, composite, relationship
from sqlalchemy.orm.attributes import set_attribute

from adapters.seedwork import tables
from adapters.seedwork.mapping import map_once, mapping
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.sqlalchemy.gaps import ENGINE_OPTIONS
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.seedwork.types import IdType, JsonType, UtcDateTime
from domain.seedwork.entity import Entity, Part, new_id
from domain.seedwork.errors import AlreadyExists, InvalidValue, NotFound
from domain.seedwork.repository import Repository
from service_layer.seedwork.transaction import Transaction
from tests.seedwork import ordering

metadata = ordering.metadata
"""Every table of the tests' own."""


def create_tables(url: str) -> None:
    """Make the tests' own tables in a database: no revision makes them."""
    engine = create_engine(url, **({} if url.startswith("sqlite") else ENGINE_OPTIONS))
    metadata.create_all(engine)
    tables.metadata.create_all(engine)  # where a fork has left their revision out
    engine.dispose()


# ---- a cart: nothing but an id and parts, which have rules and a unique key ------------------------------------------

CartId = NewType("CartId", UUID)


def _quantity(value: int) -> int:
    if value < 1:
        raise InvalidValue("quantity", value, "it must be 1 or more")
    return value


@dataclass(eq=False, kw_only=True)
class Item(Part):
    rules = {"quantity": _quantity}

    sku: str
    quantity: int = 1
    id: UUID = field(default_factory=new_id)


@dataclass(eq=False, kw_only=True)
class Cart(Entity):
    id: CartId = field(default_factory=lambda: CartId(new_id()))
    items: list[Item] = field(default_factory=list)


class CartNotFound(NotFound):
    pass


class SkuRepeated(AlreadyExists):
    message = "The cart has this product already."


carts = Table(
    "house_carts",
    metadata,
    Column("id", IdType[CartId](), primary_key=True),
    Column("version", Integer, nullable=False),
)
cart_items = Table(
    "house_cart_items",
    metadata,
    Column("id", IdType[UUID](), primary_key=True),
    Column("cart_id", IdType[CartId](), ForeignKey("house_carts.id"), nullable=False, index=True),
    Column("sku", String(20), nullable=False),
    Column("quantity", Integer, nullable=False),
    UniqueConstraint("cart_id", "sku", info={"error": SkuRepeated}),
)


class CartRepository(Repository[Cart, CartId]):
    not_found = CartNotFound


class SqlAlchemyCartRepository(SqlAlchemyRepository[Cart, CartId], CartRepository):
    entity = Cart


class InMemoryCartRepository(InMemoryRepository[Cart, CartId], CartRepository):
    entity = Cart


# ---- a note: columns that the database fills ------------------------------------------------------------------------

NoteId = NewType("NoteId", UUID)


@dataclass(eq=False, kw_only=True)
class Note(Entity):
    id: NoteId = field(default_factory=lambda: NoteId(new_id()))
    changed_at: datetime | None = None
    text: str
    language: str | None = None
    made_at: datetime | None = None


class NoteNotFound(NotFound):
    pass


notes = Table(
    "house_notes",
    metadata,
    Column("id", IdType[NoteId](), primary_key=True),
    Column("changed_at", UtcDateTime(), onupdate=func.now()),
    Column("text", String(100), nullable=False),
    Column("language", String(2), nullable=False, server_default="en"),
    Column("made_at", UtcDateTime(), nullable=False, server_default=func.now()),
    Column("version", Integer, nullable=False),
)
latin = text("language = 'la'")
Index("uq_house_notes_latin", notes.c.text, unique=True, postgresql_where=latin, sqlite_where=latin)


class NoteRepository(Repository[Note, NoteId]):
    not_found = NoteNotFound


class SqlAlchemyNoteRepository(SqlAlchemyRepository[Note, NoteId], NoteRepository):
    entity = Note


class InMemoryNoteRepository(InMemoryRepository[Note, NoteId], NoteRepository):
    entity = Note


# ---- a person with one address, which has one geographic point (nested one-to-one parts); an UPDATE fills a column ---

PersonId = NewType("PersonId", UUID)


@dataclass(frozen=True)
class Point:
    north: int
    east: int


@dataclass(eq=False, kw_only=True)
class Room(Part):
    id: UUID = field(default_factory=new_id)
    name: str
    floor: int | None = None


@dataclass(eq=False, kw_only=True)
class Address(Part):
    id: UUID = field(default_factory=new_id)
    street: str
    point: Point | None = None
    rooms: list[Room] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Person(Entity):
    id: PersonId = field(default_factory=lambda: PersonId(new_id()))
    name: str
    address: Address | None = None
    changed_at: datetime | None = None


class PersonNotFound(NotFound):
    pass


people = Table(
    "house_people",
    metadata,
    Column("id", IdType[PersonId](), primary_key=True),
    Column("name", String(50), nullable=False),
    Column("changed_at", UtcDateTime(), onupdate=func.now()),
    Column("version", Integer, nullable=False),
)
addresses = Table(
    "house_addresses",
    metadata,
    Column("id", IdType[UUID](), primary_key=True),
    Column("person_id", IdType[PersonId](), ForeignKey("house_people.id"), nullable=False, unique=True),
    Column("street", String(50), nullable=False),
    Column("north", Integer),
    Column("east", Integer),
)
rooms = Table(
    "house_rooms",
    metadata,
    Column("id", IdType[UUID](), primary_key=True),
    Column("address_id", IdType[UUID](), ForeignKey("house_addresses.id"), nullable=False, index=True),
    Column("name", String(50).with_variant(String(50, collation="C"), "postgresql"), nullable=False),
    Column("floor", Integer),
)


class PersonRepository(Repository[Person, PersonId]):
    not_found = PersonNotFound


class SqlAlchemyPersonRepository(SqlAlchemyRepository[Person, PersonId], PersonRepository):
    entity = Person


class InMemoryPersonRepository(InMemoryRepository[Person, PersonId], PersonRepository):
    entity = Person


# ---- a seat of a hall: a unique key of three columns ----------------------------------------------------------------

SeatId = NewType("SeatId", UUID)


@dataclass(eq=False, kw_only=True)
class Seat(Entity):
    id: SeatId = field(default_factory=lambda: SeatId(new_id()))
    hall: str
    row: int
    number: int | None


class SeatNotFound(NotFound):
    pass


class SeatTaken(AlreadyExists):
    message = "The hall has this seat already."


seats = Table(
    "house_seats",
    metadata,
    Column("id", IdType[SeatId](), primary_key=True),
    Column("hall", String(20), nullable=False),
    Column("row", Integer, nullable=False),
    Column("number", Integer),
    Column("version", Integer, nullable=False),
    UniqueConstraint("hall", "row", "number", info={"error": SeatTaken}),
)


class SeatRepository(Repository[Seat, SeatId]):
    not_found = SeatNotFound

    def at(self, hall: str, row: int, number: int | None) -> Seat | None:
        return self._one(hall=hall, row=row, number=number)

    def in_hall(self, hall: str) -> list[Seat]:
        return self._all(hall=hall)


class SqlAlchemySeatRepository(SqlAlchemyRepository[Seat, SeatId], SeatRepository):
    entity = Seat


class InMemorySeatRepository(InMemoryRepository[Seat, SeatId], SeatRepository):
    entity = Seat


# ---- albums refer to artists, and an artist to a teacher and to the best album: references by id ---------------------
# The names are chosen so that sorted by them an album comes before its artist.

ArtistId = NewType("ArtistId", UUID)
AlbumId = NewType("AlbumId", UUID)


@dataclass(eq=False, kw_only=True)
class Artist(Entity):
    id: ArtistId = field(default_factory=lambda: ArtistId(new_id()))
    name: str
    stage_name: str | None = None
    teacher_id: ArtistId | None = None
    best_album_id: AlbumId | None = None


@dataclass(eq=False, kw_only=True)
class Album(Entity):
    id: AlbumId = field(default_factory=lambda: AlbumId(new_id()))
    title: str
    artist_id: ArtistId


class ArtistNotFound(NotFound):
    pass


class AlbumNotFound(NotFound):
    pass


artists = Table(
    "house_artists",
    metadata,
    Column("id", IdType[ArtistId](), primary_key=True),
    Column("name", String(50), nullable=False),
    Column("stage_name", String(50), unique=True),
    Column("teacher_id", IdType[ArtistId](), ForeignKey("house_artists.id"), index=True),
    Column("best_album_id", IdType[AlbumId](), ForeignKey("house_albums.id", use_alter=True), index=True),
    Column("version", Integer, nullable=False),
)
albums = Table(
    "house_albums",
    metadata,
    Column("id", IdType[AlbumId](), primary_key=True),
    Column("title", String(50), nullable=False),
    Column("artist_id", IdType[ArtistId](), ForeignKey("house_artists.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
)


class ArtistRepository(Repository[Artist, ArtistId]):
    not_found = ArtistNotFound


class AlbumRepository(Repository[Album, AlbumId]):
    not_found = AlbumNotFound


class SqlAlchemyArtistRepository(SqlAlchemyRepository[Artist, ArtistId], ArtistRepository):
    entity = Artist


class InMemoryArtistRepository(InMemoryRepository[Artist, ArtistId], ArtistRepository):
    entity = Artist


class SqlAlchemyAlbumRepository(SqlAlchemyRepository[Album, AlbumId], AlbumRepository):
    entity = Album


class InMemoryAlbumRepository(InMemoryRepository[Album, AlbumId], AlbumRepository):
    entity = Album


# ---- recordings refer to studios by several columns and by no id, their credits to artists, a studio to a studio -----

StudioId = NewType("StudioId", UUID)
RecordingId = NewType("RecordingId", UUID)


@dataclass(eq=False, kw_only=True)
class Owned(Entity):
    tenant_id: UUID


@dataclass(eq=False, kw_only=True)
class Studio(Owned):
    id: StudioId = field(default_factory=lambda: StudioId(new_id()))
    code: str
    parent_id: StudioId | None = None


@dataclass(eq=False, kw_only=True)
class Credit(Part):
    id: UUID = field(default_factory=new_id)
    artist_id: ArtistId


@dataclass(eq=False, kw_only=True)
class Recording(Owned):
    id: RecordingId = field(default_factory=lambda: RecordingId(new_id()))
    studio_id: StudioId
    mixed_in: StudioId
    billed_to: str
    credits: list[Credit] = field(default_factory=list)


class StudioNotFound(NotFound):
    pass


class StudioCodeTaken(AlreadyExists):
    pass


class RecordingNotFound(NotFound):
    pass


class CreditedTwice(AlreadyExists):
    pass


studios = Table(
    "house_studios",
    metadata,
    Column("id", IdType[StudioId](), nullable=False, unique=True),
    Column("tenant_id", IdType[UUID](), nullable=False),
    Column("code", String(5), nullable=False),
    Column("parent_id", IdType[StudioId]()),
    Column("version", Integer, nullable=False),
    UniqueConstraint("tenant_id", "id"),
    PrimaryKeyConstraint("code", info={"error": StudioCodeTaken}),
    ForeignKeyConstraint(["tenant_id", "parent_id"], ["house_studios.tenant_id", "house_studios.id"]),
)
recordings = Table(
    "house_recordings",
    metadata,
    Column("id", IdType[RecordingId](), primary_key=True),
    Column("tenant_id", IdType[UUID](), nullable=False),
    Column("studio_id", IdType[StudioId](), nullable=False),
    Column("mixed_in", IdType[StudioId](), nullable=False),
    Column("billed_to", String(5), ForeignKey("house_studios.code"), nullable=False),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["tenant_id", "studio_id"], ["house_studios.tenant_id", "house_studios.id"]),
    ForeignKeyConstraint(["tenant_id", "mixed_in"], ["house_studios.tenant_id", "house_studios.id"]),
)
credits = Table(
    "house_credits",
    metadata,
    Column("id", IdType[UUID](), primary_key=True),
    Column("recording_id", IdType[RecordingId](), ForeignKey("house_recordings.id"), nullable=False, index=True),
    Column("artist_id", IdType[ArtistId](), ForeignKey("house_artists.id"), nullable=False, index=True),
    UniqueConstraint("recording_id", "artist_id", info={"error": CreditedTwice}),
)


class StudioRepository(Repository[Studio, StudioId]):
    not_found = StudioNotFound


class RecordingRepository(Repository[Recording, RecordingId]):
    not_found = RecordingNotFound


class SqlAlchemyStudioRepository(SqlAlchemyRepository[Studio, StudioId], StudioRepository):
    entity = Studio


class InMemoryStudioRepository(InMemoryRepository[Studio, StudioId], StudioRepository):
    entity = Studio


class SqlAlchemyRecordingRepository(SqlAlchemyRepository[Recording, RecordingId], RecordingRepository):
    entity = Recording


class InMemoryRecordingRepository(InMemoryRepository[Recording, RecordingId], RecordingRepository):
    entity = Recording


# ---- a document: a column of every type -----------------------------------------------------------------------------

DocumentId = NewType("DocumentId", UUID)


class Kind(Enum):
    LETTER = "letter"
    INVOICE = "invoice"


@dataclass(eq=False, kw_only=True)
class Document(Entity):
    id: DocumentId = field(default_factory=lambda: DocumentId(new_id()))
    amount: Decimal
    day: date
    at: datetime
    paid: bool
    kind: Kind
    tags: dict[str, Any]
    content: bytes
    other: UUID | None = None
    extra: dict[str, Any] | None = None
    opens: time | None = None
    lasts: timedelta | None = None


class DocumentNotFound(NotFound):
    pass


documents = Table(
    "house_documents",
    metadata,
    Column("document_id", IdType[DocumentId]()),
    Column("amount", Numeric(7, 2), nullable=False, server_default="1.50"),
    Column("day", Date, nullable=False, server_default="2020-01-02"),
    Column("at", UtcDateTime(), nullable=False, server_default="2020-01-02 03:04:05+00:00"),
    Column("is_paid", Boolean, nullable=False, server_default=true()),
    Column("kind", SqlEnum(Kind, native_enum=False, length=16), nullable=False, server_default="INVOICE"),
    Column("tags", JsonType(), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("other", IdType[UUID]()),
    Column("extra", JsonType()),
    Column("opens", Time),
    Column("lasts", Interval),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("document_id"),
    CheckConstraint("amount >= 0", name="amount"),
)


class DocumentRepository(Repository[Document, DocumentId]):
    not_found = DocumentNotFound


class SqlAlchemyDocumentRepository(SqlAlchemyRepository[Document, DocumentId], DocumentRepository):
    entity = Document


class InMemoryDocumentRepository(InMemoryRepository[Document, DocumentId], DocumentRepository):
    entity = Document


def a_document(**values: Any) -> Document:
    return Document(
        **{
            "amount": Decimal("12.30"),
            "day": date(2026, 2, 3),
            "at": datetime(2026, 2, 3, 12, 0, 0, 1, tzinfo=UTC),
            "paid": False,
            "kind": Kind.LETTER,
            "tags": {"colours": ["red"]},
            "content": b"abc",
            **values,
        }
    )


# ---- a label: a list, and a column that the database computes and no attribute has -----------------------------------

LabelId = NewType("LabelId", UUID)


@dataclass(eq=False, kw_only=True)
class Label(Entity):
    id: LabelId = field(default_factory=lambda: LabelId(new_id()))
    text: str
    words: list[str] | None = None


class LabelNotFound(NotFound):
    pass


labels = Table(
    "house_labels",
    metadata,
    Column("id", IdType[LabelId](), primary_key=True),
    Column("text", String(50), nullable=False),
    Column("words", ARRAY(String(10)).with_variant(JSON(none_as_null=True), "sqlite")),
    Column("length", Integer, Computed("length(text)", persisted=True), nullable=False, unique=True),
    Column("printed_at", UtcDateTime(), nullable=False, server_default=func.now()),
    Column("version", Integer, nullable=False),
)


class LabelRepository(Repository[Label, LabelId]):
    not_found = LabelNotFound


class SqlAlchemyLabelRepository(SqlAlchemyRepository[Label, LabelId], LabelRepository):
    entity = Label


class InMemoryLabelRepository(InMemoryRepository[Label, LabelId], LabelRepository):
    entity = Label


# ---- folders refer to the folder around them, and papers to a folder, by a code that is unique for a tenant ----------

FolderId = NewType("FolderId", UUID)
PaperId = NewType("PaperId", UUID)


@dataclass(eq=False, kw_only=True)
class Folder(Entity):
    id: FolderId = field(default_factory=lambda: FolderId(new_id()))
    tenant: str = "a"
    code: str | None = None
    around: str | None = None


@dataclass(eq=False, kw_only=True)
class Paper(Entity):
    id: PaperId = field(default_factory=lambda: PaperId(new_id()))
    tenant: str | None = "a"
    folder: str


class FolderNotFound(NotFound):
    pass


class PaperNotFound(NotFound):
    pass


folders = Table(
    "house_folders",
    metadata,
    Column("id", IdType[FolderId](), primary_key=True),
    Column("code", String(20)),
    Column("tenant", String(20), nullable=False),
    Column("around", String(20)),
    Column("shelf_mark", String(20)),  # no field shows it: what writes the code writes it
    Column("version", Integer, nullable=False),
    UniqueConstraint("code", "tenant"),
    ForeignKeyConstraint(["tenant", "around"], ["house_folders.tenant", "house_folders.code"]),
)
papers = Table(
    "house_papers",
    metadata,
    Column("id", IdType[PaperId](), primary_key=True),
    Column("tenant", String(20)),
    Column("folder", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["tenant", "folder"], ["house_folders.tenant", "house_folders.code"]),
)


class FolderRepository(Repository[Folder, FolderId]):
    not_found = FolderNotFound


class PaperRepository(Repository[Paper, PaperId]):
    not_found = PaperNotFound


class SqlAlchemyFolderRepository(SqlAlchemyRepository[Folder, FolderId], FolderRepository):
    entity = Folder


class InMemoryFolderRepository(InMemoryRepository[Folder, FolderId], FolderRepository):
    entity = Folder


class SqlAlchemyPaperRepository(SqlAlchemyRepository[Paper, PaperId], PaperRepository):
    entity = Paper


class InMemoryPaperRepository(InMemoryRepository[Paper, PaperId], PaperRepository):
    entity = Paper


# ---- a member: a table that has a number for its primary key, and the id as a unique key beside it -------------------

MemberId = NewType("MemberId", UUID)


@dataclass(eq=False, kw_only=True)
class Fee(Part):
    id: UUID = field(default_factory=new_id)
    cents: int


@dataclass(eq=False, kw_only=True)
class Badge(Part):
    name: str
    rank: int = 1
    changes: int | None = None


@dataclass(eq=False, kw_only=True)
class Reply(Part):
    id: UUID = field(default_factory=new_id)
    text: str


@dataclass(eq=False, kw_only=True)
class Remark(Part):
    text: str
    replies: list[Reply] = field(default_factory=list)


@dataclass(eq=False, kw_only=True)
class Ban(Part):
    """A part without a field: a member has it or not."""


@dataclass(eq=False, kw_only=True)
class Member(Entity):
    id: MemberId = field(default_factory=lambda: MemberId(new_id()))
    name: str
    brought_by: MemberId | None = None
    works_in: StudioId | None = None
    fees: list[Fee] = field(default_factory=list)
    badges: list[Badge] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    ban: Ban | None = None


class MemberNotFound(NotFound):
    pass


class MemberIdTaken(AlreadyExists):
    pass


members = Table(
    "house_members",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("uid", IdType[MemberId](), nullable=False),
    Column("name", String(50), nullable=False),
    Column("brought_by", IdType[MemberId](), ForeignKey("house_members.uid"), index=True),
    Column("works_in", IdType[StudioId](), ForeignKey("house_studios.id"), index=True),
    Column("lock_version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("uid", info={"error": MemberIdTaken}),
)
fees = Table(
    "house_fees",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", IdType[UUID](), nullable=False, unique=True),
    Column("member_uid", IdType[MemberId](), ForeignKey("house_members.uid"), nullable=False, index=True),
    # no attribute shows it: another program writes it
    Column("member_id", ForeignKey("house_members.id", ondelete="CASCADE"), server_default=FetchedValue()),
    Column("cents", Integer, nullable=False),
)
badges = Table(
    "house_badges",
    metadata,
    Column("member_uid", IdType[MemberId](), ForeignKey("house_members.uid"), primary_key=True),
    Column("name", String(20), primary_key=True),
    Column("rank", Integer, nullable=False),
    Column("changes", Integer, onupdate=1),
    Column("version", Integer, nullable=False, server_default="1"),  # of a part, on its way to an aggregate
)
remarks = Table(
    "house_remarks",
    metadata,
    Column("member_uid", IdType[MemberId](), ForeignKey("house_members.uid"), primary_key=True),
    Column("number", IdType[UUID](), primary_key=True, default=new_id),  # no field shows it
    Column("text", String(20), nullable=False),
)
replies = Table(
    "house_replies",
    metadata,
    Column("id", IdType[UUID](), primary_key=True),
    Column("member_uid", IdType[MemberId](), nullable=False),
    Column("number", IdType[UUID](), nullable=False),
    Column("text", String(20), nullable=False),
    ForeignKeyConstraint(["member_uid", "number"], ["house_remarks.member_uid", "house_remarks.number"]),
)
bans = Table(
    "house_bans",
    metadata,
    Column("member_uid", IdType[MemberId](), ForeignKey("house_members.uid"), primary_key=True),
)


class MemberRepository(Repository[Member, MemberId]):
    not_found = MemberNotFound


class SqlAlchemyMemberRepository(SqlAlchemyRepository[Member, MemberId], MemberRepository):
    entity = Member


class InMemoryMemberRepository(InMemoryRepository[Member, MemberId], MemberRepository):
    entity = Member


# ---- mapping, and the unit of work ----------------------------------------------------------------------------------


def parts(kind: type, **options: Any) -> Relationship[Any]:
    return relationship(kind, cascade="all, delete-orphan", lazy="selectin", **options)


def _write_shelf_mark(folder: Folder, code: str, *_: object) -> None:
    set_attribute(folder, "_shelf_mark", code)


def map_shapes() -> None:
    with mapping():
        map_once(Item, cart_items)
        map_once(
            Cart,
            carts,
            version_id_col=carts.c.version,
            properties={"items": parts(Item, order_by=cart_items.c.sku)},
        )
        map_once(Note, notes, version_id_col=notes.c.version)
        map_once(Room, rooms)
        map_once(
            Address,
            addresses,
            properties={
                "_north": addresses.c.north,
                "_east": addresses.c.east,
                "point": composite(Point, "_north", "_east", return_none_on=lambda *values: None in values),
                "rooms": parts(Room, order_by=[rooms.c.floor.nulls_last(), rooms.c.name.desc()]),
            },
        )
        map_once(
            Person,
            people,
            version_id_col=people.c.version,
            properties={"address": parts(Address, uselist=False)},
        )
        map_once(Seat, seats, version_id_col=seats.c.version)
        map_once(Artist, artists, version_id_col=artists.c.version)
        map_once(Album, albums, version_id_col=albums.c.version)
        map_once(Studio, studios, primary_key=[studios.c.id], version_id_col=studios.c.version)
        map_once(Credit, credits)
        map_once(
            Recording,
            recordings,
            version_id_col=recordings.c.version,
            properties={"credits": parts(Credit, order_by=credits.c.id)},
        )
        map_once(
            Document,
            documents,
            version_id_col=documents.c.version,
            properties={"id": documents.c.document_id, "paid": documents.c.is_paid},
        )
        map_once(Folder, folders, version_id_col=folders.c.version, properties={"_shelf_mark": folders.c.shelf_mark})
        event.listen(vars(Folder)["code"], "set", _write_shelf_mark)
        map_once(Paper, papers, version_id_col=papers.c.version)
        map_once(Label, labels, version_id_col=labels.c.version, exclude_properties=["length"])
        map_once(
            Fee,
            fees,
            primary_key=[fees.c.uid],
            exclude_properties=[fees.c.id, fees.c.member_id],
            properties={"id": fees.c.uid},
        )
        map_once(Badge, badges, version_id_col=badges.c.version)
        map_once(Reply, replies)
        map_once(Remark, remarks, properties={"replies": parts(Reply, order_by=replies.c.id)})
        map_once(Ban, bans)
        map_once(
            Member,
            members,
            primary_key=[members.c.uid],
            version_id_col=members.c.lock_version,
            exclude_properties=[members.c.id],
            properties={
                "id": members.c.uid,
                "version": members.c.lock_version,
                "fees": parts(Fee, order_by=fees.c.uid, foreign_keys=[fees.c.member_uid]),
                "badges": parts(Badge, order_by=badges.c.name),
                "remarks": parts(Remark, order_by=remarks.c.text),
                "ban": parts(Ban, uselist=False),
            },
        )


class ShapesUnitOfWork(Transaction):
    carts: CartRepository
    notes: NoteRepository
    people: PersonRepository
    seats: SeatRepository
    artists: ArtistRepository
    albums: AlbumRepository
    studios: StudioRepository
    recordings: RecordingRepository
    documents: DocumentRepository
    labels: LabelRepository
    folders: FolderRepository
    papers: PaperRepository
    members: MemberRepository


class SqlAlchemyShapesUnitOfWork(SqlAlchemyTransaction, ShapesUnitOfWork):
    carts = RepositoryOf(SqlAlchemyCartRepository)
    notes = RepositoryOf(SqlAlchemyNoteRepository)
    people = RepositoryOf(SqlAlchemyPersonRepository)
    seats = RepositoryOf(SqlAlchemySeatRepository)
    artists = RepositoryOf(SqlAlchemyArtistRepository)
    albums = RepositoryOf(SqlAlchemyAlbumRepository)
    studios = RepositoryOf(SqlAlchemyStudioRepository)
    recordings = RepositoryOf(SqlAlchemyRecordingRepository)
    documents = RepositoryOf(SqlAlchemyDocumentRepository)
    labels = RepositoryOf(SqlAlchemyLabelRepository)
    folders = RepositoryOf(SqlAlchemyFolderRepository)
    papers = RepositoryOf(SqlAlchemyPaperRepository)
    members = RepositoryOf(SqlAlchemyMemberRepository)


class InMemoryShapesUnitOfWork(InMemoryTransaction, ShapesUnitOfWork):
    carts = RepositoryOf(InMemoryCartRepository)
    notes = RepositoryOf(InMemoryNoteRepository)
    people = RepositoryOf(InMemoryPersonRepository)
    seats = RepositoryOf(InMemorySeatRepository)
    artists = RepositoryOf(InMemoryArtistRepository)
    albums = RepositoryOf(InMemoryAlbumRepository)
    studios = RepositoryOf(InMemoryStudioRepository)
    recordings = RepositoryOf(InMemoryRecordingRepository)
    documents = RepositoryOf(InMemoryDocumentRepository)
    labels = RepositoryOf(InMemoryLabelRepository)
    folders = RepositoryOf(InMemoryFolderRepository)
    papers = RepositoryOf(InMemoryPaperRepository)
    members = RepositoryOf(InMemoryMemberRepository)
