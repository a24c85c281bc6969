"""Names in English: their article, singular and plural, and as classes are written."""

from functools import cache
from unittest.mock import patch

# else inflect compiles its functions again, with a check of each value, which takes two seconds
with patch("typeguard.typechecked", lambda function: function):
    import inflect


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
