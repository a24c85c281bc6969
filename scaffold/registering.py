"""Writes the lines by which an aggregate is registered into the house's pages, and takes them out again."""

import ast
from collections.abc import Callable, Iterator

from adapters.seedwork.settings import PROJECT
from scaffold.checkout import Refused
from scaffold.merging import parted
from scaffold.rendering import Aggregate, formatted
from tests.seedwork.forgetting import forget

Place = Callable[[ast.Module], ast.AST | None]

PORTS = "service_layer/unit_of_work.py"
UNITS = "adapters/unit_of_work.py"
MAPPERS = "adapters/mappers.py"
COMMANDS = "adapters/cli/__init__.py"
PAGES = (PORTS, UNITS, MAPPERS, COMMANDS)
"""Where an aggregate is registered."""


def registered(aggregate: Aggregate) -> dict[str, str]:
    """Return each page with the aggregate's lines.

    Raises: Refused (a page has one of its names for something else; one was changed, and has no place for the lines).
    """
    name, plural, entity = aggregate.name, aggregate.plural, aggregate.entity
    imports = {
        PORTS: [f"from domain.{name} import {entity}Repository"],
        UNITS: [
            "from adapters.seedwork.registration import RepositoryOf",
            f"from adapters.{plural} import InMemory{entity}Repository, SqlAlchemy{entity}Repository",
        ],
        MAPPERS: ["from adapters.seedwork.mapping import mapping", f"from adapters.{plural} import map_{plural}"],
        COMMANDS: [f"from adapters.cli import {plural}"],
    }
    port = [f"{plural}: {entity}Repository", f'"""All {aggregate.titles}."""']
    commands = f'app.add_typer({plural}.app, name="{aggregate.group}")'
    lines: list[tuple[str, str, Place, list[str]]] = [
        (PORTS, "class UnitOfWork", _definition("UnitOfWork"), port),
        *(
            (
                UNITS,
                f"class {kind}UnitOfWork",
                _definition(f"{kind}UnitOfWork"),
                [f"{plural} = RepositoryOf({kind}{entity}Repository)"],
            )
            for kind in ("SqlAlchemy", "InMemory")
        ),
        (MAPPERS, "with mapping() in start_mappers()", _mapping, [f"map_{plural}()"]),
        (COMMANDS, "app = typer.Typer(...)", _program, [commands]),
    ]
    pages = {page: (PROJECT / page).read_text() for page in PAGES}
    taken = {page: {*_taken(pages[page], imports[page])} for page in PAGES}
    if not _stands_in(pages[COMMANDS], commands) and f"'{aggregate.group}'" in ast.unparse(ast.parse(pages[COMMANDS])):
        taken[COMMANDS].add(aggregate.group)
    objections = [
        f"{name} can't be an aggregate's name: {page} has another {word}. Try: name={name}_record"
        for page in PAGES
        for word in sorted(taken[page])
    ]
    for page, sign, place, added in lines:
        node = place(ast.parse(pages[page]))
        if node is None:
            objections.append(f"{page} has no {sign} any more, where this belongs: {added[0]} Put that back first.")
        elif not _stands_in(pages[page], added[0]):
            pages[page] = _inserted(pages[page], node, added)
    if objections:
        raise Refused(*objections)
    changed = {page for page in PAGES if pages[page] != (PROJECT / page).read_text()}
    return pages | formatted({page: _with_imports(pages[page], imports[page]) for page in changed})


def unregistered(aggregate: Aggregate) -> dict[str, str]:
    """Return each page without the aggregate's lines."""
    modules = {f"domain.{aggregate.name}", f"adapters.{aggregate.plural}", f"adapters.cli.{aggregate.plural}"}
    return formatted({page: forget((PROJECT / page).read_text(), modules) for page in PAGES})


def _taken(page: str, imports: list[str]) -> Iterator[str]:
    """Yield the names under which a page has something else than what is to be imported."""
    wanted = dict(_names(ast.parse("\n".join(imports))))
    for name, origin in _names(ast.parse(page)):
        if wanted.get(name, origin) != origin:
            yield name


def _names(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each name of a module, and the module that it is imported from, if it is."""
    for node in module.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = str(getattr(node, "module", ""))
            yield from ((alias.asname or alias.name, origin) for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, ""
        elif isinstance(node, ast.Assign):
            yield from ((target.id, "") for target in node.targets if isinstance(target, ast.Name))


def _stands_in(text: str, line: str) -> bool:
    """Say whether a module has a line, which a formatter may have broken."""
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt))
    return ast.unparse(ast.parse(line)) in map(ast.unparse, statements)


def _definition(name: str) -> Place:
    return lambda page: next((node for node in page.body if getattr(node, "name", None) == name), None)


def _mapping(page: ast.Module) -> ast.AST | None:
    function = _definition("start_mappers")(page)
    return next((one for one in getattr(function, "body", []) if isinstance(one, ast.With)), None)


def _program(page: ast.Module) -> ast.AST | None:
    """Return the last group of commands that stands in a module; where there is none, the program itself."""
    groups = [node for node in page.body if "add_typer(" in ast.unparse(node) and ".app," in ast.unparse(node)]
    program = [node for node in page.body if ast.unparse(node).startswith("app = typer.Typer(")]
    found = groups or program
    return found[-1] if found else None


def _inserted(text: str, place: ast.AST, added: list[str]) -> str:
    lines = text.splitlines()
    body = getattr(place, "body", None)
    if body is None:
        after, indent = getattr(place, "end_lineno", 0), ""
    else:
        indent = " " * body[0].col_offset
        simple = [node for node in body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
        after = simple[-1].end_lineno if simple else body[0].lineno - 1
        if isinstance(body[-1], ast.Pass):
            after -= 1
            del lines[after]
    lines[after:after] = [indent + line for line in added]
    return "\n".join(lines) + "\n"


def _with_imports(text: str, imports: list[str]) -> str:
    above, below = parted(text)
    return "\n".join([*above, *imports, *below]) + "\n"
