"""The sample shows what the scaffold writes: what else is generated for its fields is listed here, and is little."""

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold.fields import parse
from scaffold.rendering import Aggregate, render

GENERATED_ONLY = {
    "domain/user.py": {
        '"""Users, and the rules about them."""',
        "from typing import NewType",
        '"""A user. Raises: InvalidValue (a rule is broken), from the constructor and plain assignment alike."""',
        '"name": text("name", 1, 100),',
        '"age": whole_number("age", 0, 150),',
        '"""Another user has this email."""',
        'message = "This email belongs to another user already: use another one."',
        '"""Return the user with this email, or None."""',
    },
    "adapters/users.py": {
        "from domain.user import EmailAlreadyTaken, User, UserId, UserIdAlreadyUsed, UserRepository",
        "name: Named[str] = Column(String(100))",
        'CheckConstraint("name = trim(name) AND length(name) BETWEEN 1 AND 100", name="name"),',
        'CheckConstraint("age BETWEEN 0 AND 150", name="age"),',
        'CheckConstraint("email = lower(email) AND length(email) BETWEEN 3 AND 254", name="email"),',
    },
}
"""By file: the lines that the sample says in other words."""

pytestmark = pytest.mark.skipif(not (PROJECT / "domain" / "user.py").exists(), reason="the sample was dropped")


@pytest.mark.parametrize("path", GENERATED_ONLY)
def test_a_line_that_is_generated_stands_in_the_sample_too(path: str) -> None:
    fields, _ = parse("name:str(100) age:int(0..150) email:email:optional:unique", "user")
    generated = {line.strip() for line in render(Aggregate("user", fields))[path].splitlines()}
    sample = {line.strip() for line in (PROJECT / path).read_text().splitlines()}

    assert generated - sample == GENERATED_ONLY[path]
