"""Old names of seedwork that forks still call: they work, and warn, until the next major release."""

from dataclasses import dataclass
from uuid import UUID

import pytest
import typer
from typer.testing import CliRunner

from adapters.seedwork.cli.options import show_page
from domain.seedwork.repository import Page

NEXT = UUID("019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d")


@dataclass(frozen=True)
class Thing:
    name: str


def test_a_page_is_shown_and_the_new_way_is_named() -> None:
    app = typer.Typer()

    @app.command()
    def things(context: typer.Context) -> None:
        show_page(context, Thing, Page((Thing("box"),), NEXT), limit=1, as_json=False)

    with pytest.warns(DeprecationWarning, match="show_page goes with the next major release: .*Commands"):
        shown = CliRunner().invoke(app)

    assert shown.stdout.split() == ["name", "box"]
    assert shown.stderr.endswith(f" --limit 1 --after {NEXT}\n")
