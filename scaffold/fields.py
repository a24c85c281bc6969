"""A field of an aggregate that is generated: what it is allowed, and its words in each layer."""

from dataclasses import dataclass, replace

from domain.seedwork.rules import INTEGER_MAX, INTEGER_MIN, EmailAddress
from scaffold.english import camel, plural_of, singular_of
from scaffold.house import key_of

BIGINT_MAX = 2**63 - 1


@dataclass(frozen=True)
class Field:
    """A field of an aggregate, or of a part of one."""

    name: str
    type: str
    owner: str
    """The aggregate whose field it is, also where it is one of a part."""
    arguments: tuple[str, ...] = ()
    unique: bool = False
    optional: bool = False
    index: bool = False
    default: str | None = None
    parts: tuple["Field", ...] = ()
    prefix: str = ""
    """What the names of its enumeration and of its error begin with: the class of the part, if it is a field of one."""

    @property
    def bounds(self) -> tuple[str, str]:
        """The smallest and the largest value of a whole number, as they were written; empty texts where none were."""
        low, high = (self.arguments or ("", "")) if self.type == "int" else ("", "")
        return low, high

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest value of a whole number, or length of a text."""
        if self.type == "str":
            return 1, int(self.arguments[0])
        low, high = self.bounds
        return (
            int(low) if low else INTEGER_MIN,
            int(high) if high else (INTEGER_MAX if not low or int(low) <= INTEGER_MAX else BIGINT_MAX),
        )

    @property
    def is_required(self) -> bool:
        """Whether a new entity must be given a value."""
        return not self.optional and self.default is None and self.type != "parts"

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return self.name.replace("_", " ")

    @property
    def other(self) -> str:
        """The class that it refers to."""
        return camel(self.arguments[0])

    @property
    def kind(self) -> str:
        """The class of its own: the enumeration, or the part."""
        if self.type == "parts":
            return camel(f"{self.owner}_{singular_of(self.name)}")
        return self.prefix + camel(self.name)

    @property
    def error(self) -> str:
        """The error of a value that is taken."""
        return f"{self.prefix}{camel(self.name)}AlreadyTaken"

    @property
    def members(self) -> list[tuple[str, str]]:
        """The members of the enumeration, and their values."""
        return [(value.upper(), value) for value in self.arguments]

    @property
    def inner(self) -> list["Field"]:
        """The fields of its parts."""
        return [replace(part, prefix=self.kind) for part in self.parts]

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
            "ref": f"{self.other}Id" if self.type == "ref" else "",
            "parts": f"list[{self.kind}]",
        }.get(self.type, self.type)

    @property
    def annotation(self) -> str:
        """Its type in the domain."""
        return self._core + (" | None" if self.optional else "")

    @property
    def plain(self) -> str:
        """Its type as a use case takes and returns it."""
        return self.annotation.replace("EmailAddress", "str")

    @property
    def comment(self) -> str:
        """What explains Any."""
        return "  # Any: of JSON" if self.type == "json" else ""

    @property
    def entity_default(self) -> str:
        """The default of the entity's field, with the sign before it."""
        if self.type == "parts":
            return " = field(default_factory=list)"
        return self.parameter_default

    @property
    def parameter_default(self) -> str:
        """The default of a parameter, with the sign before it."""
        if self.type == "parts":
            return " = ()"
        if self.optional:
            return " = None"
        return "" if self.default is None else f" = {self._literal(self.default)}"

    def _literal(self, value: str) -> str:
        return {
            "str": repr(value),
            "bool": value.capitalize(),
            "decimal": f"Decimal({repr(value) if '.' in value else value})",
            "enum": f"{self.kind}.{value.upper()}",
        }.get(self.type, value)

    @property
    def rule(self) -> str:
        """The rule of the domain."""
        name, arguments = {
            "str": ("text", [*map(str, self.limits)]),
            "int": ("whole_number", self._int_limits),
            "decimal": ("decimal", [*self.arguments]),
            "bool": ("boolean", []),
            "date": ("day", []),
            "datetime": ("moment", []),
            "email": ("email_address", []),
            "json": ("json_object", []),
            "enum": ("one_of", [self.kind]),
        }.get(self.type, ("uuid", []))
        rule = f"{name}({', '.join([repr(self.name), *arguments])})"
        return f"optional({rule})" if self.optional else rule

    @property
    def _int_limits(self) -> list[str]:
        low, high = self.bounds
        if high:
            return [low, high] if low else [f"maximum={high}"]
        return [low, str(BIGINT_MAX)] if low and int(low) > INTEGER_MAX else [low] if low else []

    @property
    def column(self) -> str:
        """The column."""
        big = self.limits[0] < INTEGER_MIN or self.limits[1] > INTEGER_MAX
        kind = {
            "str": f"sa.String({self.limits[1]})",
            "int": "sa.BigInteger" if big else "sa.Integer",
            "decimal": f"sa.Numeric({', '.join(self.arguments)})",
            "bool": "sa.Boolean",
            "date": "sa.Date",
            "datetime": "UtcDateTime()",
            "uuid": "sa.Uuid()",
            "email": "EmailType()",
            "json": "JsonType()",
            "enum": f"EnumType({self.kind})",
            "ref": f"IdType[{self._core}]()",
        }[self.type]
        more = []
        if self.type == "ref":
            more.append(f'sa.ForeignKey("{".".join(key_of(plural_of(self.arguments[0])))}")')
        if (self.index or self.type == "ref") and not self.unique:
            more.append("index=True")
        if self.default is not None:
            default = f"sa.{self.default}()" if self.type == "bool" else repr(self.default)
            more.append(f"server_default={default}")
        return f"sa.Column({', '.join([kind, *more])})"

    @property
    def check(self) -> str:
        """The CHECK of the table; an empty text where the type says it all."""
        name = self.name
        if self.type == "str":
            return f"{name} = trim({name}) AND length({name}) BETWEEN 1 AND {self.limits[1]}"
        if self.type == "email":
            return f"{name} = lower({name}) AND length({name}) BETWEEN 3 AND {EmailAddress.MAX_LENGTH}"
        if self.type == "enum":
            return f"{name} IN ({', '.join(map(repr, self.arguments))})"
        low, high = self.bounds
        if low and high:
            return f"{name} BETWEEN {low} AND {high}"
        return f"{name} >= {low}" if low else f"{name} <= {high}" if high else ""

    @property
    def flag(self) -> str:
        """The name of its option, without the ``--``."""
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class Fields:
    """All fields of an aggregate, and the unique keys of several of them."""

    fields: tuple[Field, ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
