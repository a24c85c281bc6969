"""The use cases of users as commands. What a use case takes by name is an option here, the rest an argument."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from adapters.cli.application import unit_of_work
from adapters.seedwork.cli.files import Columns, Format, Row, UnreadableRow, read_rows, row_writer
from adapters.seedwork.cli.output import Json, show
from adapters.seedwork.cli.streams import STANDARD, open_input, open_output
from domain.seedwork.errors import DomainError
from domain.user import UserId
from service_layer import user_import, users
from service_layer.users import UserDetails

app = typer.Typer(no_args_is_help=True, help="Register, look at, change and remove users.")

FormatOption = Annotated[
    Format | None, typer.Option(help="What the file is, if its name does not tell.", show_default=False)
]
Id = Annotated[UUID, typer.Argument(metavar="ID", help="The user's id.", show_default=False)]
ExpectedVersion = Annotated[
    int | None,
    typer.Option(help="Refuse if somebody has saved the user since you read this version.", show_default=False),
]


@app.command()
def register(
    *,
    name: Annotated[str, typer.Option(help="1 to 100 characters.", show_default=False)],
    age: Annotated[int, typer.Option(help="0 to 150 years.", show_default=False)],
    email: Annotated[str | None, typer.Option(help="An address that no other user has.", show_default=False)] = None,
    user_id: Annotated[
        UUID | None,
        typer.Option("--id", help="A UUID of your own: then the command may be repeated.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Register a user.

    $ groundwork users register --name "John Doe" --age 30
    $ groundwork users register --name "Jane Roe" --age 28 --email jane@example.com --json
    """
    with unit_of_work() as uow:
        user = users.register_user(
            uow, name=name, age=age, email=email, user_id=None if user_id is None else UserId(user_id)
        )
    _show(user, as_json=as_json)


@app.command("show")
def show_user(user_id: Id, *, as_json: Json = False) -> None:
    """Show the user with an id.

    $ groundwork users show 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d
    """
    with unit_of_work() as uow:
        user = users.get_user(uow, UserId(user_id))
    _show(user, as_json=as_json)


