"""How many instructions a request takes, counted by valgrind, where it is installed: a count has no noise.

python -m benchmarks.instructions URL SUBJECT WORK    does each work 20 times, and this one 120 times
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.clock import Figure
from benchmarks.databases import NewDatabase
from benchmarks.subject import AGE
from benchmarks.subjects import BASELINE, subject_at
from benchmarks.works import REQUEST_WORKS

PLACE = "SQLite, instructions"
COUNTED = (BASELINE, "sessions:Textbook", "groundwork:Groundwork", "groundwork:GroundworkService")
FEW, MANY = 20, 120


def instructions(new: NewDatabase) -> Iterator[Figure]:
    """Count them on SQLite, in thousands; nothing where valgrind is not installed."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        print("NO INSTRUCTIONS COUNTED: valgrind is not installed", file=sys.stderr)
        return

    def count(url: str, subject: str, work: str) -> int:
        counter = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        program = [sys.executable, "-m", "benchmarks.instructions", url, subject, work]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        run = subprocess.run([*counter, *program], check=True, capture_output=True, text=True, env=environment)
        [collected] = re.findall(r"Collected : (\d+)", run.stderr)
        return int(collected)

    wanted = [(subject, work) for subject in COUNTED for work in ("none", *REQUEST_WORKS)]
    urls = [new(rows=0) for _ in wanted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(wanted, pool.map(lambda url, asked: count(url, *asked), urls, wanted), strict=True))
    for subject in COUNTED:
        for work in REQUEST_WORKS:
            each = (counts[subject, work] - counts[subject, "none"]) / (MANY - FEW) / 1_000
            yield Figure(PLACE, work, subject_at(subject).name, [each], [each])


def main(url: str, place: str, counted: str) -> None:
    """Do the works of a subject."""
    subject = subject_at(place)(url)
    ids = [subject.register() for _ in range(2 * MANY)]
    for work in REQUEST_WORKS:
        for _ in range(MANY if work == counted else FEW):
            if work == "register":
                subject.register()
            elif work == "get":
                subject.get(ids[0])
            elif work == "change":
                subject.change(ids[0], AGE)
            else:
                subject.remove(ids.pop())


if __name__ == "__main__":
    main(*sys.argv[1:])
