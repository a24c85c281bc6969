"""The request that ``docs/architecture.md`` follows from the command line to the row."""

from sqlalchemy import Engine, event

from adapters.container import bootstrap
from adapters.seedwork.settings import PROJECT
from adapters.settings import Settings
from service_layer import users
from tests.seedwork.pages import blocks

ARCHITECTURE = PROJECT / "docs" / "architecture.md"


def test_the_request_that_it_follows_sends_the_statements_that_it_shows(sqlite_url: str) -> None:
    [quoted] = blocks(ARCHITECTURE.read_text(), "sql")
    sent: list[str] = []

    with bootstrap(settings=Settings(database_url=sqlite_url)) as container:
        john = users.register_user(container.unit_of_work(), name="John Doe", age=30)
        note(container.engine(), sent)
        users.change_user_age(container.unit_of_work(), john.id, 31)

    assert [" ".join(statement.split()) for statement in sent] == quoted.splitlines()[1:-1]


def note(engine: Engine, sent: list[str]) -> None:
    event.listen(engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: sent.append(statement))
