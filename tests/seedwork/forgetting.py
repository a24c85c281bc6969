"""Takes out of a module what uses modules that are gone, and leaves every other line as it stands."""

import ast
from collections.abc import Collection, Iterator
from itertools import zip_longest

REGISTRATIONS = (
    "service_layer/unit_of_work.py",
    "service_layer/handlers.py",
    "adapters/unit_of_work.py",
    "adapters/mappers.py",
    "adapters/container.py",
    "adapters/settings.py",
    "adapters/cli/__init__.py",
    "adapters/cli/application.py",
)
"""What is yours and stands in every fork."""


def forget(source: str, gone: Collection[str], own: Collection[str] = ()) -> str:
    """Return a module without the imports of what is gone, and without the statements that use what was imported.

    Args:
        source: the text of the module. A statement goes with the comment above it, an attribute with its docstring.
        gone: dotted names of modules, and of what modules define: ``domain.invoice``, ``service_layer.reports.Band``.
        own: names that the module itself defines and that go, too.
    """
    found = _Forgetting(source.splitlines(keepends=True), set(gone), set(own))
    found.search(ast.parse(source).body)
    return "".join(found.lines)


class _Forgetting:
    """Empties the lines of what goes, so that the numbers of all other lines stay what the parser says."""

    def __init__(self, lines: list[str], gone: set[str], names: set[str]) -> None:
        self.lines = lines
        self._gone = gone
        self._names = names

    def search(self, body: list[ast.stmt]) -> None:
        for statement, following in zip_longest(body, body[1:]):
            if isinstance(statement, ast.ImportFrom):
                self._forget_import(statement)
            elif self._names and self._names & {*_defined_by(statement), *_names_beside_its_body(statement)}:
                self._remove(statement)
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    self._names.add(statement.target.id)  # of an attribute, such as a provider
                if isinstance(statement, ast.Assign | ast.AnnAssign) and following and _is_text(following):
                    self._remove(following)
            else:
                for inner in _bodies(statement):
                    self.search(inner)
                    self._fill(inner)

    def _forget_import(self, node: ast.ImportFrom) -> None:
        going = [alias for alias in node.names if {node.module, f"{node.module}.{alias.name}"} & self._gone]
        self._names |= {alias.asname or alias.name for alias in going}
        if going:
            first = self._remove(node)
            node.names = [alias for alias in node.names if alias not in going]
            if node.names:
                self.lines[first] = f"{' ' * node.col_offset}{ast.unparse(node)}\n"

    def _remove(self, node: ast.stmt) -> int:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        start = first = min([node.lineno, *(part.lineno for part in decorators)]) - 1
        while start and self.lines[start - 1].lstrip().startswith("#"):
            start -= 1
        self.lines[start : node.end_lineno] = [""] * ((node.end_lineno or 0) - start)
        return first

    def _fill(self, body: list[ast.stmt]) -> None:
        if body and not any(self.lines[statement.lineno - 1] for statement in body):
            self.lines[body[0].lineno - 1] = f"{' ' * body[0].col_offset}pass\n"


def _defined_by(statement: ast.stmt) -> list[str]:
    name = getattr(statement, "name", None)
    return [name] if isinstance(name, str) else []


def _names_beside_its_body(statement: ast.stmt) -> list[str]:
    fields = [value for name, value in ast.iter_fields(statement) if name not in {"body", "handlers", "orelse"}]
    values = [value for field in fields for value in (field if isinstance(field, list) else [field])]
    nodes = [node for value in values if isinstance(value, ast.AST) for node in ast.walk(value)]
    return [node.id for node in nodes if isinstance(node, ast.Name)]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for part in (statement, *getattr(statement, "handlers", [])):
        for name in ("body", "orelse", "finalbody"):
            yield getattr(part, name, [])
