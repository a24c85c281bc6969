"""What an aggregate would consist of, or all that stands against it: each objection says what to type instead."""

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from typing import get_type_hints

from adapters.mappers import metadata
from adapters.seedwork.settings import PROJECT
from adapters.unit_of_work import InMemoryUnitOfWork, SqlAlchemyUnitOfWork
from scaffold.checkout import Refused
from scaffold.english import camel, plural_of, singular_of
from scaffold.fields import Fields
from scaffold.house import recorded, text_of
from scaffold.language import LIKE_DIGITS, NAME, parse, snake_case
from scaffold.rendering import Aggregate, render
from service_layer.unit_of_work import UnitOfWork

LAYERS = {"domain", "service_layer", "adapter", "adapters", "migration", "migrations", "scaffold"}
TESTS = {"changed", "run", "uow"}
"""Names that the generated functions have for something else."""
DEVICES = {"aux", "con", "nul", "prn", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
"""Names that no file may have on Windows."""
LONGEST = 63
"""How long a name in PostgreSQL may be."""
WIDEST = 120
"""How long a line of the house may be."""


def planned(name: str, fields: str, *, is_there: bool = False) -> tuple[Aggregate, dict[str, str]]:
    """Return an aggregate, which may be there already, and the texts of its files.

    Raises: Refused (a name or a field is not allowed).
    """
    given, to_fields = parse(fields, name)
    to_name = [] if is_there else _objections_to_name(name, fields)
    objections = [*to_name, *to_fields, *_objections_to_references(name, given)]
    if objections:
        raise Refused(*objections)
    aggregate = Aggregate(name, given)
    if objections := [*_too_long(aggregate), *_tables_taken(aggregate)]:
        raise Refused(*objections)
    files = render(aggregate)
    if clashes := {sentence for path, text in files.items() for sentence in _clashes(path, text, aggregate)}:
        raise Refused(*sorted(clashes))
    if wide := list(too_wide(files)):
        raise Refused(*wide)
    return aggregate, files


def too_wide(texts: dict[str, str]) -> Iterator[str]:
    """Say which new lines no formatter can make short enough."""
    for path, text in texts.items():
        there = (text_of(path) or "").splitlines()
        if wide := [line.strip() for line in text.splitlines() if len(line) > WIDEST and line not in there]:
            yield f"{path} would have a line longer than {WIDEST} signs. Try shorter names or values in: {wide[0]}"


def _objections_to_name(name: str, fields: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{name!r} can't be an aggregate's name: write it in lower_snake_case. Try: name={snake_case(name)}"
        return
    plural = plural_of(name)
    if name.startswith("test"):
        better = f"{name.removeprefix('test_')}_test" if name.startswith("test_") else f"public_{name}"
        yield f"{name} can't be an aggregate's name: pytest takes {camel(name)} for a test. Try: name={better}"
    elif user := _user(name, plural):
        yield f"{name} can't be an aggregate's name: {user}. Try: name={name}_record"
    elif plural == name:
        yield f"{name} can't be an aggregate's name: many of them are called {plural} too. Try: name={name}_record"
    elif (before := recorded().get(name)) is not None:
        if before != " ".join(fields.split()):
            yield (f"{name} is there already, with fields={before!r}. Try first: make remove name={name}")
    elif name.endswith("s") and plural == f"{name}s":
        yield (
            f"{name} can't be an aggregate's name: many of them would be called {plural}."
            f" Try: name={singular_of(name)}, or name={name}_record"
        )
    elif taken := _taken(name, plural):
        yield f"{name} can't be an aggregate's name: {taken} is there already. Try: name={name}_record"


def _user(name: str, plural: str) -> str:
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or keyword.iskeyword(plural):
        return "Python uses it"
    if plural in vars(builtins):
        return f"Python has {plural} of its own"
    if name in LIKE_DIGITS:
        return "it looks like a digit"
    if name in LAYERS:
        return "a folder of the house has it"
    if name in DEVICES:
        return "Windows can't have a file of that name"
    return "the program uses it" if name in TESTS else ""


def _taken(name: str, plural: str) -> str | None:
    owners = [other for other in recorded() if plural_of(other) == plural]
    if owners:
        return f"{owners[0]}, whose plural is {plural} too,"
    paths = [f"domain/{name}", *(f"{folder}/{plural}" for folder in ("service_layer", "adapters", "adapters/cli"))]
    found = [path for module in paths for path in (module, f"{module}.py") if (PROJECT / path).exists()]
    if found:
        return found[0]
    if plural in metadata.tables:
        return f"the table {plural}"
    units = (UnitOfWork, SqlAlchemyUnitOfWork, InMemoryUnitOfWork)
    return f"uow.{plural}" if any(hasattr(unit, plural) for unit in units) else None


def _objections_to_references(name: str, given: Fields) -> Iterator[str]:
    ports = get_type_hints(UnitOfWork)
    known = sorted(file.stem for file in (PROJECT / "domain").glob("*.py") if plural_of(file.stem) in ports)
    for field in given.fields:
        if field.type != "ref":
            continue
        (other,) = field.arguments
        if other == name and not field.optional:
            yield f"{field.name}: the first {name} has no other to refer to. Try {field.name}:ref({name}):optional"
        elif other != name and other not in known:
            there = f"Try one of: {', '.join(known)}" if known else f"Write it first: make aggregate name={other} ..."
            yield f"{field.name} refers to {other}, and there is no such aggregate. {there}"
        elif name in _imported_by(other):
            yield (
                f"{field.name}: {other} refers to {name} already, and two modules can't import each other. Keep one of"
                f" the two, or try {field.name}:uuid"
            )


def _imported_by(name: str) -> set[str]:
    """Return the aggregates whose modules an aggregate's module imports, or one of these does."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        text = text_of(f"domain/{ahead.pop()}.py") or ""
        new = {*re.findall(r"^from domain\.(\w+) import", text, re.MULTILINE)} - found
        found |= new
        ahead += new
    return found


def _too_long(aggregate: Aggregate) -> Iterator[str]:
    if any(field.name == aggregate.plural for field in aggregate.fields):
        yield f"{aggregate.plural} can't be a field's name: the table has it. Try: {aggregate.name}_{aggregate.plural}"
    for field in aggregate.fields:
        target = plural_of(field.arguments[0]) if field.type == "ref" else ""
        inner = [
            f"uq_{field.part_table}_{aggregate.name}_id_{one.name}"
            if one.unique
            else f"ck_{field.part_table}_{one.name}"
            for one in field.inner
        ]
        for name in (f"fk_{aggregate.plural}_{field.name}_{target}", *inner):
            if len(name) > LONGEST:
                yield f"{name} would be longer than {LONGEST} signs. Try a shorter name."
    for key in aggregate.given.keys:
        if len(name := f"uq_{aggregate.plural}_{'_'.join(key)}") > LONGEST:
            yield f"{name} would be longer than {LONGEST} signs. Try shorter names."


def _tables_taken(aggregate: Aggregate) -> Iterator[str]:
    before = Aggregate.of(aggregate.name, recorded().get(aggregate.name, ""))
    taken = {*metadata.tables} - {part.part_table for part in before.parts}
    for part in aggregate.parts:
        if part.part_table in taken:
            yield (
                f"{part.name} can't be a field's name: its table would be {part.part_table}, which is taken."
                f" Try: {aggregate.name}_{part.name}"
            )
        taken.add(part.part_table)


def _clashes(path: str, text: str, aggregate: Aggregate) -> Iterator[str]:
    """Say which names of a generated module would hide another one."""
    module = ast.parse(text)
    imported = [
        alias.asname or alias.name
        for node in module.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    defined = [
        name
        for node in module.body
        for name in (
            [node.name]
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
            else [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]
        )
    ]
    all_names = [*imported, *defined]
    hidden = {name for name in all_names if all_names.count(name) > 1}
    for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
        arguments = {one.arg for one in (*function.args.args, *function.args.kwonlyargs)}
        local = {one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        hidden |= (arguments | local) & ({*imported} | ({*defined} if not path.startswith("tests/") else set()))
    for name in hidden:
        culprits = [field.name for field in aggregate.fields if name in {field.name, field.kind, field.error}]
        culprit = culprits[0] if culprits else aggregate.name
        better = f"{aggregate.name}_{culprit}" if culprits else f"{culprit}_record"
        yield f"{culprit} can't be used: the program has a {name} of its own. Try: {re.sub('__+', '_', better)}"
