"""Measures all, and writes the results, the chart and the figures of ``docs/performance.md``.

python -m benchmarks             all of it
python -m benchmarks requests    only this, shown and not written: requests, threads, tasks, distant, pages,
                                 streams, bulk, memory, starts
python -m benchmarks instructions    those of a request on SQLite, by valgrind in seven minutes; not a part of all
"""

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from benchmarks import instructions, report, tasks, works
from benchmarks.clock import Figure, Peak
from benchmarks.databases import NewDatabase, distant_postgresql, postgresql, sqlite
from benchmarks.subjects import BASELINE, DRIVERS
from tests.seedwork.postgresql_server import PostgresNotFound

P = ParamSpec("P")
T = TypeVar("T")

MEASURED_FOR_MEMORY = (
    DRIVERS["SQLite"],
    "core:Core",
    BASELINE,
    "groundwork:Groundwork",
    "groundwork:GroundworkService",
    "django_orm:Django",
)


def main() -> None:
    """Measure what the command line names, or all."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    wanted = sys.argv[1:]
    results = list(_measured(lambda part: part in wanted if wanted else part != "instructions"))
    print(report.tables(results))
    if not wanted:
        report.write(results)


def _measured(wanted: Callable[[str], bool]) -> Iterator[Figure | Peak]:
    with sqlite() as new:
        yield from _measured_on("SQLite", new, wanted)
        if wanted("instructions"):
            yield from instructions.instructions(new)
        if wanted("bulk"):
            yield from _in_a_new_process(works.bulk, "SQLite", new(rows=0))
        if wanted("memory"):
            million = new(rows=1_000_000)
            for subject in MEASURED_FOR_MEMORY:
                yield _in_a_new_process(works.peak, "SQLite", million, subject, works.STREAM)
                yield _in_a_new_process(works.peak, "SQLite", new(rows=0), subject, works.MAKE_AND_INSERT)
    try:
        with postgresql() as new:
            yield from _measured_on("PostgreSQL", new, wanted)
            if wanted("threads"):
                yield from _in_a_new_process(works.requests_by_threads, "PostgreSQL", new(rows=1_000))
            if wanted("tasks"):
                yield from _in_a_new_process(tasks.gets_by_tasks, "PostgreSQL", new(rows=1_000))
        if wanted("distant"):
            with distant_postgresql() as new:
                yield from _in_a_new_process(works.distant_requests, "PostgreSQL", new(rows=1_000))
    except PostgresNotFound as error:
        print(f"NOT MEASURED ON POSTGRESQL: {error}", file=sys.stderr)
    if wanted("starts"):
        yield from works.starts()


def _measured_on(database: str, new: NewDatabase, wanted: Callable[[str], bool]) -> Iterator[Figure | Peak]:
    if wanted("requests"):
        yield from _in_a_new_process(works.requests, database, new(rows=1_000))
    if wanted("pages"):
        yield from _in_a_new_process(works.pages, database, new(rows=works.LATE + 100))
    if wanted("streams"):
        yield from _in_a_new_process(works.streams, database, new(rows=works.TIMED))


def _in_a_new_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    print(function.__name__, *args[:1], *args[2:], file=sys.stderr)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *args, **kwargs).result()


if __name__ == "__main__":
    main()
