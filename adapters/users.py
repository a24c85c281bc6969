"""Users in the database and in memory: the table, the mapping and the repositories, which change together."""

from collections.abc import Sequence

from sqlalchemy import (
    CheckConstraint,
    Column,
    Integer,
    Named,
    PrimaryKeyConstraint,
    String,
    Table,
    TypedColumns,
    UniqueConstraint,
    select,
)

from adapters.seedwork.mapping import map_once, metadata
from adapters.seedwork.memory.repository import InMemoryRepository
from adapters.seedwork.sqlalchemy.repository import SqlAlchemyRepository
from adapters.seedwork.types import EmailType, IdType
from domain.seedwork.rules import EmailAddress
from domain.user import (
    AGE_MAX,
    NAME_MAX_LENGTH,
    EmailAlreadyTaken,
    User,
    UserId,
    UserIdAlreadyUsed,
    UserRepository,
    UserValues,
)


class UserColumns(TypedColumns):
    id: Named[UserId] = Column(IdType[UserId]())
    name: Named[str] = Column(String(NAME_MAX_LENGTH))
    age: Named[int] = Column(Integer)
    email: Named[EmailAddress | None] = Column(EmailType())
    version: Named[int] = Column(Integer)


users = Table(
    "users",
    metadata,
    UserColumns,
    PrimaryKeyConstraint("id", info={"error": UserIdAlreadyUsed}),
    UniqueConstraint("email", info={"error": EmailAlreadyTaken}),
    CheckConstraint(f"name = trim(name) AND length(name) BETWEEN 1 AND {NAME_MAX_LENGTH}", name="name"),
    CheckConstraint(f"age BETWEEN 0 AND {AGE_MAX}", name="age"),
    CheckConstraint(f"email = lower(email) AND length(email) BETWEEN 3 AND {EmailAddress.MAX_LENGTH}", name="email"),
)


def map_users() -> None:
    """Map User to its table."""
    map_once(User, users, version_id_col=users.c.version)


class SqlAlchemyUserRepository(SqlAlchemyRepository[User, UserId], UserRepository):
    entity = User

    def conflicting(self, candidates: Sequence[UserValues]) -> list[User]:
        ids, emails = [user.id for user in candidates], [user.email for user in candidates if user.email]
        return list(self._session.scalars(select(User).where(users.c.id.in_(ids) | users.c.email.in_(emails))))


class InMemoryUserRepository(InMemoryRepository[User, UserId], UserRepository):
    entity = User

    def conflicting(self, candidates: Sequence[UserValues]) -> list[User]:
        keys = {key for user in candidates for key in (user.id, user.email) if key}
        return [user for user in self.stream() if {user.id, user.email} & keys]
