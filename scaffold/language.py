"""The language of fields: ``chart_number:str(20):unique born:date``. What it does not allow, it says all at once."""

import keyword
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from sqlalchemy import TypedColumns
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from adapters.seedwork.sqlalchemy.sqlite_dialect import DIGITS_MAX
from scaffold.fields import BIGINT_MAX, Field, Fields

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NUMBER = "(?:0|[1-9][0-9]{0,18})"
"""A whole number as Python reads it, too: of up to 64 bits."""
_SQL = PGDialect.preparer.reserved_words | SQLiteDialect.preparer.reserved_words
_COLUMNS = {name for name in dir(TypedColumns) if not name.startswith("_")}
_OPTIONS = {"help", "json", "unset", "expected_version"}
_PROGRAM = {"uow", "self", "sa", "context", "as_json", "changes", "items_of", "page_of"} | _OPTIONS
_ENTITY = {"id", "version", "rules", "expect_version", "metadata", "registry"}
_TYPES = {"str", "int", "bool", "dict", "list", "tuple", "date", "datetime", "field"}

TYPES = {
    "str": "str(20), of 1 to 20 characters",
    "int": "int, or int(0..150)",
    "decimal": "decimal(5,2), of 5 digits, 2 of them behind the point",
    "bool": "bool",
    "date": "date",
    "datetime": "datetime, in UTC",
    "uuid": "uuid",
    "email": "email",
    "json": "json",
    "enum": "enum(draft,placed)",
    "ref": "ref(patient), the id of another aggregate",
    "parts": "parts(sku:str(20) quantity:int(1..))",
}
"""By name: how a type is written."""

RULES = {"boolean", "day", "decimal", "email_address", "json_object", "moment", "one_of", "optional", "text", "uuid"}
"""What the entity's rules are made by: a field of that name with a default would hide it in the class."""

DEFAULTED = {"str", "int", "decimal", "bool", "enum"}

TEXT_MAX = 10_000

LIKE_DIGITS = {"i", "l", "o"}
"""Names that ruff refuses: as a class, and ``l`` as any variable."""

INDEXED_MAX = 650
"""How many characters an index of PostgreSQL holds: 2704 bytes, a character may need 4, and other columns some."""
_SHORTER = f"An index of PostgreSQL holds {INDEXED_MAX}: write a smaller number, or leave the index out."


