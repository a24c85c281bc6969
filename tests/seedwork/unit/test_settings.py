"""Settings from the environment."""

import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError
from sqlalchemy import create_engine

from adapters.seedwork.settings import PROJECT
from adapters.seedwork.sqlalchemy.engine import create_engine as prepared_engine
from adapters.seedwork.sqlalchemy.engine import session_factory
from adapters.settings import Settings
from tests.seedwork.ordering import SqlAlchemyOrderingUnitOfWork


def test_by_default_the_data_is_in_app_db_in_the_projects_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert Settings(_env_file=None).url.database == str(PROJECT / "app.db")


def test_the_environment_names_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@db/app")

    assert str(Settings().url) == "postgresql+psycopg://app@db/app"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "")

    assert Settings(_env_file=None).migration_url.database == str(PROJECT / "app.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_name_of_postgresql_means_the_same_driver(scheme: str) -> None:
    assert Settings(database_url=f"{scheme}://app@db/app").url.drivername == "postgresql+psycopg"


def test_an_engine_of_the_same_family_is_named_by_one_line() -> None:
    class Ours(Settings):
        drivers = {"otherbase": "postgresql+psycopg"}

    assert Ours(database_url="otherbase://app@db/app").url.drivername == "postgresql+psycopg"
    with pytest.raises(ValidationError, match="write it like"):
        Settings(database_url="otherbase://app@db/app")


def test_a_dialect_that_is_not_installed_is_named_with_the_command() -> None:
    class Ours(Settings):
        drivers = {"otherbase": "otherbase+psycopg"}

    with pytest.raises(ValidationError, match="dialect otherbase.psycopg is missing.*pip install sqlalchemy-otherbase"):
        Ours(database_url="otherbase://app@db/app")


@pytest.mark.parametrize("password", ["p@ss%w:rd/#", "plain", "?&=+ ", "%41", "ü€"])
def test_any_password_works(password: str) -> None:
    settings = Settings(database_url=f"postgresql://app:{quote(password, safe='')}@db:5432/app")

    assert settings.url.password == password
    assert settings.url.host == "db"


@pytest.mark.parametrize("url", ["postgresql://app@db/app", "sqlite:///app.db"])
def test_the_newline_at_the_end_of_a_secrets_file_is_no_part_of_the_url(url: str) -> None:
    assert Settings(database_url=f"{url}\n").url == Settings(database_url=url).url


def test_no_password_shows() -> None:
    settings = Settings(
        database_url="postgresql://app:hunter2@db/app", migration_database_url="postgresql://owner:hunter2@db/app"
    )

    assert (
        "hunter2"
        not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()} {settings.url!r}"
    )


@pytest.mark.parametrize("name", ["password", "PASSWORD", "sslpassword", "oauth_client_secret", "scram_client_key"])
def test_no_secret_of_the_query_shows_wherever_the_url_is_printed(name: str) -> None:
    url = Settings(database_url=f"postgresql://app@db/app?a=1&{name}=hunter2&z=2").url
    engine = create_engine(url)

    assert (
        f"{url}"
        == str(url)
        == repr(url)
        == f"postgresql+psycopg://app@db/app?a=1&{name}=***&z=2".replace("a=1&PASSWORD=***", "PASSWORD=***&a=1")
    )
    assert "hunter2" not in f"{engine!r} {engine.url.set(host='other')} {engine.url.update_query_dict({'b': '1'})}"
    assert url.query[name] == "hunter2"
    assert "hunter2" in url.render_as_string(hide_password=False)


@pytest.mark.parametrize("query", ["timeout=60", "isolation_level=IMMEDIATE"])
def test_a_query_that_would_say_the_same_as_a_setting_is_refused_with_the_setting(query: str) -> None:
    with pytest.raises(ValidationError, match="DATABASE_LOCK_TIMEOUT_S, for alembic MIGRATION_WAIT_S"):
        Settings(database_url=f"sqlite:///app.db?{query}")


def test_a_question_mark_in_a_files_name_is_refused_before_the_name_is_cut_off_there(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a [?] of its name is %3F"):
        Settings(database_url=f"sqlite:///{tmp_path}/app?.db")

    assert Settings(database_url=f"sqlite:///{tmp_path}/app%3F.db").url.database == f"{tmp_path}/app?.db"


@pytest.mark.parametrize(
    "url",
    [
        "app.db",
        "",
        "mysql://app:hunter2@db/app",
        "postgresql+asyncpg://app:hunter2@db",
        "postgresql://app:hunter2@db:port/",
        "postgresql://app:hunter2@db1:5432,db2:5432/app",
        "postgresql://app:hunter2@/app?host=db1&port=5432&host=db2&port=5432",
        "postgresql://app:hunter2@/app?host=db1,db2,db3&port=5432,5433",
        "postgresql://app:hunter2@db/app?port=none",
    ],
)
def test_a_wrong_url_is_refused_with_an_example_and_without_the_secret(url: str) -> None:
    with pytest.raises(ValidationError, match=r"write it like sqlite:///app\.db or postgresql://") as caught:
        Settings(database_url=url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("password", ["hun@ter2", "hu@n/ter2", "hunt@/er2", "hu@n?ter2"])
def test_a_password_with_a_bare_at_sign_is_refused_before_its_end_is_taken_for_another_part(password: str) -> None:
    with pytest.raises(ValidationError, match="write an @ of the password as %40") as caught:
        Settings(database_url=f"postgresql://app:{password}@db/app?sslmode=require")

    assert "er2" not in str(caught.value)


def test_an_encoded_at_sign_may_stand_in_any_part() -> None:
    url = "postgresql://app%40db:hun%40ter2@db/app%40home?user=app@db"

    assert Settings(database_url=url).url.database == "app@home"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true"])
def test_sqlite_in_memory_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ValidationError, match="would be empty for every connection"):
        Settings(database_url=url)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"the folder {tmp_path}/none does not exist"):
        Settings(database_url=f"sqlite:///{tmp_path}/none/app.db")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=f"{tmp_path} is a folder: name a file"):
        Settings(database_url=f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("seconds", ["0", "-1", "0.0004", "inf", "nan", "1e9", "soon"])
def test_a_limit_that_would_be_none_is_refused(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv("DATABASE_LOCK_TIMEOUT_S", seconds)

    with pytest.raises(ValidationError, match="database_lock_timeout_s"):
        Settings()


def test_a_missing_driver_is_reported_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ValidationError, match="driver is missing. Install it: python -m pip install"):
        Settings(database_url="postgresql://app@db/app")


def test_migrations_use_the_same_database_unless_another_url_is_given() -> None:
    one = Settings(database_url="postgresql://app@db/app")
    two = Settings(database_url="postgresql://app@db/app", migration_database_url="postgresql://owner@db/app")

    assert (one.migration_url.username, two.migration_url.username) == ("app", "owner")


@pytest.mark.parametrize(
    ("seconds", "tries", "expected"), [(None, None, (10, 10)), ("40", None, (40, 40)), ("40", "7", (7, 40))]
)
def test_who_is_patient_for_longer_tries_more_often(
    monkeypatch: pytest.MonkeyPatch, seconds: str | None, tries: str | None, expected: tuple[int, float]
) -> None:
    monkeypatch.setenv("RETRY_SECONDS", seconds or "")
    monkeypatch.setenv("RETRY_TRIES", tries or "")
    engine = prepared_engine(Settings(database_url="postgresql://app@db/app"))

    uow = SqlAlchemyOrderingUnitOfWork(session_factory(engine))

    assert (uow.retry_tries, uow.retry_seconds) == expected
