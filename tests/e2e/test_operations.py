"""What a machine can check of docs/operations.md."""

import re

import pytest

from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy import sqlite
from adapters.settings import Settings
from service_layer.seedwork import errors
from tests.seedwork.pages import page

PAGE = page("operations.md")


def test_the_limits_of_sqlites_log_are_those_of_the_code() -> None:
    assert f"{sqlite.LOG_LIMIT // 2**20} MiB waits for readers, {sqlite.READERS_MS} ms at the most" in PAGE


def test_the_variables_that_it_names_are_settings() -> None:
    named = set(re.findall(r"\b(?:MIGRATION_)?DATABASE_[A-Z_]+", PAGE))

    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("url", re.findall(r"^\$ export \w+_URL='?([^'\n]+)", PAGE, re.MULTILINE))
def test_its_urls_are_accepted(url: str) -> None:
    assert Settings(database_url=url).url.drivername == "postgresql+psycopg"


def test_it_says_what_to_do_about_every_error_of_a_transaction() -> None:
    mistakes = {"TransactionError", "UnitOfWorkMisuse", "UncommittedChanges", "FailedTransaction", "ReferenceViolated"}
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}

    assert raised - mistakes <= set(re.findall(r"`(\w+)`", PAGE))


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w./-]+/[\w.-]+\.\w+|\.env\.example)`", PAGE))

    assert {".env.example", "adapters/seedwork/sqlalchemy/gaps.py"} <= named
    assert [name for name in sorted(named) if not (PROJECT / name).exists()] == []
