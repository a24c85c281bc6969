"""How a text changes when what it is about goes: what is marked is cut out, and ruff lays out what is left."""

import re
import subprocess

from scaffold import INSTALL
from scaffold.checkout import Refused

PHONY = re.compile(r"^\.PHONY:(?:.*\\\n)*.*$", re.MULTILINE)
"""The line of phony targets, which may be broken by a ``\\`` at its end."""


def without(text: str, mark: str) -> str:
    """Return a text without what is marked."""
    start, end = r"^[ \t]*(?:#|<!--) ", r"(?: -->)?[ \t]*\n"
    region = rf"{start}{mark}: begin{end}.*?{start}{mark}: end{end}"
    line = rf"^[^\n]*(?:#|<!--) {mark}{end}"
    left, count = re.subn(rf"{region}|{line}", "\0", text, flags=re.DOTALL | re.MULTILINE)
    # of the blank lines around what was cut one is left; those elsewhere may be as a formatter wants them
    closed = re.sub(r"\n*(?:\0\n*)+", lambda gap: "\n\n"[: gap[0].count("\n")], left)
    return f"{closed.rstrip()}\n" if count else text


def without_lost_targets(makefile: str) -> str:
    """Return a Makefile whose line of phony targets names none that it does not have; variables and patterns stay."""

    def target(word: re.Match[str]) -> str:
        is_there = re.search(rf"^(?:[^\s#:][^\n:]*\s)?{word[1]}(?:\s[^\n:]*)?:", makefile, re.MULTILINE)
        return word[0] if is_there else ""

    return PHONY.sub(lambda line: re.sub(r"[ \t]+([\w-]+)(?=\s|\Z)", target, line[0]).rstrip(" \t\n\\"), makefile)


def tidy(name: str, text: str) -> str:
    """Return a module as ruff formats it, without imports that nothing uses.

    Raises: Refused (something that is used is gone).
    """
    text, complaints = _ruff(name, text, "check", "--fix", "--select=F401,F821,I", "--output-format=concise")
    if unknown := re.search(r"F821 (.*)", complaints):
        raise Refused(f"{name} still uses it: {unknown[1]}. Take that out first.")
    return laid_out(name, text)


def laid_out(name: str, text: str) -> str:
    """Return a module as ruff lays it out; as it is, if it can't be read."""
    formatted, _ = _ruff(name, text, "format")
    return formatted or text


def ruff() -> str:
    """Return the path of ruff's program: by ``python -m``, each of many starts would take three times as long.

    Raises: Refused (there is none).
    """
    try:
        from ruff import find_ruff_bin  # type: ignore[import-untyped]  # noqa: PLC0415  # has no types; may be missing

        return str(find_ruff_bin())
    except (ImportError, FileNotFoundError):
        raise Refused(f"ruff is not installed here. Write: {INSTALL}") from None


def _ruff(name: str, text: str, *arguments: str) -> tuple[str, str]:
    """Return what ruff makes of a module, and what it complains about."""
    command = [ruff(), *arguments, "--quiet", "--stdin-filename", name, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout, done.stderr
