"""Values of a field: one that a person types for it, and those that its rule refuses."""

import json
import shlex

from scaffold.fields import Field


def words_typed(field: Field) -> str:
    """Return what a person types for the option of a field."""
    if field.type == "bool":
        return f"--{field.flag}"
    return f"--{field.flag} {shlex.quote(_typed(field))}"


def refused_by(field: Field) -> list[str]:
    """Return values that the rule of a field refuses, as Python writes them."""
    if field.type == "str":
        return ["''", f"'x' * {field.limits[1] + 1}"]
    if field.type == "int":
        low, high = field.bounds
        return [*([str(int(low) - 1)] if low else []), *([str(int(high) + 1)] if high else [])] or ["'1'"]
    if field.type == "decimal":
        precision, scale = map(int, field.arguments)
        return [f"Decimal({10 ** (precision - scale)})", f"Decimal('0.{'0' * scale}1')"]
    return [
        {
            "bool": "'true'",
            "date": "'2026-02-03'",
            "datetime": "date(2026, 2, 3)",
            "uuid": "'1'",
            "ref": "'1'",
            "email": "'john'",
            "json": "[]",
            "enum": "'unknown'",
        }[field.type]
    ]


def _typed(field: Field) -> str:
    if field.type == "parts":
        unquoted = {"int", "bool"}
        one = {part.name: json.loads(_typed(part)) if part.type in unquoted else _typed(part) for part in field.parts}
        return json.dumps([one])
    if field.type == "decimal":
        precision, scale = map(int, field.arguments)
        return f"{1:.{scale}f}" if precision > scale else f"0.{1:0{scale}d}"
    if field.type == "int":
        low, high = field.limits
        return "1" if low <= 1 < high else str(low)
    return {
        "str": "a" if field.limits[1] == 1 else "A1",
        "bool": "true",
        "date": "2026-02-03",
        "datetime": "2026-02-03T12:00:00Z",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "email": "a1@example.com",
        "json": '{"a": 1}',
        "enum": field.arguments[0] if field.type == "enum" else "",
    }[field.type]
