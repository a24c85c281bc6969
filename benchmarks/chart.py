"""The chart: a bar for each subject, a panel for each work, as plain SVG."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.clock import Figure

LABELS, PANEL, BAR, GAP, HEAD, FOOT = 200, 170, 14, 6, 46, 24
OURS, OTHERS, INK, PAPER = "#0b7285", "#adb5bd", "#212529", "#ffffff"


def drawn(figures: Sequence[Figure], ours: str) -> str:
    """Return the CPU times as SVG; what starts with the first word of ``ours`` is ours, and has a colour of its own."""
    return "\n".join(_lines(figures, ours.partition(",")[0])) + "\n"


def _lines(figures: Sequence[Figure], ours: str) -> Iterator[str]:
    works = list(dict.fromkeys(figure.work for figure in figures))
    subjects = list(dict.fromkeys(figure.subject for figure in figures))
    width, height = LABELS + PANEL * len(works), HEAD + (BAR + GAP) * len(subjects) + FOOT
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="sans-serif" font-size="11" fill="{INK}" role="img">'
    )
    title = "CPU time of a request on SQLite, in microseconds; shorter is better"
    yield f"<title>{title}</title>"
    yield f'<rect width="{width}" height="{height}" fill="{PAPER}"/>'
    yield f'<text x="8" y="18" font-size="13">{title}</text>'
    for row, subject in enumerate(subjects):
        yield f'<text x="{LABELS - 8}" y="{_y(row) + 11}" text-anchor="end">{escape(subject)}</text>'
    for column, work in enumerate(works):
        left = LABELS + PANEL * column
        yield f'<text x="{left}" y="{HEAD - 8}" font-weight="bold">{escape(work)}</text>'
        panel = [figure for figure in figures if figure.work == work]
        longest = max(figure.cpu for figure in panel)
        for figure in panel:
            y, length = _y(subjects.index(figure.subject)), figure.cpu / longest * (PANEL - 50)
            colour = OURS if figure.subject.startswith(ours) else OTHERS
            yield f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
            yield f'<text x="{left + length + 4:.1f}" y="{y + 11}">{figure.cpu:.0f}</text>'
    yield "</svg>"


def _y(row: int) -> int:
    return HEAD + (BAR + GAP) * row
