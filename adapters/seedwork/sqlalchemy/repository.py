"""What every repository on SQLAlchemy's session shares."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice, repeat
from typing import Any, ClassVar, Generic
from uuid import UUID

from sqlalchemy import bindparam, func, inspect, select
from sqlalchemy.orm import Mapper

from adapters.seedwork.sqlalchemy.bulk import BulkInsert
from adapters.seedwork.sqlalchemy.session import UnitSession, parts_of
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from domain.seedwork.entity import Id
from domain.seedwork.errors import AlreadyExists
from domain.seedwork.repository import E, Repository
from service_layer.seedwork.errors import (
    NOT_NEW,
    OVERTAKEN,
    WRITE_IN_READING_BLOCK,
    ConcurrencyConflict,
    UnitOfWorkMisuse,
)

BATCH = 200
"""How many entities are sent or fetched at once, where there may be too many for the memory.

So few are gone before the garbage collector looks at them for the second time: by 1,000 they take a fifth longer.
"""


class _Queries(Generic[E]):
    """The statements of one entity, built once: building one takes longer than sending it."""

    def __init__(self, entity: type[E]) -> None:
        self.mapper: Mapper[E] = inspect(entity)
        (id,) = self.mapper.primary_key
        self.by_id = select(entity).where(id == bindparam("id"))
        # populate_existing: an entity read before would keep its old values, even under the lock
        self.locked = self.by_id.with_for_update().execution_options(populate_existing=True)
        self.first = select(entity).order_by(id).limit(bindparam("limit"))
        self.after = self.first.where(id > bindparam("after"))
        self.count = select(func.count()).select_from(entity)
        self.all = select(entity).order_by(id).execution_options(yield_per=BATCH)
        self.insert = BulkInsert(self.mapper)


class SqlAlchemyRepository(Repository[E, Id]):
    """The entities of a mapped class, which a subclass names."""

    entity: type[E]
    _built: ClassVar[dict[type, _Queries[Any]]] = {}  # Any: of a different entity each

    def __init__(self, transaction: SqlAlchemyTransaction) -> None:
        self._transaction = transaction
        self._queries: _Queries[E] = self._built.get(self.entity) or self._built.setdefault(
            self.entity, _Queries(self.entity)
        )

    @property
    def _session(self) -> UnitSession:
        return self._transaction.working_session

    def add(self, entity: E) -> None:
        session, state = self._session, inspect(entity)
        if entity in session.deleted:
            session.add_all((entity, *parts_of(entity)))
        elif state.transient:
            known = session.identity_map.get(self._key(entity.id))
            if known is not None and known not in session.deleted:
                raise state.mapper.local_table.primary_key.info.get("error", AlreadyExists)
            if known is not None:
                session.flush()
            session.add(entity)
        elif entity not in session:
            raise UnitOfWorkMisuse(NOT_NEW)

    def remove(self, entity: E) -> None:
        session, state = self._session, inspect(entity)
        if state.key is None and entity in session:
            session.expunge(entity)
        elif state.key is None or entity in session.deleted or (state.deleted and state.session is session):
            raise self.not_found(entity.id)
        else:  # its key, for its id can't be read if its insertion was undone
            session.delete(entity if entity in session else _unchanged(self._load(state.key[1][0]), entity))

    def count(self) -> int:
        return self._session.scalars(self._queries.count).one()

    def stream(self) -> Iterator[E]:
        with closing(self._session.scalars(self._queries.all)) as found:
            while self._session and (batch := found.fetchmany(BATCH)):  # asked anew: the block may have ended
                yield from batch

    def insert_many(self, entities: Iterable[object]) -> None:
        session, remaining = self._session, iter(entities)
        foreign = session.is_in_foreign_savepoint
        session.note_bulk(self.entity)
        try:
            while batch := list(islice(remaining, BATCH)):
                self._queries.insert(session, batch, repeat({"version": 1}))
        except BaseException as error:
            session.fail(error, harmless=foreign)
            raise

    def _load(self, id: Id, *, for_update: bool = False) -> E | None:
        session = self._session
        if for_update and session.is_read_only:
            raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
        if for_update:
            return session.scalars(self._queries.locked, {"id": id}).one_or_none()
        known: E | None = session.identity_map.get(self._key(id))
        if known is None or inspect(known).expired:
            return session.scalars(self._queries.by_id, {"id": id}).one_or_none()
        return None if known in session.deleted else known

    def _load_after(self, id: UUID | None, limit: int) -> list[E]:
        if id is None:
            return list(self._session.scalars(self._queries.first, {"limit": limit}))
        return list(self._session.scalars(self._queries.after, {"limit": limit, "after": id}))

    def _key(self, id: UUID) -> Any:  # Any: an identity key is SQLAlchemy's own affair
        return self._queries.mapper.identity_key_from_primary_key((id,))


def _unchanged(found: E | None, entity: E) -> E:
    """Return what this block found of an entity that another block got, if nobody has saved it since."""
    if found is None or found.version != entity.version:
        raise ConcurrencyConflict(OVERTAKEN)
    return found
