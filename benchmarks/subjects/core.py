"""SQLAlchemy Core: a table, statements built once, rows."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Integer, MetaData, String, Table, Uuid, bindparam, delete, insert, select, update

from benchmarks.engines import careful_engine
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.seedwork.entity import new_id

users = Table(
    "users",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("name", String),
    Column("age", Integer),
    Column("email", String),
    Column("version", Integer),
)
_INSERT = insert(users)
_BY_ID = select(users).where(users.c.id == bindparam("key"))
_THIS_VERSION = (users.c.id == bindparam("key"), users.c.version == bindparam("read"))
_UPDATE = update(users).where(*_THIS_VERSION).values(age=bindparam("new_age"), version=bindparam("new_version"))
_DELETE = delete(users).where(*_THIS_VERSION)
_ALL = select(users).order_by(users.c.id)
_PAGE = select(users).where(users.c.id > bindparam("after")).order_by(users.c.id).limit(PAGE)


class Core(Subject):
    name = "SQLAlchemy Core"

    def __init__(self, url: str) -> None:
        self._engine = careful_engine(url)

    def register(self) -> UUID:
        id = new_id()
        with self._engine.begin() as connection:
            connection.execute(_INSERT, _values(id))
        return id

    def get(self, id: UUID) -> int:
        with self._engine.begin() as connection:
            return int(connection.execute(_BY_ID, {"key": id}).one().age)

    def change(self, id: UUID, age: int) -> int:
        with self._engine.begin() as connection:
            version = int(connection.execute(_BY_ID, {"key": id}).one().version)
            values = {"key": id, "read": version, "new_age": age, "new_version": version + 1}
            if connection.execute(_UPDATE, values).rowcount != 1:
                raise RuntimeError("another transaction was faster")
        return version + 1

    def remove(self, id: UUID) -> None:
        with self._engine.begin() as connection:
            version = connection.execute(_BY_ID, {"key": id}).one().version
            connection.execute(_DELETE, {"key": id, "read": version})

    def page(self, after: UUID) -> int:
        with self._engine.begin() as connection:
            return len(connection.execute(_PAGE, {"after": after}).all())

    def make(self, count: int) -> Iterator[Any]:
        return (_values(new_id()) for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        with self._engine.begin() as connection:
            connection.execute(_INSERT, list(users))

    def stream(self, write: Callable[[int], object]) -> None:
        with self._engine.begin() as connection:
            for row in connection.execution_options(yield_per=1_000).execute(_ALL):
                write(row.age)


def _values(id: UUID) -> dict[str, object]:
    return {"id": id, "name": NAME, "age": AGE, "email": None, "version": 1}
