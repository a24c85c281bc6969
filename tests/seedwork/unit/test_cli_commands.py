"""Commands that are made from use cases."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any, NewType, TypedDict, Unpack
from uuid import UUID

import pytest
import typer

from adapters.seedwork.cli.commands import Commands
from adapters.seedwork.cli.program import Program
from domain.seedwork.repository import Page
from domain.seedwork.rules import EmailAddress, text
from tests.seedwork.command_line import Run, printed, runner

ID = "019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d"
BoxId = NewType("BoxId", UUID)


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Thing:
    name: str
    made: date


class Code(str):
    __slots__ = ()


@dataclass(frozen=True)
class Sender:
    name: str
    email: EmailAddress | None = None


@dataclass(frozen=True)
class Box:
    values: dict[str, Any]


class Changes(TypedDict, total=False):
    name: str
    weight: Decimal | None
    sealed: bool


def pack(
    uow: str,
    box_id: BoxId,
    size: Size = Size.SMALL,
    *,
    name: str,
    sealed: bool = False,
    weight: Decimal | None = None,
    at: datetime | None = None,
    labels: dict[str, Any] | None = None,
    things: Sequence[Thing] = (),
) -> Box:
    """Pack a box. It is not sent.

    Raises: nothing.
    """
    return Box(locals())


def change(uow: str, box_id: BoxId, *, expected_version: int | None = None, **changes: Unpack[Changes]) -> Box:
    """Change a box."""
    return Box({"version": expected_version} | changes)


def find(uow: str, name: str) -> Box | None:
    """Return the box with a name, or None."""
    return None


def list_boxes(
    uow: str, size: Size, *, sealed: bool | None = None, after: UUID | None = None, limit: int = 50
) -> Page[Box]:
    """Return a page of ``limit`` boxes."""
    return Page((Box({"size": size, "sealed": sealed, "after": after, "limit": limit}),), None if after else UUID(ID))


def send(
    uow: str, code: Code, *, to: EmailAddress, sender: Sender, wait: timedelta = timedelta(), labels: list[str]
) -> Box:
    """Send a box."""
    return Box(
        {
            "code": [type(code).__name__, code],
            "to": [type(to).__name__, to],
            "sender": [type(sender).__name__, type(sender.email).__name__, sender.name, sender.email],
            "wait": wait.total_seconds(),
            "labels": labels,
        }
    )


def forget(uow: str, box_id: BoxId) -> None:
    """Forget a box."""


@pytest.fixture
def run() -> Run:
    def wild(value: object) -> object:
        raise LookupError(value)

    commands = Commands(lambda: nullcontext("unit"), help="Boxes.", rules={"name": text("name", 1, 20), "sealed": wild})
    commands.writing("pack", pack)
    commands.writing("change", change)
    commands.reading("find", find)
    commands.reading("list", list_boxes)
    commands.writing("send", send)
    commands.writing("forget", forget)
    app = typer.Typer(cls=Program)
    app.add_typer(commands, name="boxes")
    return partial(runner(app), "boxes")


def test_the_help_shows_what_to_type_and_no_markup(run: Run) -> None:
    assert f"boxes change {ID} --name NAME" in " ".join(run("change", "--help").stdout.split())
    assert "Show a page of limit boxes." in run("list", "--help").stdout


def test_a_use_case_is_called_with_what_was_typed(run: Run) -> None:
    typed = ["--name", "Books", "--sealed", "--weight", "1.50", "--at", "2026-02-03T12:00:00Z", "--labels", '{"a": 1}']
    things = '[{"name": "pen", "made": "2026-02-03"}]'

    [box] = printed(run("pack", ID, "large", *typed, "--things", things, "--json"))

    assert box["values"] == {
        "uow": "unit",
        "box_id": ID,
        "size": "large",
        "name": "Books",
        "sealed": True,
        "weight": "1.50",
        "at": str(datetime(2026, 2, 3, 12, tzinfo=UTC)),
        "labels": {"a": 1},
        "things": [{"name": "pen", "made": "2026-02-03"}],
    }


def test_a_table_shows_a_value_object_as_a_command_takes_it(run: Run) -> None:
    shown = run(
        "pack", ID, "--name", "Books", "--weight", "1.50", "--things", '[{"name": "pen", "made": "2026-02-03"}]'
    )

    assert '"weight": "1.50"' in shown.stdout
    assert '"things": [{"name": "pen", "made": "2026-02-03"}]' in shown.stdout


def test_a_text_of_a_type_of_its_own_and_a_value_object_are_read(run: Run) -> None:
    sender = '{"name": "Jane Roe", "email": "Jane@Example.com"}'

    [box] = printed(
        run(
            "send",
            "B-1",
            "--to",
            "John@example.com",
            "--sender",
            sender,
            "--wait",
            "1:30:00",
            "--labels",
            "a",
            "--json",
        )
    )

    assert box["values"] == {
        "code": ["Code", "B-1"],
        "to": ["EmailAddress", "john@example.com"],
        "sender": ["Sender", "EmailAddress", "Jane Roe", "jane@example.com"],
        "wait": 5400,
        "labels": ["a"],
    }


async def weigh_later(uow: str) -> None:
    """Weigh a box."""


def weigh_in_parts(uow: str) -> Iterator[int]:
    """Weigh a box."""
    yield 1


@pytest.mark.parametrize("use_case", [weigh_later, weigh_in_parts])
def test_a_command_that_returns_before_its_work_is_done_is_refused_when_it_is_made(
    use_case: Callable[[str], object],
) -> None:
    with pytest.raises(TypeError, match=rf"{use_case.__name__}\(\) returns before its work is done"):
        Commands(lambda: nullcontext("unit"), help="Boxes.").writing("weigh", use_case)


@pytest.mark.parametrize(
    "kind", [object, bytes, Sequence[str], list[Code], set[str], int | str, UUID | int | None], ids=str
)
def test_a_command_for_what_cannot_be_typed_is_refused_when_it_is_made(kind: Any) -> None:
    def weigh(uow: str, *, scales: Any) -> None:
        """Weigh a box."""

    weigh.__annotations__["scales"] = kind

    with pytest.raises(TypeError, match=r"weigh\(\) takes scales: .*, which no command can read\. Let it take"):
        Commands(lambda: nullcontext("unit"), help="Boxes.").writing("weigh", weigh)


@pytest.mark.parametrize("annotations", [{"return": int}, {"return": list[str]}, {"return": Page[str]}, {}], ids=str)
def test_a_command_for_what_cannot_be_shown_is_refused_when_it_is_made(annotations: dict[str, Any]) -> None:
    def count(uow: str) -> Any:
        """Return how many boxes there are."""

    count.__annotations__ = annotations

    with pytest.raises(TypeError, match=r"count\(\) returns .*, which no command can show\. Let it return"):
        Commands(lambda: nullcontext("unit"), help="Boxes.").writing("count", count)


def test_what_was_not_typed_has_the_use_cases_default(run: Run) -> None:
    [box] = printed(run("pack", ID, "--name", "Books", "--json"))

    assert (box["values"]["size"], box["values"]["sealed"], box["values"]["things"]) == ("small", False, [])


def test_of_changes_those_are_made_that_were_typed(run: Run) -> None:
    [box] = printed(run("change", ID, "--name", "Pens", "--no-sealed", "--expected-version", 3, "--json"))

    assert box["values"] == {"version": 3, "name": "Pens", "sealed": False}


def test_a_value_that_may_be_missing_is_taken_away(run: Run) -> None:
    [box] = printed(run("change", ID, "--unset", "weight", "--json"))

    assert box["values"] == {"version": None, "weight": None}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["pack", "7", "--name", "Books"], "write it like 019a"),
        (["pack", ID], "Missing option '--name'"),
        (["pack", ID, "--name", "Books", "--weight", "heavy"], "write it like 12.50"),
        (["pack", ID, "--name", "Books", "--things", '[{"name": "pen"}]'], "0.made: Field required"),
        (["pack", ID, "huge", "--name", "Books"], "'small', 'large'"),
        (["send", "B-1", "--to", "nobody", "--sender", "{}", "--labels", "a"], "write it like john@example.com"),
        (["send", "B-1", "--to", "a@b.co", "--sender", "Jane", "--labels", "a"], "Invalid JSON"),
        (
            ["send", "B-1", "--to", "a@b.co", "--sender", '{"name": "Jane Roe", "email": "nobody"}', "--labels", "a"],
            "write it like john@example.com",
        ),
        (["change", ID, "--unset", "sealed"], "sealed has no value to take away"),
        (["find", "Books"], "There is none with the name Books."),
    ],
)
def test_what_can_not_be_done_is_said(run: Run, arguments: list[str], reason: str) -> None:
    assert reason in " ".join(run(*arguments).stderr.replace("│", " ").split())


def test_a_page_says_what_to_type_for_the_next_one(run: Run) -> None:
    page = run("list", "large", "--no-sealed", "--limit", 10)

    *_, command = page.stderr.strip().partition("list ")
    assert command == f"large --no-sealed --after {ID} --limit 10"
    assert "after" in run("list", *command.split()).stdout
    assert run("list", *command.split()).stderr == ""


def test_what_returns_nothing_prints_nothing(run: Run) -> None:
    assert (run("forget", ID).exit_code, run("forget", ID).stdout) == (0, "")


def test_help_is_the_use_cases_first_sentence_and_what_the_rules_allow(run: Run) -> None:
    said = " ".join(run("pack", "--help").stdout.replace("│", " ").split())

    assert "Pack a box." in said
    assert "It is not sent" not in said
    assert "1 to 20 visible characters" in said
    assert 'As [{"name": "...", "made": "..."}].' in said
    assert f"$ acme boxes pack {ID} --name NAME" in said
    assert "Show the box with a name." in run("find", "--help").stdout


def test_help_shows_what_a_value_object_and_a_text_of_a_type_of_its_own_are_written_like(run: Run) -> None:
    said = " ".join(run("send", "--help").stdout.replace("│", " ").split())

    assert 'As {"name": "...", "email": "..."}.' in said
    assert "As 1:30:00." in said
    assert "--to TEXT" in said
