"""What an aggregate's files say: the words of its fields in each layer, and the templates that they stand in."""

import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

import inflect
from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.seedwork.settings import PROJECT
from domain.seedwork.rules import EmailAddress
from scaffold.fields import Field, Fields

FILES = {
    "domain/{name}.py": "domain.py.j2",
    "service_layer/{plural}.py": "service_layer.py.j2",
    "adapters/{plural}.py": "adapters.py.j2",
    "adapters/cli/{plural}.py": "commands.py.j2",
    "tests/unit/test_{name}.py": "test_rules.py.j2",
    "tests/contract/test_{plural}.py": "test_use_cases.py.j2",
    "tests/e2e/test_{plural}.py": "test_commands.py.j2",
}
"""The files of an aggregate, and what each is made from."""

_templates = Environment(
    loader=PackageLoader("scaffold"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  # it is Python, not HTML
)


@cache
def _english() -> inflect.engine:
    return inflect.engine()


def plural_of(name: str) -> str:
    """Return the plural of a name."""
    return str(_english().plural_noun(name))


def singular_of(name: str) -> str:
    """Return the singular of a name, which may be one already."""
    return str(_english().singular_noun(name) or name)


def camel(name: str) -> str:
    """Return a name as classes are written."""
    return "".join(word.capitalize() for word in name.split("_"))


def quoted(text: str) -> str:
    """Return a text as Python writes it: as several that follow each other, where one would be too long."""
    return " ".join(f'"{line}"' for line in wrap(text, 85, drop_whitespace=False, break_long_words=False))


_templates.filters["plural"] = plural_of
_templates.filters["wrapped"] = lambda text: "\n        ".join(wrap(text, 108, break_long_words=False))
_templates.filters["quoted"] = quoted
_templates.filters["a"] = lambda title: str(_english().a(title))


@dataclass(frozen=True)
class Words:
    """A field in the words of each layer."""

    field: Field
    owner: str
    """The class whose field it is."""
    prefix: str = ""
    """What the names of its enumeration and of its error begin with."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.field.name

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return self.name.replace("_", " ")

    @property
    def other(self) -> str:
        """The class that it refers to."""
        return camel(self.field.arguments[0])

    @property
    def kind(self) -> str:
        """The class of its own: the enumeration, or the part."""
        if self.field.type == "parts":
            return self.owner + camel(singular_of(self.name))
        return self.prefix + camel(self.name)

    @property
    def error(self) -> str:
        """The error of a value that is taken."""
        return f"{self.prefix}{camel(self.name)}AlreadyTaken"

    @property
    def members(self) -> list[tuple[str, str]]:
        """The members of the enumeration, and their values."""
        return [(value.upper(), value) for value in self.field.arguments]

    @property
    def inner(self) -> list["Words"]:
        """The fields of its parts."""
        return [Words(part, self.kind, self.kind) for part in self.field.parts]

    @property
    def part_table(self) -> str:
        """The table of its parts."""
        return plural_of("_".join(filter(None, (_snake(self.owner), singular_of(self.name)))))

    @property
    def _core(self) -> str:
        return {
            "decimal": "Decimal",
            "uuid": "UUID",
            "email": "EmailAddress",
            "json": "dict[str, Any]",
            "enum": self.kind,
            "ref": f"{self.other}Id" if self.field.type == "ref" else "",
            "parts": f"list[{self.kind}]",
        }.get(self.field.type, self.field.type)

    @property
    def annotation(self) -> str:
        """Its type in the domain."""
        return self._core + (" | None" if self.field.optional else "")

    @property
    def plain(self) -> str:
        """Its type as a use case takes and returns it."""
        return self.annotation.replace("EmailAddress", "str")

    @property
    def comment(self) -> str:
        """What explains Any."""
        return "  # Any: of JSON" if self.field.type == "json" else ""

    @property
    def default(self) -> str:
        """Its default in Python, with the sign before it."""
        if self.field.type == "parts":
            return " = field(default_factory=list)"
        return self.parameter_default

    @property
    def parameter_default(self) -> str:
        """The default of a parameter, with the sign before it."""
        if self.field.type == "parts":
            return " = ()"
        if self.field.optional:
            return " = None"
        return "" if self.field.default is None else f" = {self._literal(self.field.default)}"

    def _literal(self, value: str) -> str:
        return {
            "str": repr(value),
            "bool": value.capitalize(),
            "decimal": f"Decimal({repr(value) if '.' in value else value})",
            "enum": f"{self.kind}.{value.upper()}",
        }.get(self.field.type, value)

    @property
    def rule(self) -> str:
        """The rule of the domain."""
        name, arguments = {
            "str": ("text", [str(limit) for limit in self.field.limits] if self.field.type == "str" else []),
            "int": ("whole_number", self._int_limits),
            "decimal": ("decimal", [*self.field.arguments]),
            "bool": ("boolean", []),
            "date": ("day", []),
            "datetime": ("moment", []),
            "email": ("email_address", []),
            "json": ("json_object", []),
            "enum": ("one_of", [self.kind]),
        }.get(self.field.type, ("uuid", []))
        rule = f"{name}({', '.join([repr(self.name), *arguments])})"
        return f"optional({rule})" if self.field.optional else rule

    @property
    def _int_limits(self) -> list[str]:
        return [str(limit) for limit in self.field.limits] if self.field.type == "int" and self.field.arguments else []

    @property
    def column(self) -> str:
        """The column."""
        big = self.field.type == "int" and max(map(abs, self.field.limits)) > 2**31
        kind = {
            "str": f"String({self.field.limits[1]})" if self.field.type == "str" else "",
            "int": "BigInteger" if big else "Integer",
            "decimal": f"Numeric({', '.join(self.field.arguments)})",
            "bool": "Boolean",
            "date": "Date",
            "datetime": "UtcDateTime()",
            "uuid": "Uuid",
            "email": "EmailType()",
            "json": "JSON(none_as_null=True)",
            "enum": f"EnumType({self.kind})",
            "ref": f"IdType[{self._core}]()",
        }[self.field.type]
        more = [f'ForeignKey("{plural_of(self.field.arguments[0])}.id")'] if self.field.type == "ref" else []
        if (self.field.index or self.field.type == "ref") and not self.field.unique:
            more.append("index=True")
        if self.field.default is not None:
            default = f"{self.field.default}()" if self.field.type == "bool" else repr(self.field.default)
            more.append(f"server_default={default}")
        return f"Column({', '.join([kind, *more])})"

    @property
    def check(self) -> str:
        """The CHECK of the table; an empty text where the type says it all."""
        name, field = self.name, self.field
        if field.type == "str":
            return f"{name} = trim({name}) AND length({name}) BETWEEN 1 AND {field.limits[1]}"
        if field.type == "email":
            return f"{name} = lower({name}) AND length({name}) BETWEEN 3 AND {EmailAddress.MAX_LENGTH}"
        if field.type == "enum":
            return f"{name} IN ({', '.join(map(repr, field.arguments))})"
        return f"{name} BETWEEN {' AND '.join(self._int_limits)}" if self._int_limits else ""

    @property
    def help(self) -> str:
        """What is allowed, as a sentence for people."""
        field = self.field
        sentence = {
            "str": f"1 to {field.limits[1]} characters" if field.type == "str" else "",
            "int": f"{' to '.join(self._int_limits)}" if self._int_limits else "A whole number",
            "decimal": f"A number with {' digits, '.join(field.arguments)} of them behind the point",
            "bool": "Whether it is so",
            "date": "A day, as 2026-02-03",
            "datetime": "A moment, as 2026-02-03T12:00:00Z",
            "uuid": "A UUID",
            "email": "An e-mail address",
            "json": "A JSON object",
            "enum": f"One of {', '.join(field.arguments)}",
            "ref": f"The id of {_english().a(field.arguments[0].replace('_', ' '))}" if field.type == "ref" else "",
            "parts": f"One of the {self.title}, as JSON; to be given once for each",
        }[field.type]
        return sentence + (f"; no other {_title(self.owner)} has it" if field.unique and not self.prefix else "")

    @property
    def option(self) -> str:
        """What typer makes the option from."""
        parser = {
            "decimal": 'parser=parse_decimal, metavar="NUMBER", ',
            "date": 'parser=parse_day, metavar="DAY", ',
            "datetime": 'parser=parse_moment, metavar="MOMENT", ',
            "uuid": 'parser=parse_id, metavar="ID", ',
            "ref": 'parser=parse_id, metavar="ID", ',
            "json": 'parser=parse_json, metavar="JSON", ',
            "parts": f'"--{self.flag}", parser=parse_as({self.kind}Details), metavar="JSON", ',
        }.get(self.field.type, "")
        return f"typer.Option({parser}help={quoted(self.help + '.')}, show_default=False)"

    @property
    def flag(self) -> str:
        """The name of the option."""
        return (singular_of(self.name) if self.field.type == "parts" else self.name).replace("_", "-")

    @property
    def option_type(self) -> str:
        """The type of a required option."""
        if self.field.type == "parts":
            return f"list[{self.kind}Details] | None"
        return self.plain

    @property
    def option_default(self) -> str:
        """The default of the option, with the sign before it."""
        return " = None" if self.field.type == "parts" else self.parameter_default

    def _number(self, n: int) -> int:
        low, high = self.field.limits
        return n if low <= 1 and high > 1 else low + n - 1

    def example(self, n: int) -> str:
        """Return a value as Python writes it; those of 1 and of 2 differ."""
        field = self.field
        if field.type == "parts":
            inner = ", ".join(f"{one.name}={one.example(n)}" for one in self.inner)
            return f"({self.kind}Details({inner}),)"
        if field.type == "ref":
            raise LookupError(self.name)
        text = self.typed(n)
        return {
            "str": repr(text),
            "decimal": f"Decimal({repr(text) if '.' in text else text})",
            "bool": text.capitalize(),
            "date": f"date(2026, 2, {n + 2})",
            "datetime": f"datetime(2026, 2, {n + 2}, 12, tzinfo=UTC)",
            "uuid": f"UUID({text!r})",
            "email": repr(text),
            "enum": f"{self.kind}.{text.upper()}",
        }.get(field.type, text)

    def example_in_domain(self, n: int) -> str:
        """Return a value as an entity takes it."""
        if self.field.type == "parts":
            return f"[{self.kind}({', '.join(f'{one.name}={one.example(n)}' for one in self.inner)})]"
        if self.field.type == "ref":
            return f"{self.other}Id(UUID(int={n}))"
        return f"EmailAddress({self.example(n)})" if self.field.type == "email" else self.example(n)

    def typed(self, n: int) -> str:
        """Return the same value as a person types it."""
        field = self.field
        if field.type == "decimal":
            precision, scale = map(int, field.arguments)
            return f"{n:.{scale}f}" if precision > scale else f"0.{n:0{scale}d}"
        return {
            "str": "ab"[n - 1] if field.type == "str" and field.limits[1] == 1 else f"A{n}",
            "int": str(self._number(n)) if field.type == "int" else "",
            "bool": "true" if n == 1 else "false",
            "date": f"2026-02-{n + 2:02}",
            "datetime": f"2026-02-{n + 2:02}T12:00:00Z",
            "uuid": f"00000000-0000-0000-0000-{n:012}",
            "email": f"a{n}@example.com",
            "json": f'{{"a": {n}}}',
            "enum": field.arguments[n - 1] if field.type == "enum" else "",
        }[field.type]

    def words_typed(self, n: int) -> str:
        """Return what a person types for the option."""
        if self.field.type == "bool":
            return f"--{'' if n == 1 else 'no-'}{self.flag}"
        return f"--{self.flag} {shlex.quote(self.json_of_part(n) if self.field.type == 'parts' else self.typed(n))}"

    def json_of_part(self, n: int) -> str:
        """Return the JSON of a part."""
        quoted = {"str", "decimal", "date", "datetime", "uuid", "enum"}
        values = [
            f'"{one.name}": ' + (f'"{one.typed(n)}"' if one.field.type in quoted else one.typed(n))
            for one in self.inner
        ]
        return f"{{{', '.join(values)}}}"

    @property
    def breaks(self) -> list[str]:
        """Values that the rule refuses, as Python writes them."""
        field = self.field
        if field.type == "str":
            return ["''", f"'x' * {field.limits[1] + 1}", "7"]
        if field.type == "int":
            return [str(field.limits[0] - 1), str(field.limits[1] + 1), "True", "'1'"]
        if field.type == "decimal":
            precision, scale = map(int, field.arguments)
            return [f"Decimal({10 ** (precision - scale)})", f"Decimal('0.{'0' * scale}1')", "0.5"]
        return {
            "bool": ["1", "'true'"],
            "date": ["'2026-02-03'", "datetime(2026, 2, 3, tzinfo=UTC)"],
            "datetime": ["date(2026, 2, 3)"],
            "uuid": ["'1'"],
            "ref": ["'1'"],
            "email": ["'john'"],
            "json": ["[]", "{1: 2}"],
            "enum": ["'unknown'"],
        }[field.type]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _title(name: str) -> str:
    return _snake(name).replace("_", " ")


@dataclass(frozen=True)
class Aggregate:
    """What is generated, in the words of the templates."""

    name: str
    given: Fields

    @cached_property
    def plural(self) -> str:
        """The name of the table, the repository and most modules."""
        return plural_of(self.name)

    @property
    def entity(self) -> str:
        """The class."""
        return camel(self.name)

    @property
    def title(self) -> str:
        """What one is called in a sentence."""
        return self.name.replace("_", " ")

    @property
    def titles(self) -> str:
        """What many are called in a sentence."""
        return self.plural.replace("_", " ")

    @cached_property
    def a(self) -> str:
        """One of them with its article."""
        return str(_english().a(self.title))

    @cached_property
    def fields(self) -> list[Words]:
        """All of its fields."""
        return [Words(field, self.entity) for field in self.given.fields]

    def of_type(self, *types: str) -> list[Words]:
        """Return the fields of some types."""
        return [field for field in self.fields if field.field.type in types]

    @property
    def plain_fields(self) -> list[Words]:
        """All fields but the parts."""
        return [field for field in self.fields if field.field.type != "parts"]

    @property
    def parts(self) -> list[Words]:
        """The fields that hold parts."""
        return self.of_type("parts")

    @property
    def refs(self) -> list[Words]:
        """The fields that refer to other aggregates."""
        return self.of_type("ref")

    @property
    def missing(self) -> list[str]:
        """The errors of what it refers to."""
        return sorted({f"{ref.other}NotFound" for ref in self.refs})

    @property
    def valued(self) -> list[Words]:
        """The fields that have examples of their own."""
        return [field for field in self.fields if field.field.type != "ref"]

    @property
    def uniques(self) -> list[Words]:
        """The fields that must be unique."""
        return [field for field in self.plain_fields if field.field.unique]

    @property
    def enums(self) -> list[Words]:
        """The fields, of parts too, that have an enumeration."""
        inner = [one for part in self.parts for one in part.inner]
        return [field for field in [*self.fields, *inner] if field.field.type == "enum"]

    @property
    def keys(self) -> list[dict[str, object]]:
        """The unique keys of several fields."""
        return [
            {"columns": key, "error": f"{''.join(map(camel, key))}AlreadyTaken", "title": " and ".join(key)}
            for key in self.given.keys
        ]

    @property
    def errors(self) -> list[str]:
        """The errors of unique keys."""
        return [*(field.error for field in self.uniques), *(str(key["error"]) for key in self.keys)]

    @property
    def part_errors(self) -> list[str]:
        """The errors of unique keys of parts."""
        return [one.error for part in self.parts for one in part.inner if one.field.unique]

    @property
    def optionals(self) -> list[Words]:
        """The fields whose value may be taken away."""
        return [field for field in self.plain_fields if field.field.optional]

    def typed(self, n: int) -> str:
        """Return all that a person types for a new one, as Python writes it."""
        words = " ".join(field.words_typed(n) for field in self.valued)
        return f"shlex.split({quoted(words.replace(chr(34), chr(92) + chr(34)))})"

    @property
    def files(self) -> list[str]:
        """The paths of what is generated."""
        return [path.format(name=self.name, plural=self.plural) for path in FILES]


def render(aggregate: Aggregate) -> dict[str, str]:
    """Return the text of each file by its path, as ruff formats it."""
    pairs = zip(aggregate.files, FILES.values(), strict=True)
    return formatted({path: _templates.get_template(template).render(it=aggregate) for path, template in pairs})


def formatted(texts: dict[str, str]) -> dict[str, str]:
    """Return Python files with their imports sorted, without those that nothing uses, and formatted."""
    rules = ("--config", str(PROJECT / "pyproject.toml"))
    # ours are told from others by their files, and those that are generated are not there yet
    ours = 'lint.isort.known-first-party = ["adapters", "domain", "migrations", "service_layer", "tests"]'
    sort = ("check", "--select=I,F401", "--fix-only", "--quiet", "--no-cache", *rules, "--config", ours)
    with TemporaryDirectory() as folder:
        for path, text in texts.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        for command in (sort, ("format", "--quiet", "--no-cache", *rules)):
            run = [sys.executable, "-m", "ruff", *command, "."]
            done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
        return {path: Path(folder, path).read_text() for path in texts}
