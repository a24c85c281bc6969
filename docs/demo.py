"""The life of users as a Python session. ``make demo`` types it, on a database of its own, and shows what it prints."""

import logging
import sys
from code import InteractiveInterpreter
from io import TextIOWrapper

from rich.console import Console
from rich.syntax import Syntax

from adapters.container import bootstrap
from domain.seedwork.errors import DomainError
from domain.seedwork.repository import Page
from service_layer import users
from service_layer.seedwork.errors import UncommittedChanges
from service_layer.seedwork.worker import Worker

SESSION = (
    (
        "Register users",
        'john = users.register_user(uow, name="John Doe", age=30)',
        'jane = users.register_user(uow, name="Jane Roe", age=28, email="J@Roe.org")',
        'users.register_user(uow, name="Max Moe", age=51)',
    ),
    ("Get one by id", "users.get_user(uow, john.id)"),
    ("List all, a page at a time", "users.list_users(uow)"),
    ("Change an age", "users.change_user_age(uow, john.id, 31)"),
    (
        "Change it without uow.commit(): nothing is saved, and an error says so",
        "with uow:\n    uow.users.get(john.id).change_age(99)\n",
        "users.get_user(uow, john.id)",
    ),
    (
        "What breaks a rule is refused",
        'users.register_user(uow, name="Jim Joe", age=44, email="j@roe.org")',
        "users.change_user_age(uow, john.id, 200)",
        "users.change_user_age(uow, john.id, 32, expected_version=1)",
    ),
    ("Deliver what was published: a handler greets each new user, once", "worker.work()", "worker.work()"),
    ("Remove one, and list what is left", "users.remove_user(uow, jane.id)", "users.list_users(uow)"),
)

NEXT = """\
Now yours:
  make setup     the environment for development, and a migrated app.db
  make test      every test, on memory, SQLite and a PostgreSQL that it starts itself
  README.md      how to call it, how it is built, and how to write your own use case"""

console = Console(highlight=False, soft_wrap=True)


class Session(InteractiveInterpreter):
    """A Python prompt that types by itself."""

    def type(self, source: str) -> None:
        """Show a statement, and run it."""
        prompted = source.rstrip().replace("\n", "\n... ")
        console.print(Syntax(f">>> {prompted}", "python", background_color="default", word_wrap=True))
        self.runsource(source)
        if (name := source.partition(" = ")[0]).isidentifier():
            show(self.locals[name])

    def showtraceback(self) -> None:
        """Show a refusal in one line. Any other error is a defect of the demo, and ends it."""
        error = sys.exception()
        if not isinstance(error, DomainError | UncommittedChanges):
            raise error or AssertionError
        console.print(f"    ✗ {type(error).__name__}: {error}", style="red", markup=False)


def show(value: object) -> None:
    """Print the value of an expression."""
    for item in value.items if isinstance(value, Page) else (value,):
        if isinstance(item, int):
            console.print(f"    → {item}", style="green")
        if isinstance(item, users.UserDetails):
            email = item.email or "no e-mail"
            console.print(
                f"    → {item.name}, {item.age}, {email}, version {item.version}", style="green", markup=False
            )


def main() -> None:
    """Type the session."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # on a terminal without arrows it goes on, too
    sys.displayhook = show
    logging.basicConfig(format="    ✉ %(message)s", level=logging.INFO, stream=sys.stdout)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with bootstrap() as container:
        uow = container.unit_of_work()
        session = Session({"users": users, "uow": uow, "worker": Worker(uow)})
        for title, *statements in SESSION:
            console.print(f"\n[bold]{title}[/bold]")
            for statement in statements:
                session.type(statement)
    console.print(f"\n{NEXT}", highlight=False)


if __name__ == "__main__":
    main()
