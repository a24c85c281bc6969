"""The settings of a database, read from the environment and from ``.env`` in the project's folder."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

PROJECT = Path(__file__).resolve().parents[2]

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "cockroachdb": "cockroachdb+psycopg",
}

_SECRET = re.compile(r"([?&]\w*(?:password|secret|scram_\w+_key)=)[^&]*", re.IGNORECASE)
"""A secret in a URL's query. SQLAlchemy itself hides only the password before the host."""

_FORM = (
    "write it like sqlite:///app.db or postgresql://user:password@host/database, and several servers like"
    " postgresql://user:password@/database?host=db1:5432&host=db2:5432"
)

# at least a millisecond: PostgreSQL rounds less to 0, which means no limit
Seconds = Annotated[float, Field(ge=0.001, le=86_400, allow_inf_nan=False)]


class DatabaseSettings(BaseSettings):
    """What differs between installations. Each field is an environment variable in capitals: ``DATABASE_URL``.

    Raises: pydantic.ValidationError (a value is not allowed); its text holds no secret.
    """

    model_config = SettingsConfigDict(
        env_file=PROJECT / ".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    drivers: ClassVar[dict[str, str]] = {}
    """Other engines that speak PostgreSQL's protocol: how their URLs begin, and SQLAlchemy's dialect on psycopg."""

    database_url: SecretStr | str = Field(default="sqlite:///app.db", validate_default=True)
    """Where the data lives; a relative SQLite path starts in the project's folder."""
    migration_database_url: SecretStr | str | None = None
    """The same database for ``alembic``, where another role owns the schema."""
    database_read_url: SecretStr | str | None = None
    """A stand-by of the same database, for reads that may be old; not set: the database itself."""
    migration_wait_s: Seconds = 300.0
    """How long ``alembic`` waits for another process that migrates the same database, and tries again for a lock."""
    database_check_schema: bool = True
    """Whether ``bootstrap()`` refuses a database that is not at the newest revision."""
    database_echo: bool = False
    """Whether each statement is logged, without its parameters."""
    database_pool_size: int = Field(default=10, ge=1)
    """How many connections one process opens at the most."""
    database_pool_timeout_s: Seconds = 5.0
    """How long to wait for a free connection."""
    database_lock_timeout_s: Seconds = 5.0
    """How long to wait for a lock that another transaction holds."""
    database_statement_timeout_s: Seconds = 30.0
    """How long one statement may take, on PostgreSQL."""
    database_idle_timeout_s: Seconds = 60.0
    """How long a block may do nothing before PostgreSQL ends it: an idle block keeps locks and old rows."""

    retry_tries: int | None = Field(default=None, ge=1)
    """How often ``retry_transient`` runs a function at the most; not set: once for each second of the next setting, and
    at least 10 times."""
    retry_seconds: Seconds = 10.0
    """For how long it begins new tries: longer than a fail-over takes."""

    database_pooler: bool = False
    """Whether the URL is that of a pooler of transactions, such as pgbouncer. It would give prepared statements to
    the wrong client, and refuses timeouts: set them by ALTER ROLE."""

    @field_validator("database_url", "migration_database_url", "database_read_url")
    @classmethod
    def _normalise(cls, value: SecretStr | str | None) -> SecretStr | None:
        if value is None:
            return None
        text = _text(value).strip()  # the last newline of a secret's file would be a part of the database's name
        return SecretStr(_url(text, _DRIVERS | cls.drivers).render_as_string(hide_password=False))

    @property
    def url(self) -> URL:
        """The database as the application opens it."""
        return _Url(*make_url(_text(self.database_url)))

    @property
    def migration_url(self) -> URL:
        """The database as ``alembic`` opens it."""
        return _Url(*make_url(_text(self.migration_database_url or self.database_url)))


class _Url(URL):
    """A URL that shows no secret of its query either: in ``repr(engine)``, an error, or wherever it is printed."""

    def render_as_string(self, hide_password: bool = True) -> str:  # noqa: FBT001, FBT002  # as URL has it
        text = super().render_as_string(hide_password)
        return _SECRET.sub(r"\1***", text) if hide_password else text


def explain(error: ValidationError) -> str:
    """Return which settings are not allowed, and why, in one line without a secret."""
    return "; ".join(
        f"{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    )


def _text(secret: SecretStr | str) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def _url(text: str, drivers: dict[str, str]) -> URL:
    known = drivers | {driver: driver for driver in drivers.values()}
    try:
        url = make_url(text)
        url = url.set(drivername=known[url.drivername])
    except (ArgumentError, KeyError, ValueError):
        raise ValueError(_FORM) from None
    return _file(url, text) if url.drivername == "sqlite" else _server(url, text)


def _server(url: URL, text: str) -> URL:
    raw = make_url(text.replace("%40", ""))
    if "@" in f"{raw.host}{raw.database}{[*raw.query]}":  # a part of the password, which would be shown
        raise ValueError("write an @ of the password as %40")
    if find_spec("psycopg") is None:
        raise ValueError('PostgreSQL\'s driver is missing. Install it: python -m pip install -e ".[postgresql]"')
    try:
        url.get_dialect()().create_connect_args(url)
    except NoSuchModuleError:
        package = f"sqlalchemy-{url.get_backend_name()}"
        raise ValueError(
            f"SQLAlchemy's dialect {url.drivername} is missing. Install it: python -m pip install {package}"
        ) from None
    except ArgumentError:  # a server or a port of the query
        raise ValueError(_FORM) from None
    return url


def _file(url: URL, text: str) -> URL:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ValueError("a database in memory would be empty for every connection: name a file, like sqlite:///app.db")
    if "?" in text:
        raise ValueError(
            "SQLite's URL ends with the file, and a ? of its name is %3F. Instead of ?timeout= set"
            " DATABASE_LOCK_TIMEOUT_S, for alembic MIGRATION_WAIT_S"
        )
    file = PROJECT / url.database
    if file.is_dir():
        raise ValueError(f"{file} is a folder: name a file")
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist: make it, or name a file in another one")
    return url.set(database=str(file))
