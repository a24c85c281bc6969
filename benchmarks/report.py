"""The report: tables for the terminal and for ``docs/performance.md``, the results as JSON, the chart."""

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import TypeVar

from benchmarks import chart, instructions, tasks, works
from benchmarks.clock import Figure, Peak

HERE = Path(__file__).parent
RESULTS, CHART = HERE / "results" / "latest.json", HERE / "results" / "chart.svg"
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- `make bench` writes what follows. -->\n", "<!-- Until here. -->\n"

BASELINE, OURS, SERVICE = "naked session", "groundwork, repository", "groundwork, service function"
LIBRARIES = ("SQLAlchemy", "psycopg", "advanced-alchemy", "sqlmodel", "Django")

Results = Sequence[Figure | Peak]
R = TypeVar("R", Figure, Peak)


def tables(results: Results) -> str:
    """Return the tables as Markdown."""
    return "\n".join(_tables(results))


def write(results: Results) -> None:
    """Write the results, the chart, and the figures of the page."""
    RESULTS.parent.mkdir(exist_ok=True)
    measured = ",\n".join(json.dumps(asdict(result)) for result in results)
    RESULTS.write_text(f'{{"machine": {json.dumps(_machine())},\n"results": [\n{measured}\n]}}\n')
    CHART.write_text(chart.drawn(_of(results, "SQLite", works.REQUEST_WORKS), OURS))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    machine = "; ".join(f"{name} {value}" for name, value in _machine().items())
    PAGE.write_text(f"{before}{BEGIN}\nMeasured: {machine}.\n\n{tables(results)}\n{END}{after}")


def _tables(results: Results) -> Iterator[str]:
    requests = works.REQUEST_WORKS
    many = (works.FIRST_PAGE, works.LATE_PAGE, works.STREAM, works.INSERT, works.MAKE_AND_INSERT)
    threads = f"PostgreSQL, {works.THREADS} threads"
    yield from _targets(results)
    for place in ("SQLite", "PostgreSQL"):
        yield from _table(f"{place}: CPU time of a request, in microseconds", _of(results, place, requests), _cpu)
        yield from _table(
            f"{place}: CPU time of a page of 50, and of each user in a stream or a bulk insert, in microseconds",
            _of(results, place, many),
            _cpu,
        )
    yield from _table(
        f"{works.DISTANT}: time of a request, in microseconds", _of(results, works.DISTANT, requests), _wall
    )
    yield from _table(f"{threads}: time between requests, in microseconds", _of(results, threads, requests), _wall)
    yield from _table(
        "SQLite: thousands of instructions of a request", _of(results, instructions.PLACE, requests), _cpu
    )
    yield from _table(
        f"PostgreSQL, {tasks.TASKS} tasks of one event loop, {tasks.CONNECTIONS} connections: time between gets, in"
        " microseconds; the naked session is an AsyncSession",
        _of(results, f"PostgreSQL, {tasks.TASKS} tasks", [tasks.GET]),
        _wall,
    )
    yield from _table(
        f"SQLite: memory above the start, in MB, for a stream of 1,000,000 and for making and inserting {works.BULK:,}",
        [result for result in results if isinstance(result, Peak)],
        lambda peak: [peak.mb],
    )
    yield from _table(
        "CPU time of a start, in milliseconds",
        _of(results, "starting", ["start"]),
        lambda figure: [time / 1e3 for time in figure.cpu_us],
    )


