"""What pytest asks at the start of a run, and of a test that a given server can't pass."""

from collections.abc import Generator, Iterator

import pytest

from adapters.seedwork.sqlalchemy.gaps import SAVEPOINTS
from tests.seedwork.given.facts import facts, find_out
from tests.seedwork.given.session import VARIABLE


def pytest_configure() -> None:
    """Find out what the server can."""
    find_out()


def pytest_report_header() -> list[str]:
    """Say so, in a sentence each."""
    found = facts()
    return [f"PostgreSQL: the server of {VARIABLE}", *(f"  {text}" for text in found.sentences)] if found else []


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Skip a test that has opened a block inside a block, where the server can't."""
    found = facts()
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as error:
        if found and "savepoints" in found.lacks and any(SAVEPOINTS in str(each) for each in _chain(error)):
            pytest.skip(f"it opens a block inside a block, and the server of {VARIABLE} has no savepoints")
        raise


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
