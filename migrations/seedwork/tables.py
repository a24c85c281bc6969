"""Which tables a revision names, by the text of its file."""

import ast
import re

_SQL = re.compile(
    r"\b(?:(?:CREATE|ALTER|DROP)\s+(?:FOREIGN\s+|UNLOGGED\s+|VIRTUAL\s+)?TABLE|RENAME\s+TO)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?+"
    r'(?:ONLY\s+)?+(?:[\w"?]+\.)?"?(\w+)\b(?!"?\s+PARTITION\s+OF\b)',
    re.IGNORECASE,
)
"""A table in plain SQL, and no partition of one."""


def tables_of(revision: str) -> set[str]:
    """Return the tables that a revision makes, renames, drops, or changes in a batch or by SQL, in lower case.

    A name may be a constant, or be put together of constants; one that is a variable is not seen. What is only read, or
    referred to, may be somebody else's. A partition is left out: the code has none, and Alembic would drop it.
    """
    tree = ast.parse(revision)
    constants: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Assign([ast.Name(name)], ast.Constant(str(value))):
                constants[name] = value
            case ast.AnnAssign(ast.Name(name), _, ast.Constant(str(value))):
                constants[name] = value
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(_, "create_table" | "drop_table" | "batch_alter_table" | "rename_table")):
                named = [keyword.value for keyword in node.keywords if (keyword.arg or "").endswith("table_name")]
                found += (_text(argument, constants) for argument in [*node.args[:2], *named])
            case ast.Constant(str()) | ast.JoinedStr():
                found += _SQL.findall(_text(node, constants))
    return {name.lower() for name in found if "?" not in name}


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """Return a text of a revision, with a question mark for each part that is not known."""
    match node:
        case ast.Constant(str(value)):
            return value
        case ast.Name(name):
            return constants.get(name, "?")
        case ast.FormattedValue(value):
            return _text(value, constants)
        case ast.JoinedStr(parts):
            return "".join(_text(part, constants) for part in parts)
        case ast.BinOp(left, ast.Add(), right):
            return _text(left, constants) + _text(right, constants)
    return "?"