def _targets(results: Results) -> Iterator[str]:
    figures = {(figure.place, figure.work, figure.subject): figure for figure in results if isinstance(figure, Figure)}
    mb = {(peak.work, peak.subject): peak.mb for peak in results if isinstance(peak, Peak)}

    def ratio(work: str, subject: str, other: str, other_work: str = "") -> float:
        return median(
            _paired(_cpu(figures["SQLite", work, subject]), _cpu(figures["SQLite", other_work or work, other]))
        )

    def distant(work: str) -> float:
        place = works.DISTANT
        return median(_paired(_wall(figures[place, work, OURS]), _wall(figures[place, work, BASELINE])))

    peers = ("textbook unit of work", "advanced-alchemy", "SQLModel")
    shared = (*works.REQUEST_WORKS, works.FIRST_PAGE, works.LATE_PAGE)
    targets: list[tuple[str, float, Callable[[], float]]] = [
        ("register, beside the naked session", 1.05, lambda: ratio("register", OURS, BASELINE)),
        ("get, beside the naked session", 0.90, lambda: ratio("get", OURS, BASELINE)),
        ("change, beside the naked session", 0.90, lambda: ratio("change", OURS, BASELINE)),
        (
            "service function, beside its repository call, the worst of get, change and remove",
            1.15,
            lambda: max(ratio(work, SERVICE, OURS) for work in ("get", "change", "remove")),
        ),
        (
            "beside the best of textbook, advanced-alchemy and SQLModel, the worst of six works",
            1.00,
            lambda: max(ratio(work, OURS, peer) for work in shared for peer in peers),
        ),
        (
            "register by the service function, beside its repository call",
            1.35,
            lambda: ratio("register", SERVICE, OURS),
        ),
        ("get, beside Django", 1.10, lambda: ratio("get", OURS, "Django ORM")),
        ("change, beside Django", 1.10, lambda: ratio("change", OURS, "Django ORM")),
        ("bulk insert, beside `executemany`", 2.5, lambda: ratio(works.INSERT, OURS, "bare driver")),
        (
            "make and bulk insert, beside `executemany` of what is made",
            6.0,
            lambda: ratio(works.MAKE_AND_INSERT, OURS, "bare driver", works.INSERT),
        ),
        (f"{works.LATE_PAGE}, beside page 1", 1.3, lambda: ratio(works.LATE_PAGE, OURS, OURS, works.FIRST_PAGE)),
        ("get, 1 ms away, on the wall, beside the naked session", 0.55, lambda: distant("get")),
        ("register, 1 ms away, on the wall, beside the naked session", 0.75, lambda: distant("register")),
        ("stream of 1,000,000, MB above the start", 40, lambda: mb[works.STREAM, OURS]),
    ]
    yield "| target | at most | measured |"
    yield "| --- | ---: | ---: |"
    for name, limit, measure in targets:
        try:
            measured = measure()
        except KeyError:  # this part was not asked for
            continue
        yield f"| {name} | {limit:g} | {measured:.2f}{'' if measured <= limit else ' **missed**'} |"
    yield ""


def _paired(times: Sequence[float], base: Sequence[float]) -> list[float]:
    """Return the ratios within each round: what slows one round down slows both, and cancels out."""
    return [one / other for one, other in zip(times, base, strict=True) if other]


def _table(title: str, results: Sequence[R], times: Callable[[R], Sequence[float]]) -> Iterator[str]:
    if not results:
        return
    cells = {(result.subject, result.work): times(result) for result in results}
    columns = list(dict.fromkeys(result.work for result in results))

    def cell(subject: str, column: str) -> str:
        measured, base = cells.get((subject, column)), cells.get((BASELINE, column))
        if measured is None:
            return ""
        middle, ratios = median(measured), _paired(measured, base) if base else []
        return f"{middle:,.{0 if middle >= 100 else 1}f}{_shown(ratios)}"

    yield f"**{title}**\n"
    yield f"| | {' | '.join(columns)} |"
    yield f"| --- | {' | '.join('---:' for _ in columns)} |"
    for subject in dict.fromkeys(result.subject for result in results):
        yield f"| {subject} | {' | '.join(cell(subject, column) for column in columns)} |"
    yield ""


def _shown(ratios: Sequence[float]) -> str:
    if not ratios:
        return ""
    if len(ratios) == 1:
        return f" ({ratios[0]:.2f})"
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return f" ({middle:.2f}; {low:.2f}-{high:.2f})"


def _of(results: Results, place: str, wanted: Iterable[str]) -> list[Figure]:
    return [
        result
        for work in wanted
        for result in results
        if isinstance(result, Figure) and (result.place, result.work) == (place, work)
    ]


def _cpu(figure: Figure) -> Sequence[float]:
    return figure.cpu_us


def _wall(figure: Figure) -> Sequence[float]:
    return figure.wall_us


def _machine() -> dict[str, str]:
    described = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    models = [line.partition(": ")[2] for line in described.splitlines() if line.startswith("model name")]
    return {
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": f"{os.cpu_count()} x {models[0] if models else platform.machine()}",
        "system": platform.system(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{library: version(library) for library in LIBRARIES},
    }
