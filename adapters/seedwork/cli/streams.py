"""Files and standard streams to read and to write, with a progress bar where a person is looking.

Typer's ``atomic`` files are not used: they get their name after a failure, too.
"""

import io
import os
import stat
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, FileSizeColumn, Progress, TextColumn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STANDARD = Path("-")
"""Stands for standard input, or output, in place of a file's name."""
CHUNK = 65_536
"""How many bytes are written at once."""


@contextmanager
def open_input(path: Path) -> Generator[BinaryIO]:
    """Open a file, or standard input, to read it. Raises: TyperException (standard input is closed), OSError."""
    if path == STANDARD:
        require_standard_input()
        yield typer.get_binary_stream("stdin")
    else:
        with _progress() as progress, progress.open(path, "rb", description="Reading") as file:
            yield file


@contextmanager
def open_output(path: Path) -> Generator[BinaryIO]:
    """Open a file, or standard output, to write it.

    A file gets its name when it is complete, and not before: whoever opens it finds the old one or the new one. Its
    permissions stay, and a symbolic link to it. What is no file, as a pipe or a device, is written as it is.

    Raises: OSError.
    """
    with _target(path) as file, _progress(hidden=file.isatty()) as progress:
        advance = partial(progress.advance, progress.add_task("Writing", total=None))
        with closing(_Counted(file, advance)) as counted:  # after a failure the buffer must write no more
            buffer = io.BufferedWriter(counted, CHUNK)
            yield buffer
            buffer.flush()
            file.flush()


def require_standard_input() -> None:
    """Raise TyperException if the program was started without standard input."""
    if sys.stdin is None:
        raise typer.TyperException("Standard input is closed, so nothing was done. Try: < FILE")


@contextmanager
def _target(path: Path) -> Generator[BinaryIO]:
    if path == STANDARD:
        yield typer.get_binary_stream("stdout")
        return
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with path.open("wb") as file:
            yield file
        return
    try:
        with _replacement(Path(os.path.realpath(path)), mode) as file:
            yield file
    except OSError as error:
        error.filename = path  # the caller has never seen the name of the part
        raise


@contextmanager
def _replacement(target: Path, mode: int | None) -> Generator[BinaryIO]:
    part = target.with_name(f".{token_hex(16)}.part")
    with ExitStack() as at_end:
        # x: a file that is there already, or a link in its place, is refused
        with open(part, "xb", opener=partial(os.open, mode=0o666 if mode is None else 0o600)) as file:
            at_end.callback(part.unlink, missing_ok=True)
            yield file
            if mode is not None:
                # after the last byte: a write by any user but root clears the set-user-ID bit
                part.chmod(stat.S_IMODE(mode))
            os.fsync(file.fileno())  # else a power failure could leave the name without its bytes
        part.replace(target)


def _progress(*, hidden: bool = False) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), FileSizeColumn())
    return Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal)


class _Counted(io.RawIOBase):
    """Counts the bytes that are written through it; rich counts only those that are read."""

    def __init__(self, stream: BinaryIO, advance: Callable[[int], None]) -> None:
        self._stream = stream
        self._advance = advance

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        written = self._stream.write(data)
        self._advance(written)
        return written
