"""The rehearsal fails where a generator has a fault."""

from pathlib import Path

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold import rehearsal
from scaffold.rehearsal import OWN, Failed, check, clone, commit, pass_the_gates, run, scaffold

FAULTS = {
    "a use case that does not commit": (
        "service_layer.py.j2",
        "        uow.{{ it.plural }}.remove({{ it.name }})\n        uow.commit()\n",
        "        uow.{{ it.plural }}.remove({{ it.name }})\n        uow.rollback()\n",
    ),
    "a field without a rule": ("domain.py.j2", '"{{ field.name }}": {{ field.rule }},', ""),
    "a column that is not there": ("adapters.py.j2", "{% for field in it.plain_fields %}", "{% for field in [] %}"),
}


@pytest.mark.rehearsal
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_generator_fails(tmp_path: Path, fault: str) -> None:
    template, right, wrong = FAULTS[fault]
    tree = tmp_path / "house"
    clone(tree)
    file = tree / "scaffold" / "templates" / template
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong, 1))
    commit(tree, "plant a fault")

    with pytest.raises(Failed):
        scaffold(tree, "aggregate", "visit", "label:str(20):unique born:date")
        run(tree, "alembic", "upgrade", "head")
        check(tree, *OWN)


def test_its_gates_are_those_of_make_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gates: list[str] = []
    monkeypatch.setattr(rehearsal, "run", lambda _, *gate: gates.append(" ".join(gate)))
    (tmp_path / "Makefile").write_text((PROJECT / "Makefile").read_text())

    pass_the_gates(tmp_path)

    assert (gates[0], gates[-1]) == ("ruff format --check", "python -m migrations.seedwork.lint")
