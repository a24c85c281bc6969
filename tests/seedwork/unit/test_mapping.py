"""A mapping that would save something wrongly, or nowhere, is refused by name."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    event,
    func,
    inspect,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, attribute_keyed_dict, make_transient_to_detached, registry, relationship
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from adapters.seedwork import mapping
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from domain.seedwork.entity import Entity, Part, new_id
from domain.seedwork.errors import DomainError
from service_layer.seedwork.errors import UnitOfWorkMisuse

Plan = Callable[[MetaData], None]


@pytest.fixture(autouse=True)
def _a_registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[type] = []  # a registry refers to its classes weakly

    def map_and_keep(kind: type, *arguments: Any, **options: Any) -> None:
        kept.append(kind)
        map_once(kind, *arguments, **options)

    map_once = mapping.map_once
    monkeypatch.setattr(mapping, "map_once", map_and_keep)
    monkeypatch.setattr(mapping, "mapper_registry", registry())


def table(metadata: MetaData, name: str, *columns: Column[Any]) -> Table:
    return Table(
        name, metadata, Column("id", Uuid, primary_key=True), *columns, Column("version", Integer, nullable=False)
    )


def a_field_without_a_column(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        title: str

    books = table(metadata, "books")
    mapping.map_once(Book, books, version_id_col=books.c.version)


def no_version(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    mapping.map_once(Book, table(metadata, "books"))


def equal_by_its_fields(metadata: MetaData) -> None:
    @dataclass(kw_only=True)
    class Book(Entity): ...

    books = table(metadata, "books")
    mapping.map_once(Book, books, version_id_col=books.c.version)


def another_primary_key(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        isbn: str

    books = Table(
        "books", metadata, Column("isbn", String, primary_key=True), Column("id", Uuid), Column("version", Integer)
    )
    mapping.map_once(Book, books, version_id_col=books.c.version)


def an_id_that_is_no_uuid(type_: type[TypeEngine[Any]]) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    def plan(metadata: MetaData) -> None:
        books = Table(
            "books", metadata, Column("id", type_, primary_key=True), Column("version", Integer, nullable=False)
        )
        mapping.map_once(Book, books, version_id_col=books.c.version)

    return plan


def an_id_that_is_no_key(column: Column[Any]) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    def plan(metadata: MetaData) -> None:
        version = Column("version", Integer, nullable=False)
        books = Table("books", metadata, Column("number", Integer, primary_key=True), column, version)
        mapping.map_once(Book, books, version_id_col=version, primary_key=[column], exclude_properties=["number"])

    return plan


def a_version_in(column: Column[Any], *others: Column[Any]) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    def plan(metadata: MetaData) -> None:
        books = Table("books", metadata, Column("id", Uuid, primary_key=True), column, *others)
        mapping.map_once(Book, books, version_id_col=column)

    return plan


def a_version_made_by(generator: Any) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    def plan(metadata: MetaData) -> None:
        books = table(metadata, "books")
        mapping.map_once(Book, books, version_id_col=books.c.version, version_id_generator=generator)

    return plan


def a_version_that_is_left_out(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    books = table(metadata, "books")
    mapping.map_once(Book, books, version_id_col=books.c.version, exclude_properties=["version"])


def a_query_for_a_table(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    books: Any = table(metadata, "books").select().subquery()
    mapping.map_once(Book, books, version_id_col=books.c.version, primary_key=[books.c.id])


def two_classes_of_one_table(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Journal(Entity): ...

    media = table(metadata, "media")
    for kind in (Book, Journal):
        mapping.map_once(kind, media, version_id_col=media.c.version)


def a_circle(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        author_id: UUID

    @dataclass(eq=False, kw_only=True)
    class Author(Entity):
        best_id: UUID | None = None

    books = table(metadata, "books", Column("author_id", ForeignKey("authors.id"), nullable=False))
    authors = table(metadata, "authors", Column("best_id", ForeignKey("books.id")))
    mapping.map_once(Book, books, version_id_col=books.c.version)
    mapping.map_once(Author, authors, version_id_col=authors.c.version)


def a_key_of_some_rows_on_one_database(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        isbn: str

    books = table(metadata, "books", Column("isbn", String))
    Index("live", books.c.isbn, unique=True, postgresql_where=books.c.isbn != "")
    mapping.map_once(Book, books, version_id_col=books.c.version)


def two_keys_of_the_same_columns(books: Table) -> None:
    for error in (KeyError, IndexError):
        where = books.c.isbn != error.__name__
        options: dict[str, Any] = {"postgresql_where": where, "sqlite_where": where}  # Any: as an index has its options
        Index(error.__name__, books.c.isbn, unique=True, info={"error": error}, **options)


NULLS_ARE_EQUAL: dict[str, Any] = {"postgresql_nulls_not_distinct": True}  # Any: as a key has its options


class OfAText(DomainError):
    def __init__(self, isbn: str) -> None:
        super().__init__(isbn)


def a_key(give: Callable[[Table], object]) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        isbn: str | None

    def plan(metadata: MetaData) -> None:
        books = table(metadata, "books", Column("isbn", String))
        give(books)
        mapping.map_once(Book, books, version_id_col=books.c.version)

    return plan


def a_column(column: Column[Any]) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        title: Any

    def plan(metadata: MetaData) -> None:
        books = table(metadata, "books", column)
        mapping.map_once(Book, books, version_id_col=books.c.version)

    return plan


def plain_json(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        tags: dict[str, Any]

    books = table(metadata, "books", Column("tags", JSON))
    mapping.map_once(Book, books, version_id_col=books.c.version)


def in_a_schema(metadata: MetaData) -> None:
    metadata.schema = "library"
    no_version(metadata)


def inheritance(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        kind: str

    books = table(metadata, "books", Column("kind", String))
    mapping.map_once(Book, books, version_id_col=books.c.version, polymorphic_on=books.c.kind)


def inheritance_of_one_table(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Atlas(Book): ...

    books = table(metadata, "books")
    mapping.map_once(Book, books, version_id_col=books.c.version)
    mapping.map_once(Atlas, None, inherits=Book)


def parts_in_order(order: Callable[[Column[int | None]], Any]) -> Plan:
    return parts_of(order, cascade="all, delete-orphan", lazy="selectin")


def parts_of(order: Callable[[Column[int | None]], Any] = lambda _: False, **options: Any) -> Plan:
    def plan(metadata: MetaData) -> None:
        @dataclass(eq=False, kw_only=True)
        class Page(Part):
            id: UUID = field(default_factory=new_id)

        @dataclass(eq=False, kw_only=True)
        class Book(Entity):
            pages: list[Page] = field(default_factory=list)

        books = table(metadata, "books")
        pages = table(metadata, "pages", Column("book_id", ForeignKey("books.id")), Column("number", Integer))
        mapping.map_once(Page, pages)
        mapping.map_once(
            Book,
            books,
            version_id_col=books.c.version,
            properties={"pages": relationship(Page, order_by=order(pages.c.number), **options)},
        )

    return plan


def entities_as_parts(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Author(Entity):
        books: list[Book] = field(default_factory=list)

    authors = table(metadata, "authors")
    books = table(metadata, "books", Column("author_id", ForeignKey("authors.id")))
    mapping.map_once(Book, books, version_id_col=books.c.version)
    mapping.map_once(Author, authors, version_id_col=authors.c.version, properties={"books": relationship(Book)})


def an_id_of_the_database(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Page(Part):
        id: int | None = None

    mapping.map_once(Page, Table("pages", metadata, Column("id", Integer, primary_key=True)))


def computed(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        title: str | None = None

    books = table(metadata, "books", Column("title", String, Computed("'x'")))
    mapping.map_once(Book, books, version_id_col=books.c.version)


def on_delete(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Author(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        author_id: UUID

    authors = table(metadata, "authors")
    books = table(metadata, "books", Column("author_id", ForeignKey("authors.id", ondelete="CASCADE")))
    mapping.map_once(Author, authors, version_id_col=authors.c.version)
    mapping.map_once(Book, books, version_id_col=books.c.version)


def on_update(name: Column[Any], id: Column[Any]) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Author(Entity):
        name: str

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        author: str

    def plan(metadata: MetaData) -> None:
        version = Column("version", Integer, nullable=False)
        authors = Table("authors", metadata, name, id, version)
        books = table(metadata, "books", Column("author", ForeignKey("authors.name", onupdate="CASCADE")))
        mapping.map_once(Author, authors, primary_key=[id], version_id_col=version)
        mapping.map_once(Book, books, version_id_col=books.c.version)

    return plan


def to_a_column_without_an_attribute(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Author(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        author_number: int

    uid, version = Column("uid", Uuid, unique=True, nullable=False), Column("version", Integer, nullable=False)
    authors = Table("authors", metadata, Column("number", Integer, primary_key=True), uid, version)
    books = table(metadata, "books", Column("author_number", ForeignKey("authors.number")))
    mapping.map_once(
        Author,
        authors,
        primary_key=[uid],
        version_id_col=version,
        exclude_properties=["number"],
        properties={"id": uid},
    )
    mapping.map_once(Book, books, version_id_col=books.c.version)


def a_key_that_is_left_out(key: ForeignKey) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Author(Entity):
        name: str

    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    def plan(metadata: MetaData) -> None:
        authors = table(metadata, "authors", Column("name", String, unique=True))
        books = table(metadata, "books", Column("author", key))
        mapping.map_once(Author, authors, version_id_col=authors.c.version)
        mapping.map_once(Book, books, version_id_col=books.c.version, exclude_properties=["author"])

    return plan


def navigation(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Author(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        author: Author | None = None

    authors = table(metadata, "authors")
    books = table(metadata, "books", Column("author_id", ForeignKey("authors.id")))
    mapping.map_once(Author, authors, version_id_col=authors.c.version)
    mapping.map_once(Book, books, version_id_col=books.c.version, properties={"author": relationship(Author)})


def navigation_from_a_part(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Author(Entity): ...

    @dataclass(eq=False, kw_only=True)
    class Chapter(Part):
        id: UUID = field(default_factory=new_id)
        author: Author | None = None

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        chapters: list[Chapter] = field(default_factory=list)

    authors, books = table(metadata, "authors"), table(metadata, "books")
    chapters = Table(
        "chapters",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("book_id", ForeignKey("books.id")),
        Column("author_id", ForeignKey("authors.id")),
    )
    mapping.map_once(Author, authors, version_id_col=authors.c.version)
    mapping.map_once(Chapter, chapters, properties={"author": relationship(Author)})
    owned = relationship(Chapter, cascade="all, delete-orphan", lazy="selectin")
    mapping.map_once(Book, books, version_id_col=books.c.version, properties={"chapters": owned})


def a_relation_to_the_kind_of_its_owner(name: str) -> Plan:
    @dataclass(eq=False, kw_only=True)
    class Chapter(Part):
        id: UUID = field(default_factory=new_id)

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        chapters: list[Chapter] = field(default_factory=list)

    def plan(metadata: MetaData) -> None:
        books = table(metadata, "books")
        keys: list[Column[Any]] = [Column(name, ForeignKey("books.id")) for name in ("book_id", "reprint_id")]
        chapters = Table("chapters", metadata, Column("id", Uuid, primary_key=True), *keys)
        mapping.map_once(Chapter, chapters, properties={"book": relationship(Book, foreign_keys=chapters.c[name])})
        owned = relationship(
            Chapter,
            cascade="all, delete-orphan",
            lazy="selectin",
            foreign_keys=[chapters.c.book_id],
            overlaps="book",
        )
        mapping.map_once(Book, books, version_id_col=books.c.version, properties={"chapters": owned})

    return plan


def a_key_to_a_part(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Cover(Part):
        id: UUID = field(default_factory=new_id)

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        cover: Cover | None = None

    covers = Table("covers", metadata, Column("id", Uuid, primary_key=True))
    books = table(metadata, "books", Column("cover_id", ForeignKey("covers.id")))
    mapping.map_once(Cover, covers)
    mapping.map_once(Book, books, version_id_col=books.c.version, properties={"cover": relationship(Cover)})


def pages_of(*columns: Column[Any], **relationships: str) -> Plan:
    """Lists of pages, each by the name of its own column of the table of pages."""

    def plan(metadata: MetaData) -> None:
        @dataclass(eq=False, kw_only=True)
        class Page(Part):
            id: UUID = field(default_factory=new_id)

        @dataclass(eq=False, kw_only=True)
        class Book(Entity):
            isbn: str

        pages = Table("pages", metadata, Column("id", Uuid, primary_key=True), *columns)
        books = table(metadata, "books", Column("isbn", String, unique=True))
        mapping.map_once(Page, pages)
        properties = {
            name: relationship(Page, foreign_keys=pages.c[key], cascade="all, delete-orphan", lazy="selectin")
            for name, key in relationships.items()
        }
        mapping.map_once(Book, books, version_id_col=books.c.version, properties=properties)

    return plan


def many_to_many(metadata: MetaData) -> None:
    @dataclass(eq=False, kw_only=True)
    class Tag(Part):
        id: UUID = field(default_factory=new_id)

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        tags: list[Tag] = field(default_factory=list)

    books, tags = table(metadata, "books"), table(metadata, "tags")
    both = Table(
        "book_tags", metadata, Column("book_id", ForeignKey("books.id")), Column("tag_id", ForeignKey("tags.id"))
    )
    mapping.map_once(Tag, tags)
    mapping.map_once(
        Book, books, version_id_col=books.c.version, properties={"tags": relationship(Tag, secondary=both)}
    )


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (a_field_without_a_column, "Book.title has no column, so it would not be saved"),
        (no_version, "Book has no version. Map it with: version_id_col=table.c.version"),
        (equal_by_its_fields, r"Book has an __eq__ of its own, .* Write: @dataclass\(eq=False, kw_only=True\)"),
        (another_primary_key, "Book needs a table whose primary key is the one column of its id"),
        (an_id_that_is_no_uuid(BigInteger), r"Book.id is a BIGINT, and an id is a UUID .* Write: IdType\[...\]\(\)"),
        (an_id_that_is_no_uuid(String), "Book.id is a VARCHAR, and an id is a UUID"),
        (
            an_id_that_is_no_key(Column("id", Uuid, nullable=False)),
            r"Book is mapped by primary_key=\[books.id\], which",
        ),
        (an_id_that_is_no_key(Column("id", Uuid, unique=True)), r"Write: unique=True, nullable=False"),
        (
            a_version_in(Column("version", Integer)),
            "books.version, the version of Book, may be NULL: .* Write: nullable=False",
        ),
        (
            a_version_in(Column("lock", Integer, nullable=False)),
            r'Book.version is not books.lock, .*: properties=\{"version": table.c.lock\}',
        ),
        (
            a_version_in(Column("lock", Integer, nullable=False), Column("version", Integer)),
            r'Book.version is not books.lock, .*: properties=\{"version": table.c.lock\}',
        ),
        (a_version_in(Column("version", String, nullable=False)), "books.version is a VARCHAR, .* Write: Integer"),
        (
            a_version_made_by(generator=False),
            "Book has a version_id_generator of its own, .* from 1, by one. Leave it out",
        ),
        (a_version_made_by(lambda version: (version or 0) + 10), "Book has a version_id_generator of its own"),
        (a_version_made_by(lambda version: version + 1), "Book has a version_id_generator of its own"),
        (a_version_that_is_left_out, "Book.version is not books.version, which counts its versions. Map that to it"),
        (a_query_for_a_table, "Book is mapped to the Subquery of a query: map it to a table"),
        (a_circle, "authors and books refer to each other, .* the foreign key that may be NULL: use_alter=True"),
        (two_classes_of_one_table, "Book and Journal are mapped to media, and each would load rows of the other"),
        (
            a_key_of_some_rows_on_one_database,
            "live of books is for some rows .*, postgresql_where=... and sqlite_where",
        ),
        (
            a_key(lambda books: books.append_constraint(UniqueConstraint("isbn", name="one", **NULLS_ARE_EQUAL))),
            "one of books takes two NULLs for the same on PostgreSQL alone. Leave postgresql_nulls_not_distinct out",
        ),
        (
            a_key(lambda books: Index("one", books.c.isbn, unique=True, **NULLS_ARE_EQUAL)),
            "one of books takes two NULLs for the same .*, with postgresql_where=... and sqlite_where",
        ),
        (
            a_key(two_keys_of_the_same_columns),
            "books has two unique keys of books.isbn, each with an error of its own, and SQLite does not say which",
        ),
        (
            a_key(lambda books: books.append_constraint(CheckConstraint("true", "some", info={"error": OfAText}))),
            r"books has the error OfAText for some, .*: .*__init__\(\) .* Give each of its arguments a default",
        ),
        (
            a_key(lambda books: books.append_constraint(ExcludeConstraint(("isbn", "="), info={"error": OfAText}))),
            r"books has the error OfAText for a constraint without a name, .* Write: ExcludeConstraint\(..., name=",
        ),
        (in_a_schema, "library.books is in a schema that its code names, .* let search_path name it"),
        (inheritance, "Book is mapped with inheritance, not supported"),
        (inheritance_of_one_table, "Atlas is mapped with inheritance, not supported"),
        (parts_of(), 'Book.pages holds parts. Map it with: cascade="all, delete-orphan"'),
        (parts_of(cascade="all, delete-orphan"), 'Book.pages could not be read .*: lazy="selectin"'),
        (parts_of(cascade="all, delete-orphan", lazy="joined"), 'Book.pages could not be read .*: lazy="selectin"'),
        (
            parts_of(cascade="all, delete-orphan", lazy="selectin", collection_class=set),
            "Book.pages holds parts in another collection than a list: leave collection_class out",
        ),
        (
            parts_of(cascade="all, delete-orphan", lazy="selectin", collection_class=attribute_keyed_dict("number")),
            "Book.pages holds parts in another collection",
        ),
        (parts_in_order(func.abs), r"Book.pages is ordered by abs\(pages.number\): order it by columns of pages"),
        (parts_in_order(lambda number: -number), "Book.pages is ordered by -pages.number: order it by columns"),
        (parts_in_order(lambda number: number), r"by pages.number, which may be NULL: .* Write .nulls_first\(\) or"),
        (parts_in_order(lambda number: number.desc()), r"by pages.number, which may be NULL"),
        (an_id_of_the_database, r"Page\.id would get its value from the database: make an id at birth"),
        (computed, r'Book.title is deferred or computed, .* by exclude_properties=\["title"\], and read it'),
        (a_column(Column("title", DateTime(timezone=True))), r"Book.title has a time zone, .* Write: UtcDateTime\(\)"),
        (
            a_column(Column("title", Numeric(12))),
            r"Book.title is a Numeric without a scale, .* Write: Numeric\(12, 2\)",
        ),
        (a_column(Column("title", Numeric(12, 2, asdecimal=False))), r"Book.title .* gives floats: .* Write: Numeric"),
        (
            a_column(Column("title", Boolean, server_default="true")),
            r"Book.title has a text .* server_default=true\(\)",
        ),
        (plain_json, r"Book.tags is JSON, .* Write: JsonType\(\)"),
        (on_delete, "books: author_id says ON DELETE CASCADE, which would change a Book without counting"),
        (
            on_update(Column("name", String, unique=True), Column("id", Uuid, primary_key=True)),
            "books: author says ON UPDATE CASCADE, which would change a Book without counting",
        ),
        (
            on_update(Column("name", String, primary_key=True), Column("id", Uuid, unique=True, nullable=False)),
            "books: author says ON UPDATE CASCADE",
        ),
        (
            a_key_that_is_left_out(ForeignKey("authors.id", ondelete="CASCADE")),
            "books: author says ON DELETE CASCADE, which would change a Book",
        ),
        (
            to_a_column_without_an_attribute,
            r"Book refers to authors.number, which no attribute .* exclude_properties=\['author_number'\]",
        ),
        (entities_as_parts, "Author.books holds entities, which are saved by themselves"),
        (navigation, "Book.author points to another aggregate: refer to it by its id, author_id"),
        (navigation_from_a_part, "Chapter.author points to another aggregate: refer to it by its id, author_id"),
        (a_relation_to_the_kind_of_its_owner("reprint_id"), "Chapter.book points to another aggregate"),
        (a_relation_to_the_kind_of_its_owner("book_id"), "Chapter.book points back to the owner: leave it out"),
        (
            pages_of(
                Column("book_id", ForeignKey("books.id")),
                Column("reprint_id", ForeignKey("books.id", ondelete="CASCADE")),
                pages="book_id",
            ),
            "pages: reprint_id says ON DELETE CASCADE, which would change a Page",
        ),
        (many_to_many, "Book.tags is many-to-many, which is not supported"),
        (a_key_to_a_part, "Book.cover points to a part by a foreign key of its own: give the part's table the key"),
        (
            pages_of(Column("isbn", ForeignKey("books.isbn")), pages="isbn"),
            "Book.pages needs a foreign key to the primary key of books",
        ),
        (
            pages_of(
                Column("book_id", ForeignKey("books.id")),
                Column("lost_from", ForeignKey("books.id")),
                pages="book_id",
                lost="lost_from",
            ),
            r"Book.(pages|lost) holds parts that another relationship owns too: give each a class of its own",
        ),
    ],
    ids=itertools.count(),
)
def test_a_shape_that_is_not_supported_is_refused_by_name(plan: Plan, message: str) -> None:
    with pytest.raises(ArgumentError, match=message), mapping.mapping():
        plan(MetaData())


@pytest.mark.parametrize(
    "key",
    [ForeignKey("authors.id", ondelete="SET NULL"), ForeignKey("authors.name", onupdate="CASCADE")],
    ids=["delete", "update"],
)
def test_the_database_may_change_a_reference_that_the_mapping_leaves_out(key: ForeignKey) -> None:
    with mapping.mapping():
        a_key_that_is_left_out(key)(MetaData())


class OwnVersion(TypeDecorator[int]):
    impl = Integer


class OwnId(UserDefinedType[UUID]): ...


@pytest.mark.parametrize(
    "plan",
    [an_id_that_is_no_uuid(OwnId), a_version_in(Column("version", OwnVersion, nullable=False))],
    ids=["id", "version"],
)
def test_an_id_and_a_version_may_have_a_type_of_the_forks_own(plan: Plan) -> None:
    with mapping.mapping():
        plan(MetaData())


@pytest.mark.parametrize("kind", [InMemoryRepository, SqlAlchemyRepository])
def test_a_repository_of_a_class_that_is_not_mapped_says_so(kind: Any) -> None:
    @dataclass(eq=False, kw_only=True)
    class Book(Entity): ...

    class Books(kind):  # type: ignore[misc]  # one of two
        entity = Book

    with pytest.raises(UnitOfWorkMisuse, match=r"Book is not mapped\. Let start_mappers\(\) map it"):
        Books(None)


@pytest.fixture
def book() -> Callable[[str], Any]:
    """Makes a book of a title, by a class that is mapped."""

    @dataclass(eq=False, kw_only=True)
    class Book(Entity):
        title: str

    with mapping.mapping():
        books = table(MetaData(), "books", Column("title", String(50), doc="What is on its cover."))
        mapping.map_once(Book, books, version_id_col=books.c.version)
    return lambda title: Book(title=title)


def test_sqlalchemy_knows_the_first_values_of_a_new_entity(book: Callable[[str], Any]) -> None:
    made = book("Dune")

    assert inspect(made).modified
    assert inspect(made).attrs.title.history == (["Dune"], (), ())
    assert type(made).title.__doc__ == "What is on its cover."


def test_sqlalchemy_knows_what_is_assigned_to_a_stored_entity_that_is_not_loaded(book: Callable[[str], Any]) -> None:
    stored = book("Dune")
    make_transient_to_detached(stored)
    del vars(stored)["title"]

    with Session() as session:
        session.add(stored)

        stored.title = "Emma"

        assert stored in session.dirty


def test_a_listener_hears_the_first_value_of_a_new_entity(book: Callable[[str], Any]) -> None:
    heard: list[str] = []
    event.listen(type(book("Dune")).title, "set", lambda _, title, *__: heard.append(title))

    book("Emma")

    assert heard == ["Emma"]
