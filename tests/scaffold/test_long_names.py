"""Long names make no line that is too long: where one can't be avoided, nothing is written."""

import subprocess
from pathlib import Path

import pytest

from scaffold import registering
from scaffold.checkout import Refused
from scaffold.planning import planned
from scaffold.registering import registered
from scaffold.texts import ruff

TYPES = (
    *("str(5):unique:optional", "email:unique", "email:optional", "json:optional", "datetime:unique:index"),
    *("uuid:optional:unique", "decimal(15,2):default=1234567890123.45", "int(-9223372036854775807..):index"),
    *("bool:default=false", "enum(draft,placed)", "enum(draft,placed):optional"),
)
AGGREGATES = {
    "bank_account": "number:str(20):unique",
    "subscription_renewal_request": "steps:parts(day:date number:int(1..) note:str(9))",
    "product_category": "parent:ref(product_category):optional:unique sales:parts(day:date:unique state:enum(a,b))",
    "p" * 51: "a:str(5):unique b:email:optional c:json d:enum(e,f):default=e unique(a,d)",
    "zoo": " ".join(f"{letter * 53}:{kind}" for letter, kind in zip("abcdefghijk", TYPES, strict=True)),
    "visit": " ".join([*(f"{letter}:int" for letter in "abcdefghijkmn"), "unique(a,b,c,d,e,f,g,h,i,j,k,m,n)"]),
}


@pytest.mark.parametrize("name", AGGREGATES)
def test_the_longest_names_make_what_ruff_accepts(pages: Path, name: str) -> None:
    aggregate, files = planned(name, AGGREGATES[name])
    texts = files | registered(aggregate)
    for path, text in texts.items():
        (pages / path).write_text(text)

    for command in (("check", "--quiet"), ("format", "--check", "--quiet")):
        done = subprocess.run(
            [ruff(), *command, "--no-cache", *texts],
            cwd=pages,
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("p" * 56, "a:int", f"Try shorter names or values in: {'p' * 55}"),
        ("visit", f"{'s' * 40}:enum(a,b):default=a", "service_layer/visits.py would have a line longer than 120 signs"),
        ("visit", f"label:str(200):default={'x' * 120}", "Try shorter names or values in: "),
    ],
)
def test_a_line_that_cannot_be_short_enough_is_refused(name: str, fields: str, said: str) -> None:
    with pytest.raises(Refused, match="longer than 120 signs") as caught:
        planned(name, fields)

    assert said in str(caught.value)


def test_a_registration_that_was_broken_into_lines_is_not_written_again(pages: Path) -> None:
    aggregate, _ = planned("p" * 51, "a:int")
    for page, text in registered(aggregate).items():
        (pages / page).write_text(text)

    assert registered(aggregate) == {page: (pages / page).read_text() for page in registering.PAGES}
