"""Files of the command line, read and written: whole, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.seedwork.cli import streams
from adapters.seedwork.cli.streams import open_output
from tests.seedwork.command_line import PROGRAM, Run, Start, finished, needs_a_full_disk, on_terminal, refusal

Write = Callable[[str], Path]

ORDERS = "number\nA1\nA2\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file."""

    def write(content: str) -> Path:
        file = tmp_path / "orders.csv"
        file.write_text(content)
        return file

    return write


@pytest.fixture
def two_orders(run: Run, write: Write) -> None:
    assert run("orders", "import", write(ORDERS)).exit_code == 0


def many(count: int) -> str:
    return "number\n" + "".join(f"A{n}\n" for n in range(count))


# ---- export and import --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "format"), [(ORDERS, "csv"), ('{"number": "Ω"}\n{"number": "=A2"}\n', "jsonl")], ids=["csv", "jsonl"]
)
def test_the_export_of_what_was_imported_is_the_same_file(run: Run, content: str, format: str) -> None:
    assert run("orders", "import", "-", "--format", format, stdin=content).exit_code == 0

    exported = run("orders", "export", "--columns", "number", "--format", format)

    assert exported.stdout_bytes.decode() == content


# ---- reading ------------------------------------------------------------------------------------------------------


def test_what_is_no_file_is_reported_in_one_line(run: Run, tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)

    assert refusal(run("orders", "import", tmp_path / "none.csv")) == (
        1,
        f"{tmp_path}/none.csv: No such file or directory",
    )
    assert refusal(run("orders", "import", tmp_path)) == (1, f"{tmp_path}: Is a directory")
    assert refusal(run("orders", "import", loop)) == (1, f"{loop}: Too many levels of symbolic links")


def test_standard_input_that_is_closed_is_reported_in_one_line(start: Start) -> None:
    complaint = f"{PROGRAM}: Standard input is closed, so nothing was done. Try: < FILE\n"

    assert finished(start("orders", "import", "-", shell="<&-")) == (1, "", complaint)
    assert finished(start("console", shell="<&-")) == (1, "", complaint)


# ---- writing ------------------------------------------------------------------------------------------------------


def export(run: Run, file: Path) -> None:
    result = run("orders", "export", "--file", file, "--columns", "number")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_new_file_is_as_private_as_the_person_wants_new_files(run: Run, two_orders: None, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        export(run, tmp_path / "new.csv")
    finally:
        os.umask(before)

    assert oct((tmp_path / "new.csv").stat().st_mode & 0o777) == "0o640"


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o4750])
def test_a_file_keeps_its_permissions(run: Run, two_orders: None, tmp_path: Path, mode: int) -> None:
    file = tmp_path / "out.csv"
    file.touch()
    file.chmod(mode)

    export(run, file)

    assert file.read_text() == ORDERS
    assert oct(file.stat().st_mode & 0o7777) == oct(mode)


def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.touch(0o600)

    with open_output(file) as opened:
        [part] = tmp_path.glob("*.part")
        assert oct(part.stat().st_mode & 0o777) == "0o600"
        opened.write(b"whole")

    assert file.read_bytes() == b"whole"


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing"])
def test_a_symbolic_link_is_written_through(run: Run, two_orders: None, tmp_path: Path, *, there: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    target, link = folder / "target.csv", tmp_path / "link.csv"
    target.touch() if there else None
    link.symlink_to(target)

    export(run, link)

    assert link.is_symlink()
    assert target.read_text() == ORDERS
    assert list(folder.iterdir()) == [target]


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"

    with open_output(file) as first, open_output(file) as second:
        first.write(b"first " * 10_000)
        second.write(b"second " * 10_000)
        assert not file.exists()

    assert file.read_bytes() == b"first " * 10_000  # which was the last to be complete
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_of_somebody_else_is_never_written_nor_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "token_hex", lambda _: "guessed")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    planted = tmp_path / ".guessed.part"
    planted.symlink_to(victim)

    with pytest.raises(FileExistsError), open_output(tmp_path / "out.csv"):
        pytest.fail("opened")

    assert victim.read_text() == "precious"
    assert planted.is_symlink()


def test_another_file_whose_name_is_like_that_of_a_part_is_left_alone(
    run: Run, two_orders: None, tmp_path: Path
) -> None:
    (tmp_path / "out.csv.part").write_text("mine")

    export(run, tmp_path / "out.csv")

    assert (tmp_path / "out.csv.part").read_text() == "mine"


def test_an_export_that_fails_leaves_the_file_that_was_there(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = write("the export of yesterday")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")

    assert run("orders", "export", "--file", file).exit_code == 1

    assert file.read_text() == "the export of yesterday"
    assert list(tmp_path.glob("*.part")) == []


def test_an_export_to_a_named_pipe_goes_through_it(run: Run, two_orders: None, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    export(run, pipe)
    exported = os.read(reader, 10_000).decode()
    os.close(reader)

    assert exported == ORDERS


def test_an_export_to_a_device_goes_to_it(run: Run, two_orders: None) -> None:
    export(run, Path("/dev/null"))

    assert Path("/dev/null").is_char_device()


@needs_a_full_disk
def test_an_export_to_a_device_that_takes_nothing_is_a_failure(run: Run, two_orders: None) -> None:
    assert refusal(run("orders", "export", "--file", "/dev/full")) == (1, "No space left on device")


def test_a_file_that_cannot_be_written_is_reported_in_one_line(run: Run, two_orders: None, tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)

    missing = refusal(run("orders", "export", "--file", tmp_path / "none" / "out.csv"))

    assert missing == (1, f"{tmp_path}/none/out.csv: No such file or directory")
    assert refusal(run("orders", "export", "--file", tmp_path)) == (1, f"{tmp_path}: Is a directory")
    assert refusal(run("orders", "export", "--file", loop)) == (1, f"{loop}: Too many levels of symbolic links")
    assert loop.is_symlink()


def test_an_export_whose_reader_has_gone_ends_quietly(run: Run, start: Start, write: Write) -> None:
    run("orders", "import", write(many(5_000)))
    process = start("orders", "export")
    assert process.stdout
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None

    assert finished(process) == (1, "", "")


@needs_a_full_disk
def test_an_export_that_standard_output_does_not_take_is_a_failure(run: Run, start: Start, two_orders: None) -> None:
    assert finished(start("orders", "export", shell="> /dev/full")) == (1, "", f"{PROGRAM}: No space left on device\n")


# ---- progress -----------------------------------------------------------------------------------------------------


def test_progress_is_shown_on_a_terminal(start: Start, write: Write, tmp_path: Path) -> None:
    assert "Reading" in on_terminal(start, "stderr", "orders", "import", write(many(100)))
    assert "Writing" in on_terminal(start, "stderr", "orders", "export", "--file", tmp_path / "out.csv")


def test_no_progress_is_shown_in_a_pipe(run: Run, write: Write) -> None:
    assert run("orders", "import", write(many(10))).stderr == ""
