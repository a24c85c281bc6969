"""SQLModel, on sessions handled with care."""

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Integer
from sqlmodel import Field, Session, SQLModel, col, select

from benchmarks.engines import careful_engine
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.seedwork.entity import new_id

_version = Column("version", Integer)


class User(SQLModel, table=True):  # type: ignore[call-arg, unused-ignore]  # mypy knows it with [bench] only
    __tablename__ = "users"
    __mapper_args__: ClassVar[dict[str, Any]] = {"version_id_col": _version}

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str
    age: int
    email: str | None = None
    version: int | None = Field(default=None, sa_column=_version)


class SqlModel(Subject):
    name = "SQLModel"

    def __init__(self, url: str) -> None:
        self._engine = careful_engine(url)

    def register(self) -> UUID:
        with self._session() as session:
            user = User(name=NAME, age=AGE)
            session.add(user)
            session.commit()
            return user.id

    def get(self, id: UUID) -> int:
        with self._session() as session:
            return session.get_one(User, id).age

    def change(self, id: UUID, age: int) -> int:
        with self._session() as session:
            user = session.get_one(User, id)
            user.age = age
            session.commit()
            return user.version or 0

    def remove(self, id: UUID) -> None:
        with self._session() as session:
            session.delete(session.get_one(User, id))
            session.commit()

    def page(self, after: UUID) -> int:
        with self._session() as session:
            return len(session.exec(select(User).where(User.id > after).order_by(col(User.id)).limit(PAGE)).all())

    def _session(self) -> Session:
        return Session(self._engine, expire_on_commit=False)