def snake_case(text: str) -> str:
    """Return the nearest name that is allowed."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z0-9])([A-Z])", r"\1\3_\2\4", text)
    plain = words.translate(str.maketrans("äöüéèáàóíñçÄÖÜ", "aoueeaaoincAOU")).lower()
    return re.sub(r"^[0-9_]+", "", re.sub(r"[^a-z0-9]+", "_", plain).strip("_")) or "thing"


def parse(text: str, aggregate: str) -> tuple[Fields, list[str]]:
    """Return the fields of a text, and the objections to it."""
    objections: list[str] = []
    written = tokens(text)
    keys = [token for token in written if re.match(r"unique\(", token)]
    fields = tuple(_parse(token, aggregate, objections) for token in written if token not in keys)
    if not fields:
        objections.append('An aggregate needs a field. Try: fields="name:str(100)"')
    objections += _repeated(fields)
    found = tuple(_key(token, fields, objections) for token in keys)
    for position, key in enumerate(found):
        if set(key) in map(set, found[:position]):
            objections.append(f"unique({','.join(key)}) stands there more than once: leave one.")
    return Fields(fields, found), objections


def tokens(text: str) -> list[str]:
    """Return each field, or key, as it is written."""
    return _split(text, " ")


def _repeated(fields: tuple[Field, ...]) -> Iterator[str]:
    names = [field.name for field in fields]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} stands there {names.count(name)} times: leave one."
    for field in fields:
        if field.type == "bool" and (no := f"no_{field.name}") in names:
            yield f"{no} can't be a field's name: its option says that {field.name} is false. Leave one of the two."


def _split(text: str, separator: str) -> list[str]:
    """Split a text where a separator stands outside of brackets."""
    depth, parts = 0, [""]
    for sign in " ".join(text.split()):
        depth += (sign == "(") - (sign == ")")
        if sign == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _key(token: str, fields: tuple[Field, ...], objections: list[str]) -> tuple[str, ...]:
    names = tuple(_split(token.removeprefix("unique(").rpartition(")")[0], ","))
    by_name = {field.name.removesuffix("_id"): field for field in fields} | {field.name: field for field in fields}
    if len(set(names)) < 2 or len(set(names)) < len(names):
        objections.append(f"{token} needs two fields or more, each once. Try: unique(hall,seat)")
    for name in names:
        if name not in by_name:
            objections.append(f"{token} names {name}, and there is no such field. Try one of: {', '.join(by_name)}")
        elif by_name[name].type in {"json", "parts"} or by_name[name].optional:
            objections.append(f"{token}: {name} may be missing, or can't be compared. Take it out of {token}.")
    texts = [field for field in (by_name[name] for name in names if name in by_name) if field.type == "str"]
    if (longest := sum(field.limits[1] for field in texts)) > INDEXED_MAX:
        objections.append(f"{token}: its texts may have {longest} characters. {_SHORTER}")
    return tuple(by_name[name].name for name in names if name in by_name)


def _parse(token: str, aggregate: str, objections: list[str], *, in_part: bool = False) -> Field:
    name, *rest = _split(token, ":") or [""]
    written = rest[0] if rest else ""
    match = re.fullmatch(r"(\w+)(?:\((.*)\))?", written)
    kind, inside = (match[1], match[2]) if match else ("", None)
    field = Field(name if kind != "ref" or name.endswith("_id") else f"{name}_id", kind, aggregate)
    if (written_type := re.match(r"(\w+)\(", name)) and written_type[1] in TYPES:
        objections.append(f"{token} is a type without a name. Try: {aggregate}_{written_type[1]}:{token}")
        return _refused(field)
    objections += _of_name(name, field, aggregate)
    if kind not in TYPES:
        wrong = f"{token}: {written} is no type" if written else f"{token} has no type"
        objections.append(f"{wrong}. Try {name}: and one of these: {'; '.join(TYPES.values())}")
        return _refused(field)
    if in_part and kind in {"parts", "ref", "email", "json"}:
        objections.append(f"{token}: a part can't have the type {kind}. Give it to the aggregate itself.")
        return _refused(field)
    if (typed := _with_arguments(field, token, inside, aggregate, objections)) is None:
        return _refused(field)
    field = typed
    for modifier in rest[1:]:
        field = _with_modifier(field, modifier, token, objections)
    if field.name in RULES and not field.is_required:
        objections.append(f"{name} can't be a field's name here: the program uses it. Try: {aggregate}_{name}")
    if field.type == "str" and (field.unique or field.index) and field.limits[1] > INDEXED_MAX:
        objections.append(f"{token}: it may have {field.limits[1]} characters. {_SHORTER}")
    if field.optional and field.default is not None:
        objections.append(f"{token}: what has a default is not optional. Leave one of the two out.")
    return field


def _of_name(name: str, field: Field, aggregate: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{name!r} can't be a field's name: write it in lower_snake_case. Try: {snake_case(name)}"
        return
    attribute = field.name
    takers = {
        "Python": keyword.iskeyword(attribute),
        "SQL": attribute in _SQL,
        "SQLAlchemy": attribute in _COLUMNS and field.type != "parts",
        "every entity": attribute in _ENTITY,
        "the program": attribute in (_PROGRAM | _TYPES | {aggregate, f"{aggregate}_id"}),
    }
    better = f"{aggregate}_{'number' if attribute == 'id' else name}"
    if taker := next((taker for taker, takes in takers.items() if takes), None):
        yield f"{name} can't be a field's name: {taker} uses it. Try: {better}"
    elif attribute == "l" or (attribute in LIKE_DIGITS and field.type == "enum"):
        yield f"{name} can't be a field's name: it looks like a digit. Try: {better}"


def _refused(field: Field) -> Field:
    """Return what stands in the place of a field whose type is refused, so that nothing else is said against it."""
    return replace(field, type="int", default="0")


def _with_arguments(
    field: Field, token: str, inside: str | None, aggregate: str, objections: list[str]
) -> Field | None:
    given = tuple(_split(inside or "", " " if field.type == "parts" else ","))
    form = f"{token}: write the type like {TYPES[field.type]}."
    if field.type == "parts":
        parts = tuple(_parse(one, aggregate, objections, in_part=True) for one in given)
        objections += [] if parts else [form]
        objections += _repeated(parts)
        return replace(field, parts=parts)
    if field.type == "int" and given:
        match = re.fullmatch(rf"(-?{NUMBER})?\.\.(-?{NUMBER})?", given[0])
        limits = replace(field, arguments=(match[1] or "", match[2] or "")) if match and len(given) == 1 else None
        if limits is None or limits.limits[0] >= limits.limits[1] or max(map(abs, limits.limits)) > BIGINT_MAX:
            objections.append(f"{form} The second number is the larger one, and 64 bits hold both.")
            return None
        return limits
    allowed = {
        "str": len(given) == 1 and re.fullmatch(NUMBER, given[0]) and 1 <= int(given[0]) <= TEXT_MAX,
        "decimal": len(given) == 2
        and all(re.fullmatch(NUMBER, number) for number in given)
        and int(given[1]) <= int(given[0]) <= DIGITS_MAX
        and int(given[0]) > 0,
        "enum": len(given) > 1 and len(set(given)) == len(given),
        "ref": len(given) == 1,
    }.get(field.type, inside is None)
    if not allowed:
        most = {
            "str": f" {TEXT_MAX} characters at the most.",
            "decimal": f" {DIGITS_MAX} digits at the most: SQLite keeps no more exactly.",
        }
        objections.append(form + most.get(field.type, ""))
        return None
    for member in given if field.type == "enum" else ():
        if not NAME.fullmatch(member) or member in {"mro", "name", "value"} or hasattr(str, member):
            objections.append(f"{token}: {member} can't be a value of it. Try: {snake_case(member)}_{field.name}")
    return replace(field, arguments=given)


def _with_modifier(field: Field, modifier: str, token: str, objections: list[str]) -> Field:
    if field.type == "parts":
        objections.append(f"{token}: parts take no {modifier}. Leave it out: there may be none of them anyway.")
    elif modifier == "unique" and field.type in {"bool", "enum", "json"}:
        objections.append(f"{token}: {field.type} can't be unique. Leave :unique out.")
    elif modifier == "index" and field.type == "json":
        objections.append(f"{token}: PostgreSQL has no index on json. Leave :index out.")
    elif modifier in {"unique", "optional", "index"}:
        return replace(field, **{modifier: True})  # type: ignore[arg-type]  # the three are flags
    elif modifier.startswith("default="):
        default = modifier.removeprefix("default=")
        if field.type not in DEFAULTED or not _is_default(field, default):
            objections.append(
                f"{token}: {default!r} can't be the default of a {field.type}. A value of it can, of one of these"
                f" types: {', '.join(sorted(DEFAULTED))}. Try :optional"
            )
        return replace(field, default=default)
    else:
        objections.append(f"{token}: {modifier} is no modifier. Try one of: unique, optional, index, default=...")
    return field


def _is_default(field: Field, text: str) -> bool:
    if field.type == "bool":
        return text in {"true", "false"}
    if field.type == "enum":
        return text in field.arguments
    if field.type == "str":
        return 1 <= len(text) <= field.limits[1] and re.fullmatch(r"[\w.@/+-]+", text, re.ASCII) is not None
    if field.type == "int":
        return re.fullmatch(f"-?{NUMBER}", text) is not None and field.limits[0] <= int(text) <= field.limits[1]
    if not re.fullmatch(rf"-?{NUMBER}(\.[0-9]{{1,{DIGITS_MAX}}})?", text):
        return False
    precision, scale = map(int, field.arguments)
    number = Decimal(text)
    return abs(number) < 10 ** (precision - scale) and number == round(number, scale)
