"""Break the house in every way of ``mutants.diff``, one at a time and in a copy of it: the contract suite must fail.

``make mutants`` runs it, on memory and SQLite. The state machine is left out, for what it finds by chance must have a
test of its own. A mutant that survives is a rule that no test keeps.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import pytest

TESTS = Path(__file__).parent
PROJECT = TESTS.parent
PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not postgresql")
SURVIVED = "SURVIVED"


@dataclass(frozen=True)
class Mutant:
    """One way to break the house: ``new`` in the place of ``old``."""

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

    def broken(self) -> str:
        """Return the file with the hunk in it. Raises: ValueError (the old text does not stand there once)."""
        text = (PROJECT / self.file).read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.sentence} This stands {text.count(self.old)} times in {self.file}:\n{self.old}")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """All of them."""
    paragraphs = re.split(r"\n\n+", (TESTS / "mutants.diff").read_text().strip())
    written = [Mutant.parse(f"{paragraph}\n") for paragraph in paragraphs if not paragraph.startswith("#")]
    return [*written, *forgotten_commits()]


def forgotten_commits() -> Iterator[Mutant]:
    """One for each commit of each use case."""
    for path in sorted((PROJECT / "service_layer").glob("*.py")):
        source = path.read_text()
        for function in ast.parse(source).body:
            if isinstance(function, ast.FunctionDef):
                old = f"{ast.get_source_segment(source, function)}\n"
                for commit in re.finditer(r"^( +)uow\.commit\(\)\n", old, re.MULTILINE):
                    new = f"{old[: commit.start()]}{commit[1]}pass\n{old[commit.end() :]}"
                    line = function.lineno + old.count("\n", 0, commit.start())
                    sentence = f"{function.name}() forgets the commit of line {line}."
                    yield Mutant(sentence, str(path.relative_to(PROJECT)), old, new)


def fate_of(mutant: Mutant | None) -> str:
    """Return how the contract suite takes a mutant, or the house as it is."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(PROJECT, tree, ignore=shutil.ignore_patterns(".*", "*.db*"))
        if mutant:
            (tree / mutant.file).write_text(mutant.broken())
        suite = sorted(tree.glob("tests/contract/test_*.py"), reverse=True)  # the quick ones come first then
        suite.remove(tree / "tests/contract/test_state_machine.py")
        try:
            ended = subprocess.run(
                [*PYTEST, *map(str, suite)], cwd=tree, check=False, capture_output=True, text=True, timeout=120
            )
        except subprocess.TimeoutExpired:
            return "killed, for it hangs"
    if ended.returncode == pytest.ExitCode.OK:
        return SURVIVED
    if killer := re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", ended.stdout, re.MULTILINE):
        return f"killed by {killer[1]}"
    raise RuntimeError(f"The tests did not run:\n{ended.stdout}{ended.stderr}")


def main() -> None:
    """Try all of them; the exit code is 1 if one survives."""
    all_mutants = mutants()
    for mutant in all_mutants:
        mutant.broken()  # a hunk that does not fit is told now, and not in three minutes
    if (house := fate_of(None)) != SURVIVED:
        sys.exit(f"The house itself is {house}: mend that first.")
    survivors = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, fate in zip(all_mutants, pool.map(fate_of, all_mutants), strict=True):
            print(f"{mutant.sentence:<80} {fate}", flush=True)
            survivors += fate == SURVIVED
    print(f"{len(all_mutants)} mutants, {survivors} survived")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
