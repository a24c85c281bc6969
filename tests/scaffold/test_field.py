"""``make field`` finds the places of what it writes by the lines around them, in a file that was edited too."""

import subprocess
from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold import house
from scaffold.checkout import Refused
from scaffold.field import main
from scaffold.merging import merged
from scaffold.rendering import Aggregate

OLD = """import a

class Visit:
    rules = {
        "born": day("born"),
    }

    born: date


def add_visit(born):
    return Visit(born=born)
"""
NEW = """import a
from b import c

class Visit:
    rules = {
        "born": day("born"),
        "vip": boolean("vip"),
    }

    born: date
    vip: bool = False


def add_visit(born, vip=False):
    return Visit(born=born, vip=vip)
"""


def test_a_file_that_was_not_edited_becomes_what_is_generated_now() -> None:
    assert merged(OLD, NEW, OLD) == (NEW, [])


def test_what_was_edited_elsewhere_stays() -> None:
    def edited(text: str) -> str:
        more = '    """A visit."""\n\n    rules = {\n        "place": name("place"),\n'
        text = text.replace("    rules = {\n", more).replace("import a\n", "import a\nimport z\n")
        return f"{text}\n\ndef cancel(visit):\n    visit.born = None\n"

    now, missing = merged(OLD, NEW, edited(OLD))

    assert missing == []
    assert sorted(now.splitlines()) == sorted(edited(NEW).splitlines())
    compile(now, "visit.py", "exec")


def test_a_field_of_ones_own_beside_it_stays() -> None:
    now, missing = merged(OLD, NEW, OLD.replace("    born: date\n", "    born: date\n    place: str\n"))

    assert missing == []
    assert "    born: date\n    vip: bool = False\n    place: str\n" in now


def test_what_is_there_already_is_not_written_twice() -> None:
    assert merged(OLD, NEW, NEW) == (NEW.replace("from b import c\n", "from b import c\nfrom b import c\n"), [])


def test_a_place_that_was_edited_is_told_with_what_belongs_there() -> None:
    now, missing = merged(OLD, NEW, OLD.replace("return Visit(born=born)", "return Visit(born=born.date())"))

    assert "born=born.date()" in now
    assert "vip: bool" in now
    [hunk] = missing
    assert str(hunk) == (
        "  in the place of\n    def add_visit(born):\n        return Visit(born=born)\n"
        "  write\n    def add_visit(born, vip=False):\n        return Visit(born=born, vip=vip)"
    )


def test_two_places_that_get_the_same_line_both_get_it() -> None:
    old = "class A:\n    x: int\n\nclass B:\n    x: int\n"
    new = old.replace("x: int\n", "x: int\n    y: int\n")

    assert merged(old, new, old) == (new, [])


def test_two_places_that_look_alike_are_told_apart_by_the_lines_above() -> None:
    old = "class A:\n    x: int\n\nclass B:\n    x: int\n"

    now, missing = merged(old, f"{old}    y: int\n", old)

    assert (now, missing) == (f"{old}    y: int\n", [])


def test_two_branches_that_change_different_aggregates_are_merged(tmp_path: Path) -> None:
    before = {"hall": "label:str(20)", "visit": "day:date"}
    versions = {
        "mine": before | {"hall": "label:str(20) vip:bool:default=false"},
        "before": before,
        "theirs": before | {"visit": "day:date seen:datetime:optional"},
    }
    for name, aggregates in versions.items():
        (tmp_path / name).write_text(house.record(aggregates) or "")

    merged = subprocess.run(
        ["git", "merge-file", "--stdout", *versions], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    assert merged.stdout == house.record(versions["mine"] | {"visit": versions["theirs"]["visit"]})


def test_what_was_not_generated_gets_no_field() -> None:
    for name in ("visit", ""):
        with pytest.raises(Refused, match=f"^'{name}' is no aggregate that was generated here"):
            main(PROJECT, [name, "vip:bool:default=false"])


def test_a_house_in_which_nothing_was_generated_says_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "PROJECT", tmp_path)

    with pytest.raises(Refused, match=r"None was: write make aggregate name=visit"):
        main(PROJECT, ["visit", "vip:bool:default=false"])


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A house that has a record of visits, and none of their files."""
    (tmp_path / "scaffold").mkdir()
    (tmp_path / "scaffold" / "aggregates.toml").write_text('visit = "label:str(20)"\n')
    monkeypatch.setattr(house, "PROJECT", tmp_path)


@pytest.mark.usefixtures("visits")
def test_a_field_that_is_there_in_other_words_is_told() -> None:
    with pytest.raises(Refused, match=r"^label is a field already: this adds new ones\. .*\nday would be missing"):
        main(PROJECT, ["visit", "label:str(30) day:date"])


@pytest.mark.usefixtures("visits")
def test_what_was_renamed_since_is_told_where_its_name_stands() -> None:
    with pytest.raises(Refused, match=r"^domain/visit\.py is not .*If you renamed visit, .* scaffold/aggregates\.toml"):
        main(PROJECT, ["visit", "vip:bool:default=false"])


@pytest.mark.usefixtures("visits")
def test_without_a_field_nothing_is_said_to_be_identical() -> None:
    with pytest.raises(Refused, match=r"^No field is named\. Try: make field name=visit fields="):
        main(PROJECT, ["visit", ""])


@pytest.mark.parametrize(
    "field",
    [
        "n:decimal(20,2):default=0",
        "n:decimal(20,2):unique",
        "n:int(9..1):default=5",
        "n:text:default=0",
        "n:text no_n:bool:default=false",
        "vip:text no_vip:int:default=0",
        "n:date:default=today",
    ],
)
@pytest.mark.usefixtures("visits")
def test_a_field_whose_type_or_default_is_refused_gets_that_objection_alone(field: str) -> None:
    with pytest.raises(Refused) as caught:
        main(PROJECT, ["visit", field])

    [objection] = caught.value.args
    assert objection.startswith(f"{field.split(maxsplit=1)[0]}: ")


KEPT = """
clients = sa.Table(
    "customers",
"""
WITH_A_NUMBER = """
clients = Table("customer", metadata)
map_once(Client, clients, primary_key=[clients.c.uid], properties={"id": clients.c.uid})
"""


@pytest.mark.parametrize(("page", "key"), [("", "clients.id"), (KEPT, "customers.id"), (WITH_A_NUMBER, "customer.uid")])
def test_a_reference_takes_the_names_that_the_database_has(
    page: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "clients.py").write_text(page)
    monkeypatch.setattr(house, "PROJECT", tmp_path)

    (reference,) = Aggregate.of("visit", "host:ref(client)").fields

    assert f'sa.ForeignKey("{key}")' in reference.column
