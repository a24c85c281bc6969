"""What the scaffold refuses, before it writes anything: with all objections at once, each with what to type instead."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Table

from adapters.mappers import metadata
from scaffold import house, planning, registering
from scaffold.checkout import Refused
from scaffold.planning import planned
from scaffold.registering import PAGES, registered


def refusal(name: str, fields: str = "label:str(20)") -> str:
    with pytest.raises(Refused) as caught:
        planned(name, fields)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "try_"),
    [
        ("class", "class_record"),
        ("match", "match_record"),
        ("domain", "domain_record"),
        ("test", "public_test"),
        ("test_case", "case_test"),
        ("run", "run_record"),
        ("testimonial", "pytest takes Testimonial for a test. Try: name=public_testimonial"),
        ("HTTPServer", "http_server"),
        ("OrderLine", "order_line"),
        ("Bücher", "bucher"),
        ("order-line", "order_line"),
        ("1st", "st"),
        ("__init__", "init"),
        ("", "thing"),
        ("sheep", "sheep_record"),
        ("series", "series_record"),
        ("patients", "patientss. Try: name=patient, or name=patients_record"),
        ("user_settings", "user_settingss. Try: name=user_setting, or name=user_settings_record"),
        ("sms", "smss. Try: name=sm, or name=sms_record"),
        ("mapper", "mapper_record"),
        ("report", "report_record"),
        ("seedwork", "seedwork_record"),
        ("entity", "entity_record"),
        ("page", "page_record"),
        ("receipt", "receipt_record"),
        ("con", "con_record"),
        ("lpt1", "lpt1_record"),
        ("credit", "Python has credits of its own. Try: name=credit_record"),
        ("l", "it looks like a digit. Try: name=l_record"),
    ],
)
def test_a_name_that_cannot_be_an_aggregates_is_refused(name: str, try_: str) -> None:
    assert refusal(name).endswith(f"{try_}")


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("id:int", "every entity uses it. Try: visit_number"),
        ("l:int", "it looks like a digit. Try: visit_l"),
        ("i:enum(a,b)", "it looks like a digit. Try: visit_i"),
        ("version:int", "every entity uses it. Try: visit_version"),
        ("rules:json", "every entity uses it"),
        ("class:str(3)", "Python uses it. Try: visit_class"),
        ("order:int", "SQL uses it. Try: visit_order"),
        ("items:int", "SQLAlchemy uses it. Try: visit_items"),
        ("keys:json", "SQLAlchemy uses it. Try: visit_keys"),
        ("compare:bool:optional", "SQLAlchemy uses it. Try: visit_compare"),
        ("steps:parts(get:int)", "SQLAlchemy uses it. Try: visit_get"),
        ("json:json:optional", "the program uses it. Try: visit_json"),
        ("help:str(200)", "the program uses it. Try: visit_help"),
        ("self:int", "the program uses it. Try: visit_self"),
        ("page_of:int", "the program uses it. Try: visit_page_of"),
        ("sa:bool", "the program uses it. Try: visit_sa"),
        ("uow:int", "the program uses it. Try: visit_uow"),
        ("visit:int", "the program uses it. Try: visit_visit"),
        ("visits:int", "the table has it"),
        ("date:date", "the program uses it. Try: visit_date"),
        ("text:str(9):optional", "the program uses it. Try: visit_text"),
        ("Name:str(3)", "write it in lower_snake_case. Try: name"),
        ("a-b:int", "Try: a_b"),
        ("label", "label has no type. Try label: and one of these: str(20)"),
        (":", "'' can't be a field's name: write it in lower_snake_case. Try: thing"),
        (
            "parts(sku:str(20) n:int)",
            "parts(sku:str(20) n:int) is a type without a name. Try: visit_parts:parts(sku:str(20) n:int)",
        ),
        ("label:text", "text is no type"),
        ("label:str", "write the type like str(20)"),
        ("label:str(0)", "write the type like str(20)"),
        ("label:str(10001)", "10000 characters at the most"),
        ("n:int(5..5)", "write the type like int, or int(0..150)"),
        ("n:int(9..1)", "The second number is the larger one"),
        ("n:decimal(5)", "write the type like decimal(5,2)"),
        ("n:decimal(40,2)", "15 digits at the most"),
        ("n:enum(a)", "write the type like enum(draft,placed)"),
        ("n:enum(a,a)", "write the type like enum(draft,placed)"),
        ("n:enum(a,Über)", "Über can't be a value of it. Try: uber_n"),
        ("n:parts()", "write the type like parts("),
        ("n:parts(m:parts(k:int))", "a part can't have the type parts"),
        ("nurse:ref(nurse)", "there is no such aggregate. Try one of: "),
        ("boss:ref(visit)", "Try boss_id:ref(visit):optional"),
        ("n:int:uniq", "uniq is no modifier. Try one of: unique, optional, index, default=..."),
        ("n:bool:unique", "bool can't be unique"),
        ("n:str(651):unique", "it may have 651 characters. An index of PostgreSQL holds 650: write a smaller number"),
        ("n:parts(m:str(4000):index)", "it may have 4000 characters. An index of PostgreSQL holds 650"),
        ("n:str(400) m:str(251) unique(n,m)", "unique(n,m): its texts may have 651 characters. An index of PostgreSQL"),
        ("n:json:index", "PostgreSQL has no index on json. Leave :index out"),
        ("n:int(1..3):default=4", "'4' can't be the default of a int"),
        ("n:int:default=007", "'007' can't be the default of a int"),
        *(
            (f"n:decimal(5,2):default={number}", f"{number!r} can't be the default of a decimal")
            for number in (
                "NaN",
                "sNaN",
                "Infinity",
                "1e1",
                "1e999999999",
                "1_0",
                "+1",
                "01.5",
                ".5",
                "5.",
                "1.005",
                "1000",
            )
        ),
        ("n:int(01..5)", "write the type like int, or int(0..150)"),
        (f"n:int(..{'9' * 5000})", "write the type like int, or int(0..150)"),
        ("n:str(\u0665)", "write the type like str(20)"),
        ("n:decimal(05,2)", "write the type like decimal(5,2)"),
        ("n:date:default=today", "'today' can't be the default of a date"),
        ("n:int:optional:default=4", "Leave one of the two out"),
        ("n:int m:int unique(n)", "needs two fields or more, each once. Try: unique(hall,seat)"),
        ("n:int m:int unique(n,m) unique(m,n)", "unique(m,n) stands there more than once: leave one"),
        ("n:int m:int unique(n,k)", "there is no such field. Try one of: n, m"),
        ("vip:bool no_vip:int", "no_vip can't be a field's name: its option says that vip is false"),
        ("n:int n:int", "n stands there 2 times: leave one"),
        ("", 'Try: fields="name:str(100)"'),
        ("a_name_that_is_much_too_long_for_postgresql_to_keep_as_it_is_here:int", "longer than 63 signs"),
        ("stops_on_a_way:parts(number_on_the_whole_very_long_way:int:unique)", "longer than 63 signs"),
    ],
)
def test_a_field_that_cannot_be_is_refused(field: str, said: str) -> None:
    assert said in refusal("visit", field)


def test_a_table_of_parts_that_is_taken_is_refused() -> None:
    Table("visit_steps", metadata)
    try:
        assert "Try: visit_steps" in refusal("visit", "steps:parts(day:date)")
    finally:
        metadata.remove(metadata.tables["visit_steps"])

    said = refusal("visit", "step:parts(day:date) steps:parts(day:date)")
    assert said == "steps can't be a field's name: its table would be visit_steps, which is taken. Try: visit_steps"


def test_two_aggregates_that_would_import_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = {
        "domain/user.py": "from domain.hall import HallId\n",
        "domain/hall.py": "from domain.visit import VisitId\n",
    }
    monkeypatch.setattr(planning, "text_of", imports.get)

    assert refusal("visit", "host:ref(user)") == (
        "host_id: user refers to visit already, and two modules can't import each other. Keep one of the two, or try"
        " host_id:uuid"
    )


def test_a_reference_where_no_aggregate_is_there_yet_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "get_type_hints", lambda _: {})

    assert refusal("visit", "host:ref(hall)").endswith("Write it first: make aggregate name=hall ...")


def test_a_record_that_is_broken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "PROJECT", tmp_path)
    (tmp_path / "scaffold").mkdir()
    (tmp_path / "scaffold" / "aggregates.toml").write_text("<<<<<<< HEAD\n")

    assert refusal("visit").startswith("scaffold/aggregates.toml is broken: ")
    assert refusal("visit").endswith("bring it back by: git restore scaffold/aggregates.toml")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("adapters/mappers.py", "{file}, line {line}: "),
        ("pyproject.toml", "ruff fails, as the check of your files does: "),
    ],
)
def test_a_file_in_the_middle_of_a_merge_is_named(pages: Path, page: str, said: str) -> None:
    file = pages / page
    text = file.read_text()
    file.write_text(text + "<<<<<<< HEAD\n")

    command = [sys.executable, "-m", "scaffold", "aggregate", "visit", "label:str(20)"]
    done = subprocess.run(command, cwd=pages, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith(said.format(file=file, line=text.count("\n") + 1))


def test_an_aggregate_that_two_branches_recorded_with_other_fields_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house, "PROJECT", tmp_path)
    (tmp_path / "scaffold").mkdir()
    (tmp_path / "scaffold" / "aggregates.toml").write_text('hall = "a:bool"\n\nhall = "a:bool b:bool"\n')

    assert refusal("visit") == (
        "hall stands in scaffold/aggregates.toml with fields of two branches. Leave one line, with the fields of both."
    )


def test_all_objections_come_at_once() -> None:
    assert len(refusal("class", "id:int Name:str(3) n:text n:int").splitlines()) == 5


@pytest.mark.parametrize("number", ["0", "-0.5", "12.50", "999.99", "12.500"])
def test_an_exact_number_can_be_a_default(number: str) -> None:
    assert planned("visit", f"n:decimal(5,2):default={number}")


def test_the_example_of_a_key_of_several_can_be_written() -> None:
    assert planned("visit", "hall:str(5) seat:int unique(hall,seat)")


@pytest.mark.parametrize("name", ["bus", "status", "address", "analysis"])
def test_one_of_a_kind_that_ends_as_many_do_can_be_an_aggregates_name(name: str) -> None:
    assert planned(name, "label:str(20)")


def test_parts_can_have_the_name_of_what_a_tables_columns_can_do() -> None:
    assert planned("visit", "items:parts(n:int)")


@pytest.mark.parametrize("name", ["order", "group", "select", "visit", "order_line", "category", "person"])
def test_a_keyword_of_sql_can_be_an_aggregates_name(name: str) -> None:
    written, files = planned(name, "label:str(20)")

    assert (written.name, len(files)) == (name, 7)


@pytest.mark.parametrize(
    ("name", "page", "added", "said"),
    [
        ("event", "adapters/cli/__init__.py", "", "has another events. Try: name=event_record"),
        ("old_visit", "adapters/cli/__init__.py", 'app.command("old-visits")(program)\n', "has another old-visits"),
        ("visit", "adapters/mappers.py", "def map_visits():\n    pass\n", "has another map_visits"),
        ("visit", "service_layer/unit_of_work.py", "VisitRepository = object\n", "has another VisitRepository"),
        ("visit", "adapters/unit_of_work.py", "from x import InMemoryVisitRepository\n", "another InMemoryVisitRepo"),
    ],
)
def test_a_name_that_a_page_has_for_something_else_is_refused(
    pages: Path, name: str, page: str, added: str, said: str
) -> None:
    written, _ = planned(name, "label:str(20)")
    with (pages / page).open("a") as file:
        file.write(added)

    with pytest.raises(Refused, match=f"^{name} can't be an aggregate's name: {page} .*{said}"):
        registered(written)


@pytest.mark.parametrize(
    ("page", "old", "place"),
    [
        ("service_layer/unit_of_work.py", "class UnitOfWork(", "class UnitOfWork"),
        ("adapters/unit_of_work.py", "class SqlAlchemyUnitOfWork(", "class SqlAlchemyUnitOfWork"),
        ("adapters/unit_of_work.py", "class InMemoryUnitOfWork(", "class InMemoryUnitOfWork"),
        ("adapters/mappers.py", "def start_mappers(", "with mapping() in start_mappers()"),
    ],
)
def test_a_page_without_a_place_for_the_lines_is_named(pages: Path, page: str, old: str, place: str) -> None:
    written, _ = planned("visit", "label:str(20)")
    file = pages / page
    file.write_text(file.read_text().replace(old, old.replace("(", "Changed(")))

    with pytest.raises(Refused, match=f"{page} has no {place}".replace("(", r"\(").replace(")", r"\)")):
        registered(written)


def test_what_is_registered_can_be_taken_out_again(pages: Path) -> None:
    written, _ = planned("visit", "label:str(20)")
    before = {page: (pages / page).read_text() for page in PAGES}
    for page, text in registered(written).items():
        (pages / page).write_text(text)

    assert registered(written) == {page: (pages / page).read_text() for page in PAGES}
    assert registering.unregistered(written) == before
