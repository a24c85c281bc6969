"""Apply each mutant of ``mutants.diff`` to a copy of the project without your aggregates: a test must fail.

``make mutants`` runs it: first all of ``tests/seedwork`` with its coverage, then against each mutant the unit and
contract tests of it, on memory and SQLite. The state machine is left out: what it finds by chance must have a test of
its own. A use case of yours that forgets to commit must fail your tests. A mutant that survives is a rule that no test
keeps.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import pytest

from adapters.seedwork.settings import PROJECT
from tests.seedwork.bare import copy_project, remove_aggregates, run_seedwork_tests

TESTS = PROJECT / "tests" / "seedwork"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not postgresql")
SURVIVED = "SURVIVED"


@dataclass(frozen=True)
class Mutant:
    """One way to break the code: ``new`` in the place of ``old``."""

    sentence: str
    file: str
    old: str
    new: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a mutant as it stands in ``mutants.diff``."""
        sentence, file, *hunk = text.splitlines(keepends=True)
        old = "".join(line[1:] for line in hunk if line[0] != "+")
        new = "".join(line[1:] for line in hunk if line[0] != "-")
        return cls(sentence.strip(), file.strip(), old, new)

    @property
    def is_yours(self) -> bool:
        """Whether it breaks a file of yours, so that your tests must notice."""
        return "seedwork" not in Path(self.file).parts

    def broken(self) -> str:
        """Return the file with the hunk in it. Raises: ValueError (the old text does not stand there once)."""
        file = PROJECT / self.file
        text = file.read_text() if file.exists() else ""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.sentence} This stands {text.count(self.old)} times in {self.file}:\n{self.old}")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """All of them."""
    paragraphs = re.split(r"\n\n+", (TESTS / "mutants.diff").read_text().strip())
    written = [Mutant.parse(f"{paragraph}\n") for paragraph in paragraphs if not paragraph.startswith("#")]
    return [*written, *forgotten_commits()]


def forgotten_commits() -> Iterator[Mutant]:
    """One for each commit of each use case, the tests' own and yours."""
    for path in (TESTS / "use_cases.py", *sorted((PROJECT / "service_layer").glob("*.py"))):
        source = path.read_text()
        for function in ast.parse(source).body:
            if isinstance(function, ast.FunctionDef):
                old = f"{ast.get_source_segment(source, function)}\n"
                for commit in re.finditer(r"^( +)uow\.commit\(\)\n", old, re.MULTILINE):
                    new = f"{old[: commit.start()]}{commit[1]}pass\n{old[commit.end() :]}"
                    line = function.lineno + old.count("\n", 0, commit.start())
                    sentence = f"{function.name}() forgets the commit of line {line}."
                    yield Mutant(sentence, path.relative_to(PROJECT).as_posix(), old, new)


def misfits(all_mutants: list[Mutant]) -> Iterator[str]:
    """What is wrong with each hunk that does not fit."""
    for mutant in all_mutants:
        try:
            mutant.broken()
        except ValueError as error:
            yield str(error)


def fate_of(mutant: Mutant) -> str:
    """Run the tests on a mutant; return the outcome."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "project"
        copy_project(tree)
        if not mutant.is_yours:
            remove_aggregates(tree)
        (tree / mutant.file).write_text(mutant.broken())
        tests = tree / "tests" if mutant.is_yours else tree / "tests" / "seedwork"
        suite = [file for folder in ("unit", "contract") for file in sorted(tests.glob(f"{folder}/test_*.py"))]
        suite = [file for file in suite if file.name != "test_state_machine.py"]
        try:
            ended = subprocess.run(
                # each with a folder of its own: pytest removes old ones of the common folder, and two would collide
                [*PYTEST, f"--basetemp={folder}/pytest", *map(str, suite)],
                cwd=tree,
                check=False,
                capture_output=True,
                text=True,
                timeout=120,
            )
        except subprocess.TimeoutExpired:
            return "killed, for it hangs"
    if ended.returncode == pytest.ExitCode.OK:
        return SURVIVED
    if killer := re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", ended.stdout, re.MULTILINE):
        return f"killed by {killer[1]}"
    if "KeyboardInterrupt" in ended.stdout:  # that of a test, which nothing has caught
        return "killed, for it interrupts the tests"
    raise RuntimeError(f"The tests did not run:\n{ended.stdout}{ended.stderr}")


def main() -> None:
    """Try all of them; the exit code is 1 if one survives."""
    all_mutants = mutants()
    if wrong := list(misfits(all_mutants)):
        sys.exit("\n".join([*wrong, f"{len(wrong)} hunks of mutants.diff do not fit."]))
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "project"
        copy_project(tree)
        remove_aggregates(tree)
        if run_seedwork_tests(tree):
            sys.exit("The tests fail without a mutant: fix that first.")
    survivors = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, fate in zip(all_mutants, pool.map(fate_of, all_mutants), strict=True):
            print(f"{mutant.sentence:<80} {fate}", flush=True)
            survivors += fate == SURVIVED
    print(f"{len(all_mutants)} mutants, {survivors} survived")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
