"""The words of a field in each layer: its type, default, rule, column, check and option."""

from dataclasses import dataclass

from domain.seedwork.rules import INTEGER_MAX, EmailAddress
from scaffold.english import camel, plural_of, singular_of
from scaffold.fields import BIGINT_MAX, Field
from scaffold.house import key_of
from scaffold.values import option_of


@dataclass(frozen=True)
class Words:
    """A field in the words of each layer."""

    field: Field
    owner: str
    """The aggregate whose field it is."""
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
            return camel(f"{self.owner}_{singular_of(self.name)}")
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
        return [Words(part, self.owner, self.kind) for part in self.field.parts]

    @property
    def part_table(self) -> str:
        """The table of its parts."""
        return plural_of(f"{self.owner}_{singular_of(self.name)}")

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
            "uuid": "sa.Uuid()",
            "email": "EmailType()",
            "json": "JsonType()",
            "enum": f"EnumType({self.kind})",
            "ref": f"IdType[{self._core}]()",
        }[self.field.type]
        more = []
        if self.field.type == "ref":
            more.append(f'sa.ForeignKey("{".".join(key_of(plural_of(self.field.arguments[0])))}")')
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
        return option_of(self.field)
