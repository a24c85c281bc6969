"""The application's unit of work on SQLAlchemy's session and in memory: its repositories, one line each."""

from adapters.mappers import start_mappers
from adapters.seedwork.memory.store import InMemoryStore
from adapters.seedwork.memory.transaction import InMemoryTransaction
from adapters.seedwork.registration import RepositoryOf
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from adapters.users import InMemoryUserRepository, SqlAlchemyUserRepository
from service_layer.handlers import HANDLERS
from service_layer.unit_of_work import UnitOfWork


class SqlAlchemyUnitOfWork(SqlAlchemyTransaction, UnitOfWork):
    handlers = HANDLERS
    users = RepositoryOf(SqlAlchemyUserRepository)


class InMemoryUnitOfWork(InMemoryTransaction, UnitOfWork):
    handlers = HANDLERS
    users = RepositoryOf(InMemoryUserRepository)

    def __init__(self, store: InMemoryStore | None = None, isolation_level: str | None = None) -> None:
        start_mappers()  # the fake reads the mapping too, and no composition root starts it here
        super().__init__(store, isolation_level)
