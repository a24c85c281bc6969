"""The words of a field in each layer: its type, rule, column and option, and values that it takes or refuses."""

import shlex
from dataclasses import dataclass
from functools import cache
from textwrap import wrap

import inflect

from domain.seedwork.rules import INTEGER_MAX, EmailAddress
from scaffold.fields import BIGINT_MAX, Field


@cache
def _english() -> inflect.engine:
    return inflect.engine()


def with_article(title: str) -> str:
    """Return a name with "a" or "an" before it."""
    return str(_english().a(title))


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
    return " ".join(f'"{line}"' for line in wrap(text, 85, drop_whitespace=False, break_long_words=False) or [""])


def docstring(text: str) -> str:
    """Return the docstring of a function: on one line, or with what it raises in a paragraph of its own."""
    if len(text) <= 110:
        return f'"""{text}"""'
    summary, _, raises = text.partition(" Raises: ")
    lines = wrap(f"Raises: {raises}", 112, subsequent_indent="    ", break_long_words=False)
    return "\n    ".join([f'"""{summary}', "", *lines, '"""']).replace("\n    \n", "\n\n")


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
        low, high = (self.field.arguments or ("", "")) if self.field.type == "int" else ("", "")
        if high:
            return [low, high] if low else [f"maximum={high}"]
        return [low, str(BIGINT_MAX)] if low and int(low) > INTEGER_MAX else [low] if low else []

    @property
    def column(self) -> str:
        """The column."""
        big = self.field.type == "int" and max(map(abs, self.field.limits)) > 2**31
        kind = {
            "str": f"sa.String({self.field.limits[1]})" if self.field.type == "str" else "",
            "int": "sa.BigInteger" if big else "sa.Integer",
            "decimal": f"sa.Numeric({', '.join(self.field.arguments)})",
            "bool": "sa.Boolean",
            "date": "sa.Date",
            "datetime": "UtcDateTime()",
            "uuid": "sa.Uuid",
            "email": "EmailType()",
            "json": "sa.JSON(none_as_null=True)",
            "enum": f"EnumType({self.kind})",
            "ref": f"IdType[{self._core}]()",
        }[self.field.type]
        more = [f'sa.ForeignKey("{plural_of(self.field.arguments[0])}.id")'] if self.field.type == "ref" else []
        if (self.field.index or self.field.type == "ref") and not self.field.unique:
            more.append("index=True")
        if self.field.default is not None:
            default = f"sa.{self.field.default}()" if self.field.type == "bool" else repr(self.field.default)
            more.append(f"server_default={default}")
        return f"sa.Column({', '.join([kind, *more])})"

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
        low, high = field.arguments if field.type == "int" and field.arguments else ("", "")
        if low and high:
            return f"{name} BETWEEN {low} AND {high}"
        return f"{name} >= {low}" if low else f"{name} <= {high}" if high else ""

    @property
    def flag(self) -> str:
        """The name of the option."""
        return self.name.replace("_", "-")

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
            "date": f"date(2026, 2, {n + 2})",
            "datetime": f"datetime(2026, 2, {n + 2}, 12, tzinfo=UTC)",
            "uuid": f"UUID({text!r})",
            "email": repr(text),
        }.get(field.type) or self._literal(text)

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
        return f"--{self.flag} {shlex.quote(f'[{self._json(n)}]' if self.field.type == 'parts' else self.typed(n))}"

    def _json(self, n: int) -> str:
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
            return ["''", f"'x' * {field.limits[1] + 1}"]
        if field.type == "int":
            low, high = field.arguments or ("", "")
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


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _title(name: str) -> str:
    return _snake(name).replace("_", " ")
