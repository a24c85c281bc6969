"""The names that forks call: one of them changes with a major release only, and warns for one release before."""

from importlib import import_module

import pytest

NAMES = {
    "adapters.container": "Container async_bootstrap bootstrap",
    "adapters.mappers": "metadata start_mappers",
    "adapters.seedwork.cli.commands": "Commands",
    "adapters.seedwork.cli.options": "After ExpectedVersion Id Limit Unset given show_page",
    "adapters.seedwork.cli.output": "Json show show_saved",
    "adapters.seedwork.composition": "Parts opened_engine started started_asynchronously",
    "adapters.seedwork.mapping": "map_once mapping metadata",
    "adapters.seedwork.memory.repository": "InMemoryRepository",
    "adapters.seedwork.memory.store": "InMemoryStore",
    "adapters.seedwork.memory.transaction": "InMemoryTransaction",
    "adapters.seedwork.registration": "RepositoryOf",
    "adapters.seedwork.settings": "DatabaseSettings",
    "adapters.seedwork.sqlalchemy.asynchronous": "run",
    "adapters.seedwork.sqlalchemy.engine": "create_engine session_factory",
    "adapters.seedwork.sqlalchemy.repository": "SqlAlchemyRepository",
    "adapters.seedwork.sqlalchemy.transaction": "SqlAlchemyTransaction",
    "adapters.seedwork.types": "EmailType EnumType IdType UtcDateTime",
    "adapters.settings": "Settings",
    "adapters.unit_of_work": "InMemoryUnitOfWork SqlAlchemyUnitOfWork",
    "domain.seedwork.entity": "Entity new_id",
    "domain.seedwork.errors": "AlreadyExists DomainError InvalidValue NotFound VersionMismatch",
    "domain.seedwork.repository": "Page Repository",
    "domain.seedwork.rules": (
        "EmailAddress boolean day decimal email_address json_object moment one_of optional text uuid whole_number"
    ),
    "service_layer.seedwork.details": "Details assign checked_references",
    "service_layer.seedwork.errors": (
        "CommitOutcomeUnknown ConcurrencyConflict ConstraintViolated DatabaseUnavailable FailedTransaction"
        " SchemaOutdated StatementTimeout TransactionError UncommittedChanges UnitOfWorkMisuse"
    ),
    "service_layer.seedwork.retry": "retry_transient",
    "service_layer.seedwork.transaction": "Transaction",
    "service_layer.unit_of_work": "UnitOfWork",
}
MEMBERS = {
    "domain.seedwork.repository.Repository": "add count find get insert_many page remove stream _all _one",
    "service_layer.seedwork.transaction.Transaction": "commit flush is_open reading require_closed rollback",
    "adapters.seedwork.sqlalchemy.transaction.SqlAlchemyTransaction": "session",
}


@pytest.mark.parametrize("module", NAMES)
def test_what_forks_import_is_there(module: str) -> None:
    there = vars(import_module(module))

    assert [name for name in NAMES[module].split() if name not in there] == []


@pytest.mark.parametrize("kind", MEMBERS)
def test_what_forks_call_is_there(kind: str) -> None:
    module, _, name = kind.rpartition(".")
    found = getattr(import_module(module), name)

    assert [member for member in MEMBERS[kind].split() if not hasattr(found, member)] == []
