"""Files and standard streams to read and to write, with a progress bar where a person is looking."""

import io
import shutil
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

STANDARD = Path("-")
"""Stands for standard input, or output, in place of a file's name."""
CHUNK = 65_536
"""How many bytes go through at once."""


@contextmanager
def open_input(path: Path) -> Generator[BinaryIO]:
    """Open a file, or standard input, to read it."""
    opened = nullcontext(typer.get_binary_stream("stdin")) if path == STANDARD else path.open("rb")
    size = None if path == STANDARD else path.stat().st_size
    with opened as file, _counted("Reading", file, size) as counted:
        yield io.BufferedReader(counted, CHUNK)


@contextmanager
def open_output(path: Path) -> Generator[BinaryIO]:
    """Open a file, or standard output, to write it. A file gets its name when it is complete, and not before."""
    with _target(path) as file, _counted("Writing", file, None) as counted:
        buffer = io.BufferedWriter(counted, CHUNK)
        yield buffer
        buffer.flush()
        file.flush()


@contextmanager
def _target(path: Path) -> Generator[BinaryIO]:
    if path == STANDARD:
        yield typer.get_binary_stream("stdout")
        return
    if path.exists() and not path.is_file():  # a device or a pipe is nothing to be replaced
        with path.open("wb") as file:
            yield file
        return
    target = path.resolve()
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            if target.exists():
                shutil.copymode(target, part)  # before the first byte: nobody else may read it
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _counted(description: str, file: BinaryIO, size: int | None) -> Generator["_Counted"]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    hidden = not console.is_terminal or file.isatty()
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        advance = partial(progress.advance, progress.add_task(description, total=size))
        with closing(_Counted(file, advance)) as counted:  # whose buffer has nothing to write any more after a failure
            yield counted


class _Counted(io.RawIOBase):
    """A stream that says how many bytes go through it."""

    def __init__(self, stream: BinaryIO, advance: Callable[[int], None]) -> None:
        self._stream = cast("io.BufferedReader", stream)
        self._advance = advance

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        read = self._stream.read1(len(view))
        view[: len(read)] = read
        self._advance(len(read))
        return len(read)

    def write(self, data: "ReadableBuffer") -> int:
        written = self._stream.write(data)
        self._advance(written)
        return written
