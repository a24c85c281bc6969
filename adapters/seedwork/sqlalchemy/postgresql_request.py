"""The text of one request to PostgreSQL: BEGIN, and a statement with its values.

Source: psycopg, "Data adaptation configuration".
"""

from collections.abc import Mapping
from typing import Any  # Any, below: psycopg is an extra


def request_of(dbapi: Any, driver: Any, statement: str, values: Mapping[str, object]) -> str:
    """Return BEGIN as psycopg would send it, and a statement: a request of two has no parameters.

    Args:
        dbapi: psycopg.
        driver: its connection, which says how a transaction begins and how a value is quoted.
        statement: with a placeholder for each of ``values``, such as ``%(name)s``.
    """
    return f"{_begin(driver)};{statement % {name: _literal(dbapi, driver, value) for name, value in values.items()}}"


def _begin(driver: Any) -> str:
    level, read_only, deferrable = driver.isolation_level, driver.read_only, driver.deferrable
    words = [
        f"ISOLATION LEVEL {level.name.replace('_', ' ')}" if level is not None else "",
        {None: "", True: "READ ONLY", False: "READ WRITE"}[read_only],
        {None: "", True: "DEFERRABLE", False: "NOT DEFERRABLE"}[deferrable],
    ]
    return " ".join(("BEGIN", *filter(None, words)))


def _literal(dbapi: Any, driver: Any, value: object) -> str:
    """Return a value as psycopg quotes it, with the type that psycopg gives to a parameter."""
    if value is None:
        return "NULL"
    kind, form = type(value), dbapi.adapt.PyFormat.TEXT
    dumper = driver.adapters.get_dumper(kind, form)(kind, driver).upgrade(value, form)
    quoted = bytes(dumper.quote(value)).decode(driver.info.encoding)
    if "'" not in quoted and quoted != "NULL":
        quoted = f"'{quoted.strip()}'"  # a number: PostgreSQL reads -1::smallint as -(1::smallint)
    known = driver.adapters.types.get(dumper.oid)
    return f"{quoted}::{known.regtype}{'[]' * (dumper.oid == known.array_oid)}" if known else quoted
