"""Commands that are made from use cases."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
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
from domain.seedwork.rules import text
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
    """Return a page."""
    return Page((Box({"size": size, "sealed": sealed, "after": after, "limit": limit}),), None if after else UUID(ID))


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
    commands.writing("forget", forget)
    app = typer.Typer(cls=Program)
    app.add_typer(commands, name="boxes")
    return partial(runner(app), "boxes")


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
