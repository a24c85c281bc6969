"""The sample shows what the scaffold writes: what else is generated for its fields is listed here, and is little."""

import pytest

from adapters.seedwork.settings import PROJECT
from scaffold.rendering import Aggregate, render

GENERATED_ONLY = {
    "domain/user.py": {
        '"""Users, and the rules about them."""',
        "from typing import NewType",
        '"""A user. Raises: InvalidValue (a rule is broken), from the constructor and plain assignment alike."""',
        '"name": text("name", 1, 100),',
        '"age": whole_number("age", 0, 150),',
        '"""Another user has this email."""',
        '"""Return the user with this email, or None."""',
    },
    "service_layer/users.py": {
        "from typing import TypedDict, Unpack",
        "from domain.user import User, UserId",
        "from service_layer.seedwork.details import Details, assign",
        "class UserChanges(TypedDict, total=False):",
        '"""What of a user may be changed."""',
        "def add_user(uow: UnitOfWork, *, name: str, age: int, email: str | None = None) -> UserDetails:",
        '"""Add a user. Raises: InvalidValue, EmailAlreadyTaken."""',
        'user = User(name=name, age=age, email=None if email is None else EmailAddress(email, "email"))',
        '"""Return the user with an email, or None. Raises: InvalidValue."""',
        'user = uow.users.by_email(EmailAddress(email, "email"))',
        '"""Return a page of users in order of id: ``limit`` of them, 1 to 1000, that follow the id ``after``."""',
        "def change_user(",
        "uow: UnitOfWork, user_id: UserId, *, expected_version: int | None = None, **changes: Unpack[UserChanges]",
        '"""Change a user: what is given. Raises: as ``add_user``, UserNotFound, VersionMismatch."""',
        "assign(user, changes)",
    },
    "adapters/users.py": {
        "from domain.user import EmailAlreadyTaken, User, UserId, UserRepository",
        "name: sa.Named[str] = sa.Column(sa.String(100))",
        'sa.PrimaryKeyConstraint("id"),',
        'sa.CheckConstraint("name = trim(name) AND length(name) BETWEEN 1 AND 100", name="name"),',
        'sa.CheckConstraint("age BETWEEN 0 AND 150", name="age"),',
        'sa.CheckConstraint("email = lower(email) AND length(email) BETWEEN 3 AND 254", name="email"),',
    },
    "adapters/cli/users.py": {
        '"""The use cases of users as commands."""',
        "from domain.user import User",
        "from service_layer import users",
        'app = Commands(unit_of_work, help="Add, look at, change and remove users.", rules=User.rules)',
        'app.writing("add", users.add_user)',
        'app.reading("find-by-email", users.find_user_by_email)',
        'app.writing("change", users.change_user)',
    },
}
"""By file: the lines that the sample says in other words."""

pytestmark = pytest.mark.skipif(not (PROJECT / "domain" / "user.py").exists(), reason="the sample was dropped")


@pytest.mark.parametrize("path", GENERATED_ONLY)
def test_a_line_that_is_generated_stands_in_the_sample_too(path: str) -> None:
    user = Aggregate.of("user", "name:str(100) age:int(0..150) email:email:optional:unique")
    generated = {line.strip() for line in render(user)[path].splitlines()}
    sample = {line.strip() for line in (PROJECT / path).read_text().splitlines()}

    assert generated - sample == GENERATED_ONLY[path]
