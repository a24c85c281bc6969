"""What every repository on SQLAlchemy's session shares."""

from collections.abc import Iterable
from functools import cache
from itertools import islice, repeat
from typing import Any, Generic, cast
from uuid import UUID

from sqlalchemy import bindparam, func, inspect, select
from sqlalchemy.orm import Mapper

from adapters.seedwork.keeping import refuse_stored, removed_with
from adapters.seedwork.mapping import mapper_of
from adapters.seedwork.refusals import COPIED, NOT_NEW, refused
from adapters.seedwork.shape import shape_of
from adapters.seedwork.sqlalchemy.bulk import insert_rows
from adapters.seedwork.sqlalchemy.session import UnitSession
from adapters.seedwork.sqlalchemy.transaction import SqlAlchemyTransaction
from domain.seedwork.entity import Id
from domain.seedwork.repository import BATCH, E, Repository
from service_layer.seedwork.errors import OVERTAKEN, WRITE_IN_READING_BLOCK, ConcurrencyConflict, UnitOfWorkMisuse


class _Queries(Generic[E]):
    """The statements of one entity, built once: building one takes longer than sending it."""

    def __init__(self, mapper: Mapper[E]) -> None:
        entity, (id,) = mapper.class_, mapper.primary_key
        self.mapper, self.shape = mapper, shape_of(mapper)
        self.by_id = select(entity).where(id == bindparam("id"))
        # populate_existing: an entity read before would keep its old values, even under the lock
        self.locked = self.by_id.with_for_update().execution_options(populate_existing=True)
        self.first = select(entity).order_by(id).limit(bindparam("limit"))
        self.after = self.first.where(id > bindparam("after"))
        self.count = select(func.count()).select_from(entity)
        self.all = select(entity).order_by(id).execution_options(of_values=True)


_queries_of = cache(_Queries[Any])  # Any: of a different entity each


class SqlAlchemyRepository(Repository[E, Id]):
    """The entities of a mapped class, which a subclass names."""

    entity: type[E]

    def __init__(self, transaction: SqlAlchemyTransaction) -> None:
        self._transaction = transaction
        self._queries: _Queries[E] = _queries_of(mapper_of(self.entity))

    @property
    def _session(self) -> UnitSession:
        return self._transaction.working_session

    def add(self, entity: E) -> None:
        state, session = self._queries.shape.check_kind(entity, "add"), self._session
        deleted = session.deleted
        if state.obj() is not entity:
            raise refused(COPIED, entity)
        if entity in deleted:
            session.add_all((entity, *removed_with(entity)))
        elif state.transient and not entity.version:
            if deleted and session.identity_map.get(self._key(entity.id)) in deleted:
                session.flush()
            if self._queries.shape.parts:
                refuse_stored(session, *removed_with(entity))
            session.add(entity)
        elif entity not in session:
            raise refused(NOT_NEW, entity)

    def remove(self, entity: E) -> None:
        state, session = self._queries.shape.check_kind(entity, "remove"), self._session
        if state.key is None and entity in session:
            session.expunge(entity)
        elif state.key is None or entity in session.deleted or (state.deleted and state.session is session):
            raise self.not_found(entity.id)
        elif entity in session:
            session.delete(entity)
        else:  # its key, since its id can't be read if its insertion was undone
            found = self._load(state.key[1][0])
            if found is None or found.version != entity.version:
                raise ConcurrencyConflict(OVERTAKEN)
            session.delete(found)

    def count(self) -> int:
        return self._session.scalars(self._queries.count).one()

    def insert_many(self, entities: Iterable[Any]) -> None:
        session, remaining = self._session, iter(entities)
        try:
            while batch := list(islice(remaining, BATCH)):
                session.flush()
                insert_rows(session, self._queries.shape, batch, repeat({str(self._queries.shape.version): 1}))
        except BaseException as error:
            session.fail(error)
            raise

    def _load(self, id: Id, *, for_update: bool = False) -> E | None:
        session = self._session
        if for_update and session.is_read_only:
            raise UnitOfWorkMisuse(WRITE_IN_READING_BLOCK)
        found = None if for_update else cast("E | None", session.identity_map.get(self._key(id)))
        if found is None or inspect(found).expired:
            query = self._queries.locked if for_update else self._queries.by_id
            found = session.scalars(query, {"id": id}).one_or_none()
        elif found in session.deleted:
            return None
        return found

    def _load_after(self, id: UUID | None, limit: int, *, keep: bool = True) -> list[E]:
        query = self._queries.first if id is None else self._queries.after
        values = {"limit": limit} | ({} if id is None else {"after": id})
        return list(self._session.scalars(query, values, execution_options={"keep": keep}))

    def _all(self, **values: object) -> list[E]:
        shape = self._queries.shape
        criteria = [shape.table.c[name] == value for name, value in shape.criteria(values).items()]
        return list(self._session.scalars(self._queries.all.where(*criteria)))

    def _key(self, id: UUID) -> Any:  # Any: SQLAlchemy alone knows what an identity key is
        return self._queries.mapper.identity_key_from_primary_key((id,))
