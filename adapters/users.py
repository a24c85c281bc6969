"""Users in the database and in memory: the table, the mapping and the repositories, which change together."""

from collections.abc import Sequence

import sqlalchemy as sa

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


class UserColumns(sa.TypedColumns):
    id: sa.Named[UserId] = sa.Column(IdType[UserId]())
    name: sa.Named[str] = sa.Column(sa.String(NAME_MAX_LENGTH))
    age: sa.Named[int] = sa.Column(sa.Integer)
    email: sa.Named[EmailAddress | None] = sa.Column(EmailType())
    version: sa.Named[int] = sa.Column(sa.Integer)


users = sa.Table(
    "users",
    metadata,
    UserColumns,
    sa.PrimaryKeyConstraint("id", info={"error": UserIdAlreadyUsed}),
    sa.UniqueConstraint("email", info={"error": EmailAlreadyTaken}),
    sa.CheckConstraint(f"name = trim(name) AND length(name) BETWEEN 1 AND {NAME_MAX_LENGTH}", name="name"),
    sa.CheckConstraint(f"age BETWEEN 0 AND {AGE_MAX}", name="age"),
    sa.CheckConstraint(f"email = lower(email) AND length(email) BETWEEN 3 AND {EmailAddress.MAX_LENGTH}", name="email"),
)


def map_users() -> None:
    """Map User to its table."""
    map_once(User, users, version_id_col=users.c.version)


class SqlAlchemyUserRepository(SqlAlchemyRepository[User, UserId], UserRepository):
    entity = User

    def conflicting(self, candidates: Sequence[UserValues]) -> list[User]:
        ids, emails = [user.id for user in candidates], [user.email for user in candidates if user.email]
        return list(self._session.scalars(sa.select(User).where(users.c.id.in_(ids) | users.c.email.in_(emails))))


class InMemoryUserRepository(InMemoryRepository[User, UserId], UserRepository):
    entity = User

    def conflicting(self, candidates: Sequence[UserValues]) -> list[User]:
        keys = {key for user in candidates for key in (user.id, user.email) if key}
        return [user for user in self.stream() if {user.id, user.email} & keys]
