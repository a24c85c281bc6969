"""The repository of advanced-alchemy, on sessions handled with care."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from advanced_alchemy.base import DefaultBase
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemySyncRepository
from sqlalchemy import Uuid
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from benchmarks.engines import careful_engine
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.seedwork.entity import new_id


class User(DefaultBase):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=new_id)  # it would choose another type itself
    name: Mapped[str]
    age: Mapped[int]
    email: Mapped[str | None]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class Users(SQLAlchemySyncRepository[User]):
    model_type = User


class AdvancedAlchemy(Subject):
    name = "advanced-alchemy"

    def __init__(self, url: str) -> None:
        self._sessions = sessionmaker(careful_engine(url), expire_on_commit=False)

    def register(self) -> UUID:
        with self._sessions() as session:
            return _users(session).add(User(name=NAME, age=AGE), auto_commit=True).id

    def get(self, id: UUID) -> int:
        with self._sessions() as session:
            return _users(session).get(id).age

    def change(self, id: UUID, age: int) -> int:
        with self._sessions() as session:
            users = _users(session)
            user = users.get(id)
            user.age = age
            return users.update(user, auto_commit=True).version

    def remove(self, id: UUID) -> None:
        with self._sessions() as session:
            _users(session).delete(id, auto_commit=True)

    def page(self, after: UUID) -> int:
        with self._sessions() as session:
            return len(_users(session).get_many(User.id > after, OrderBy("id"), LimitOffset(PAGE, 0)))

    def make(self, count: int) -> Iterator[Any]:
        return (User(id=new_id(), name=NAME, age=AGE) for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        with self._sessions() as session:
            _users(session).add_many(list(users), auto_commit=True)


def _users(session: Session) -> Users:
    return Users(session=session, auto_refresh=False)  # a refresh is a SELECT that nobody else sends
