"""The files of an aggregate: what the templates are given, and what is made of them."""

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

from jinja2 import Environment, PackageLoader, StrictUndefined

from adapters.seedwork.settings import PROJECT
from scaffold.changes import put
from scaffold.checkout import Refused
from scaffold.english import camel, plural_of, with_article
from scaffold.fields import Field, Fields
from scaffold.language import parse
from scaffold.texts import ruff
from scaffold.values import refused_by, words_typed

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


def quoted(text: str) -> str:
    """Return a text as Python writes it: as several that follow each other, where one would be too long."""
    return " ".join(f'"{line}"' for line in wrap(text, 85, drop_whitespace=False, break_long_words=False) or [""])


def docstring(text: str) -> str:
    """Return a docstring: on one line, or with all that follows its first sentence in a paragraph of its own."""
    if len(text) <= 110:
        return f'"""{text}"""'
    first, *more = re.split(r"(?<=[.]) ", text, maxsplit=1)
    lines = wrap(f'"""{first}', 112)
    for paragraph in more:
        lines += ["", *wrap(paragraph, 112, subsequent_indent="    " if paragraph.startswith("Raises: ") else "")]
    return "\n".join([*lines, '"""'])  # ruff indents them


_templates = Environment(
    loader=PackageLoader("scaffold"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  # it is Python, not HTML
)
_templates.filters.update(
    plural=plural_of, camel=camel, a=with_article, refused=refused_by, docstring=docstring, quoted=quoted
)


@dataclass(frozen=True)
class Aggregate:
    """What is generated, in the words of the templates."""

    name: str
    given: Fields

    @classmethod
    def of(cls, name: str, fields: str) -> "Aggregate":
        """Return one whose fields are known to be allowed."""
        return cls(name, parse(fields, name)[0])

    @cached_property
    def plural(self) -> str:
        """The name of the table, the repository and most modules."""
        return plural_of(self.name)

    @property
    def group(self) -> str:
        """The name of its commands, as it is typed."""
        return self.plural.replace("_", "-")

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
        return with_article(self.title)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of its fields."""
        return self.given.fields

    @property
    def plain_fields(self) -> list[Field]:
        """All fields but the parts."""
        return [field for field in self.fields if field.type != "parts"]

    @property
    def parts(self) -> list[Field]:
        """The fields that hold parts."""
        return [field for field in self.fields if field.type == "parts"]

    @property
    def refs(self) -> list[Field]:
        """The fields that refer to other aggregates."""
        return [field for field in self.fields if field.type == "ref"]

    @property
    def given_refs(self) -> list[Field]:
        """The references that the test of the commands gives: those that are needed, and those in ``found_by``."""
        return [ref for ref in self.refs if not ref.optional or ref in self.found_by]

    @property
    def found_by(self) -> list[Field]:
        """The unique fields by which that test finds one. It adds one, which can't refer to another of its class."""
        return [field for field in self.uniques if field.type != "ref" or field.other != self.entity]

    @property
    def missing(self) -> list[str]:
        """The errors of what it refers to."""
        return sorted({f"{ref.other}NotFound" for ref in self.refs})

    @property
    def valued(self) -> list[Field]:
        """The fields that have examples of their own."""
        return [field for field in self.fields if field.type != "ref"]

    @property
    def uniques(self) -> list[Field]:
        """The fields that must be unique."""
        return [field for field in self.plain_fields if field.unique]

    @property
    def enums(self) -> list[Field]:
        """The fields, of parts too, that have an enumeration."""
        inner = [one for part in self.parts for one in part.inner]
        return [field for field in [*self.fields, *inner] if field.type == "enum"]

    @property
    def keys(self) -> list[dict[str, object]]:
        """The unique keys of several fields."""
        return [
            {
                "columns": key,
                "error": f"{''.join(map(camel, key))}AlreadyTaken",
                "title": " and ".join(key).replace("_", " "),
            }
            for key in self.given.keys
        ]

    @property
    def errors(self) -> list[str]:
        """The errors of unique keys."""
        return [*(field.error for field in self.uniques), *(str(key["error"]) for key in self.keys)]

    @property
    def part_errors(self) -> list[str]:
        """The errors of unique keys of parts."""
        return [one.error for part in self.parts for one in part.inner if one.unique]

    @property
    def optionals(self) -> list[Field]:
        """The fields whose value may be taken away."""
        return [field for field in self.plain_fields if field.optional]

    @property
    def typed(self) -> str:
        """Return all that a person types for a new one, as Python writes it."""
        words = " ".join(words_typed(field) for field in self.valued)
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
    # ruff knows our modules by their files, and those that are generated are not there yet
    ours = 'lint.isort.known-first-party = ["adapters", "domain", "migrations", "service_layer", "tests"]'
    sort = ("check", "--select=I,F401", "--fix-only", "--quiet", "--no-cache", *rules, "--config", ours)
    with TemporaryDirectory() as folder:
        for path, text in texts.items():
            put(Path(folder, path), text)
        for command in (sort, ("format", "--quiet", "--no-cache", *rules)):
            done = subprocess.run([ruff(), *command, "."], cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Refused(f"ruff fails, as the check of your files does: {(done.stdout + done.stderr).strip()}")
        return {path: Path(folder, path).read_text() for path in texts}
