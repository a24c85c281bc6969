"""The application's unit of work on SQLAlchemy's session and in memory: its repositories, one line each."""

from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.users import InMemoryUserRepository, SqlAlchemyUserRepository
from service_layer.unit_of_work import UnitOfWork


class SqlAlchemyUnitOfWork(SqlAlchemyTransaction, UnitOfWork):
    users = RepositoryOf(SqlAlchemyUserRepository)


class InMemoryUnitOfWork(InMemoryTransaction, UnitOfWork):
    users = RepositoryOf(InMemoryUserRepository)
