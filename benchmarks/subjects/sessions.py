"""SQLAlchemy's session without an architecture: handled with care, with none, and as the textbooks wrap it."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.engines import careful_engine
from benchmarks.subject import AGE, NAME, PAGE, Subject
from domain.seedwork.entity import new_id


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    age: Mapped[int]
    email: Mapped[str | None]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class WithSession(Subject):
    """What anybody writes, with no layer between the request and the session."""

    _sessions: sessionmaker[Session]

    def register(self) -> UUID:
        with self._sessions() as session:
            user = User(name=NAME, age=AGE)
            session.add(user)
            session.commit()
            return user.id

    def get(self, id: UUID) -> int:
        with self._sessions() as session:
            return session.get_one(User, id).age

    def change(self, id: UUID, age: int) -> int:
        with self._sessions() as session:
            user = session.get_one(User, id)
            user.age = age
            session.commit()
            return user.version

    def remove(self, id: UUID) -> None:
        with self._sessions() as session:
            session.delete(session.get_one(User, id))
            session.commit()

    def page(self, after: UUID) -> int:
        with self._sessions() as session:
            return len(session.scalars(select(User).where(User.id > after).order_by(User.id).limit(PAGE)).all())


class NakedSession(WithSession):
    """The baseline: a careful user's session."""

    name = "naked session"

    def __init__(self, url: str) -> None:
        self._sessions = sessionmaker(careful_engine(url), expire_on_commit=False)

    def make(self, count: int) -> Iterator[Any]:
        return (User(id=new_id(), name=NAME, age=AGE) for _ in range(count))

    def insert(self, users: Iterable[Any]) -> None:
        rows = [{"id": user.id, "name": user.name, "age": user.age, "email": user.email} for user in users]
        with self._sessions() as session:
            session.execute(insert(User), rows)
            session.commit()

    def stream(self, write: Callable[[int], object]) -> None:
        with self._sessions() as session:
            for user in session.scalars(select(User).order_by(User.id), execution_options={"yield_per": 1_000}):
                write(user.age)


class CarelessSession(WithSession):
    """The same on defaults: the driver begins, and what was committed is read again."""

    name = "naked session, on defaults"

    def __init__(self, url: str) -> None:
        self._sessions = sessionmaker(create_engine(url, pool_size=10))


class TextbookUnitOfWork:
    """A session for each block, and a rollback on every way out."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def __enter__(self) -> Self:
        self._session = self._sessions()
        self.users = TextbookRepository(self._session)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._session.rollback()
        self._session.close()

    def commit(self) -> None:
        self._session.commit()


class TextbookRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, user: User) -> None:
        self._session.add(user)

    def get(self, id: UUID) -> User:
        return self._session.get_one(User, id)

    def remove(self, user: User) -> None:
        self._session.delete(user)

    def page(self, after: UUID) -> list[User]:
        return list(self._session.scalars(select(User).where(User.id > after).order_by(User.id).limit(PAGE)))


class Textbook(Subject):
    name = "textbook unit of work"

    def __init__(self, url: str) -> None:
        self._sessions = sessionmaker(careful_engine(url), expire_on_commit=False)

    def register(self) -> UUID:
        with TextbookUnitOfWork(self._sessions) as uow:
            user = User(name=NAME, age=AGE)
            uow.users.add(user)
            uow.commit()
            return user.id

    def get(self, id: UUID) -> int:
        with TextbookUnitOfWork(self._sessions) as uow:
            return uow.users.get(id).age

    def change(self, id: UUID, age: int) -> int:
        with TextbookUnitOfWork(self._sessions) as uow:
            user = uow.users.get(id)
            user.age = age
            uow.commit()
            return user.version

    def remove(self, id: UUID) -> None:
        with TextbookUnitOfWork(self._sessions) as uow:
            uow.users.remove(uow.users.get(id))
            uow.commit()

    def page(self, after: UUID) -> int:
        with TextbookUnitOfWork(self._sessions) as uow:
            return len(uow.users.page(after))
