"""What uses a module that is gone is taken out of a module; every other line stays."""

import pytest

from tests.seedwork.forgetting import forget


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("from domain.invoice import Invoice\nx = 1  # stays\n", "x = 1  # stays\n"),
        ("from domain import invoice, order\n", "from domain import order\n"),
        ("from adapters import invoice, order  # another\n", "from adapters import invoice, order  # another\n"),
        (
            "from domain.invoice import A as I\nclass Unit:\n    # theirs\n    invoices: I\n    'All.'\n    a: int\n",
            "class Unit:\n    a: int\n",
        ),
        (
            "from domain.invoice import A\nclass Parts:\n    a: A = A()\n    b: int = 1\n    c = made(a)\n",
            "class Parts:\n    b: int = 1\n",
        ),
        ("from domain.invoice import go\nwith this():\n    go()\n", "with this():\n    pass\n"),
        ("from domain.invoice import go\n@go\n@other\ndef f(): ...\n", ""),
        (
            "from domain.invoice import go\ntry:\n    go()\nfinally:\n    end()\n",
            "try:\n    pass\nfinally:\n    end()\n",
        ),
        ("class Band: ...\ndef of() -> Band: ...\ny = 2\n", "y = 2\n"),
    ],
    ids=[
        "import",
        "one of two",
        "other module",
        "attribute",
        "used attribute",
        "only line",
        "decorated",
        "finally",
        "own",
    ],
)
def test_what_uses_a_gone_module_goes(source: str, left: str) -> None:
    assert forget(source, {"domain.invoice"}, own={"Band"}) == left
