"""What a fork notes of where it comes from."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaffold.checkout import Refused, git
from scaffold.rehearsal import commit
from scaffold.source import REFS, Note, fetch, original_of, source_of, without_note, without_secret


@pytest.mark.parametrize(
    ("url", "noted"),
    [
        ("https://host/groundwork.git", "https://host/groundwork.git"),
        ("https://ann:secret@host/groundwork.git", "https://host/groundwork.git"),
        ("https://secret@host:8443/groundwork?token=secret", "https://host:8443/groundwork"),
        ("ssh://git@host:22/groundwork.git", "ssh://git@host:22/groundwork.git"),
        ("ssh://git:secret@host/groundwork.git", "ssh://git@host/groundwork.git"),
        ("git@host:team/groundwork.git", "git@host:team/groundwork.git"),
        ("/srv/a folder/groundwork", "/srv/a folder/groundwork"),
        ("../groundwork", "../groundwork"),
    ],
)
def test_no_secret_of_a_url_is_noted(url: str, noted: str) -> None:
    assert without_secret(url) == noted


def test_the_remote_that_a_forge_calls_upstream_is_the_one_that_is_noted(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert source_of(tmp_path) == ""

    git(tmp_path, "remote", "add", "company", "https://host/theirs")
    assert source_of(tmp_path) == "https://host/theirs"

    git(tmp_path, "remote", "add", "origin", "https://host/clinic")
    assert source_of(tmp_path) == "https://host/clinic"

    git(tmp_path, "remote", "add", "upstream", "https://host/groundwork")
    assert source_of(tmp_path) == "https://host/groundwork"


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "clinic"\n',
        '[project]\nname = "clinic"\n\n# Where this fork began.\n[tool.groundwork]\nsource = "x"\ncommit = "y"\n',
        '[project]\nname = "clinic"\n\n[tool.groundwork]\nsource = "x"\n\n[tool.mine]\nuse = true\n',
        '[project]\nname = "clinic"\n\n[tool.groundwork]  # ours\nsource="x"\ncommit  = "y"\nuse = true\n',
    ],
    ids=["none", "at the end", "before a table of yours", "in another form"],
)
def test_a_note_takes_the_place_of_the_one_before(text: str) -> None:
    noted = Note('C:\\a "b"', "abc").within(text, text)

    assert Note.of(noted) == Note('C:\\a "b"', "abc")
    assert without_note(noted) == without_note(text)
    assert Note.of(without_note(noted)) == Note()
    assert ("use = true" in noted) == ("use = true" in text)


def test_a_source_without_its_history_is_refused(groundwork: Path, tmp_path: Path) -> None:
    shallow, fork = tmp_path / "shallow", tmp_path / "clinic"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{groundwork}", str(shallow))
    git(tmp_path, "init", "--quiet", str(fork))

    with pytest.raises(Refused, match=rf"^{shallow} does not have the whole history\. .* git fetch --unshallow$"):
        fetch(fork, str(shallow))
    git(shallow, "fetch", "--quiet", "--unshallow")
    fetch(fork, str(shallow))


def test_a_fork_that_began_without_the_history_stands_on_the_commit_with_the_same_files(
    groundwork: Path, tmp_path: Path
) -> None:
    fork = tmp_path / "clinic"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{groundwork}", str(fork))
    git(fork, "checkout", "--quiet", "--orphan", "mine")
    commit(fork, "begin")

    fetch(fork, str(groundwork))

    assert (
        original_of(fork, "HEAD") == original_of(fork, f"{REFS}/HEAD") == git(groundwork, "rev-parse", "main").strip()
    )


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes a connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"git://127.0.0.1:{server.getsockname()[1]}/groundwork"


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, silent: str) -> None:
    git(tmp_path, "init", "--quiet")

    with pytest.raises(Refused, match=r"does not answer within 1 s\.$"):
        fetch(tmp_path, silent, timeout_s=0.6)


def test_nor_is_it_on_windows(tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "init", "--quiet")
    program = tmp_path / "taskkill"
    program.write_text('#!/bin/sh\n[ "$1 $2 $3" = "/f /t /pid" ] && exec kill -9 "$4"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delattr(os, "killpg")

    with pytest.raises(Refused, match=r"does not answer within 1 s\.$"):
        fetch(tmp_path, silent, timeout_s=0.6)
