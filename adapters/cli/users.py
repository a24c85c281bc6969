"""The use cases of users as commands: most need no more than the use case says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.application import unit_of_work
from adapters.seedwork.cli.commands import Commands
from adapters.seedwork.cli.files import Columns, Format, Row, UnreadableRow, read_rows, row_writer
from adapters.seedwork.cli.options import ExpectedVersion, Id
from adapters.seedwork.cli.output import Json, show_saved
from adapters.seedwork.cli.streams import STANDARD, open_input, open_output
from adapters.seedwork.cli.values import id_of_cell, number_of_cell
from domain.seedwork.errors import DomainError
from domain.user import User, UserId
from service_layer import user_import, users
from service_layer.users import UserDetails

app = Commands(unit_of_work, help="Register, look at, change and remove users.", rules=User.rules)
app.writing("register", users.register_user)
app.reading("show", users.get_user)
app.reading("find", users.find_user_by_email)
app.reading("list", users.list_users)
app.writing("rename", users.rename_user)
app.writing("change-age", users.change_user_age)
app.writing("remove", users.remove_user)

FormatOption = Annotated[
    Format | None, typer.Option(help="The file's format, if its name does not show it.", show_default=False)
]


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

    $ PROGRAM users change-email 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d john@example.com
    $ PROGRAM users change-email 019aa9b2-6b0e-7c3a-9d1f-2f4e5a6b7c8d --none
    """
    if none is (email is not None):
        raise typer.BadParameter("give either an address or --none", param_hint="EMAIL")
    with unit_of_work() as uow:
        user = users.change_user_email(uow, UserId(user_id), email, expected_version=expected_version)
    show_saved(UserDetails, [user], as_json=as_json)


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

    $ PROGRAM users import users.csv
    $ PROGRAM users import users.csv --skip-invalid 2> refused.txt
    $ PROGRAM users export - | DATABASE_URL=sqlite:///copy.db PROGRAM users import -
    """
    name = "standard input" if file == STANDARD else str(file)
    refused = 0

    def refuse(row: Row | UnreadableRow, reason: DomainError) -> None:
        nonlocal refused
        refused += 1
        typer.echo(f"{name}, line {row.line}: {' '.join(str(reason).split())}", err=True)

    with open_input(file) as opened, unit_of_work() as uow, uow:
        rows = read_rows(opened, format or Format.of(file), _COLUMNS, _REQUIRED)
        imported = user_import.import_users(uow, rows, refused=refuse)
        if refused and not skip_invalid:
            uow.rollback()
            raise typer.TyperException(
                f"Nothing is imported. Refused rows: {refused}; --skip-invalid imports the others."
            )
        uow.commit()
    show_saved(Imported, [Imported(imported, refused)], as_json=as_json)


@app.command("export")
def export_users(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The file to write; - for standard output."),
    ] = STANDARD,
    *,
    format: FormatOption = None,
    columns: Annotated[str, typer.Option(help="Which columns, in which order.")] = "id,name,age,email",
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet",
            help="Put ' before a text that a spreadsheet would run as a formula (= + - @). Import would keep the '.",
        ),
    ] = False,
) -> None:
    """Write all users to a file, in the order of registration.

    Without --spreadsheet each value is exact, and import reads the file again: do not open it in a spreadsheet, where
    a name that begins with = is run as a formula.

    $ PROGRAM users export users.csv
    $ PROGRAM users export users.jsonl
    $ PROGRAM users export --spreadsheet to-look-at.csv
    $ PROGRAM users export --columns name,email | head
    """
    names = columns.split(",")
    if unknown := set(names) - _COLUMNS.keys():
        raise typer.BadParameter(f"no {' or '.join(sorted(unknown))} in {','.join(_COLUMNS)}", param_hint="--columns")
    if len(set(names)) < len(names):
        raise typer.BadParameter(f"{columns} names a column twice", param_hint="--columns")
    format = format or Format.of(file)
    if spreadsheet and format is not Format.CSV:
        raise typer.BadParameter("only a CSV file is opened in a spreadsheet", param_hint="--spreadsheet")
    with open_output(file) as opened, unit_of_work() as uow:
        user_import.export_users(uow, row_writer(opened, format, names, spreadsheet=spreadsheet))


@dataclass(frozen=True)
class Imported:
    """How many rows of a file were imported, and how many were refused."""

    imported: int
    refused: int


_REQUIRED = {"name", "age"}
_COLUMNS: Columns = {
    "id": id_of_cell,
    "name": str,
    "age": number_of_cell,
    "email": str,
    "version": number_of_cell,
}