@app.command()
def find(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """Show the user with an e-mail address.

    $ groundwork users find jane@example.com
    """
    with unit_of_work() as uow:
        user = users.find_user_by_email(uow, email)
    if user is None:
        raise typer.TyperException(f"No user has the e-mail address {email}.")
    _show(user, as_json=as_json)


@app.command("list")
def list_users(
    *,
    after: Annotated[UUID | None, typer.Option(help="Begin after the user with this id.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="How many at the most, 1 to 1000.")] = 50,
    as_json: Json = False,
) -> None:
    """Show users a page at a time, in the order of registration.

    $ groundwork users list --limit 10
    $ groundwork users list --limit 10 --after 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d
    $ groundwork users list --json | jq .name
    """
    with unit_of_work() as uow:
        page = users.list_users(uow, after=after, limit=limit)
    _show(*page.items, as_json=as_json)
    if page.next and not as_json:
        typer.echo(f"More: groundwork users list --limit {limit} --after {page.next}", err=True)


@app.command()
def rename(
    user_id: Id,
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 100 characters.", show_default=False)],
    *,
    expected_version: ExpectedVersion = None,
    as_json: Json = False,
) -> None:
    """Give a user another name.

    $ groundwork users rename 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d "John Roe"
    """
    with unit_of_work() as uow:
        user = users.rename_user(uow, UserId(user_id), name, expected_version=expected_version)
    _show(user, as_json=as_json)


@app.command()
def change_age(
    user_id: Id,
    age: Annotated[int, typer.Argument(metavar="AGE", help="0 to 150 years.", show_default=False)],
    *,
    expected_version: ExpectedVersion = None,
    as_json: Json = False,
) -> None:
    """Set a user's age.

    $ groundwork users change-age 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d 31 --expected-version 1
    """
    with unit_of_work() as uow:
        user = users.change_user_age(uow, UserId(user_id), age, expected_version=expected_version)
    _show(user, as_json=as_json)


@app.command()
def change_email(
    user_id: Id,
    email: Annotated[
        str | None, typer.Argument(metavar="EMAIL", help="An address that no other user has.", show_default=False)
    ] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Take the address away.")] = False,
    expected_version: ExpectedVersion = None,
    as_json: Json = False,
) -> None:
    """Set a user's e-mail address, or take it away.

    $ groundwork users change-email 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d john@example.com
    $ groundwork users change-email 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d --none
    """
    if none is (email is not None):
        raise typer.BadParameter("give either an address or --none", param_hint="EMAIL")
    with unit_of_work() as uow:
        user = users.change_user_email(uow, UserId(user_id), email, expected_version=expected_version)
    _show(user, as_json=as_json)


@app.command()
def remove(user_id: Id, *, expected_version: ExpectedVersion = None, as_json: Json = False) -> None:
    """Remove a user, and show who it was.

    $ groundwork users remove 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d
    """
    with unit_of_work() as uow:
        user = users.remove_user(uow, UserId(user_id), expected_version=expected_version)
    _show(user, as_json=as_json)


@app.command("import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A CSV or JSON Lines file in UTF-8; - for standard input.", show_default=False
        ),
    ],
    *,
    format: FormatOption = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Import the other rows where some are refused.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Register the users of a file: all of them, or none. Refused rows are listed with the reason.

    The columns are name and age and, where known, email and id. In CSV the first line names them:

    name,age,email
    John Doe,30,john@example.com

    $ groundwork users import users.csv
    $ groundwork users import users.csv --skip-invalid 2> refused.txt
    $ groundwork users export - | DATABASE_URL=sqlite:///copy.db groundwork users import -
    """
    name = "standard input" if file == STANDARD else str(file)
    refused = 0

    def refuse(row: Row | UnreadableRow, reason: DomainError) -> None:
        nonlocal refused
        refused += 1
        print(f"{name}, line {row.line}: {' '.join(str(reason).split())}", file=sys.stderr)

    with open_input(file) as opened, unit_of_work() as uow, uow:
        rows = read_rows(opened, format or Format.of(file), _COLUMNS, _REQUIRED)
        imported = user_import.import_users(uow, rows, refused=refuse)
        if refused and not skip_invalid:
            uow.rollback()
            raise typer.TyperException(
                f"Nothing is imported. Refused rows: {refused}; --skip-invalid imports the others."
            )
        uow.commit()
    show(Imported, [Imported(imported, refused)], as_json=as_json)


@app.command("export")
def export_users(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The file to write; - for standard output."),
    ] = STANDARD,
    *,
    format: FormatOption = None,
    columns: Annotated[str, typer.Option(help="Which columns, in which order.")] = "id,name,age,email",
) -> None:
    """Write all users to a file, in the order of registration, as import reads them.

    $ groundwork users export users.csv
    $ groundwork users export users.jsonl
    $ groundwork users export --columns name,email | head
    """
    names = columns.split(",")
    if unknown := set(names) - _COLUMNS.keys():
        raise typer.BadParameter(f"no {' or '.join(sorted(unknown))} in {','.join(_COLUMNS)}", param_hint="--columns")
    if len(set(names)) < len(names):
        raise typer.BadParameter(f"{columns} names a column twice", param_hint="--columns")
    with open_output(file) as opened, unit_of_work() as uow:
        user_import.export_users(uow, row_writer(opened, format or Format.of(file), names))


def _show(*found: UserDetails, as_json: bool) -> None:
    show(UserDetails, found, as_json=as_json)


@dataclass(frozen=True)
class Imported:
    """What became of a file's rows."""

    imported: int
    refused: int


def _number(text: str) -> object:
    try:
        return int(text.replace("_", "?"))  # Python alone reads 3_0 as 30
    except ValueError:
        return text  # for the rule of the domain to refuse


def _uuid(text: str) -> object:
    try:
        return UUID(text)
    except ValueError:
        return text


_REQUIRED = {"name", "age"}
_COLUMNS: Columns = {"id": _uuid, "name": str, "age": _number, "email": str, "version": _number}
