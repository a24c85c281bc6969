"""The use cases of users as commands. What a use case takes by name is an option here, the rest an argument."""

from typing import Annotated
from uuid import UUID

import typer

from adapters.cli.application import unit_of_work
from adapters.cli.output import Json, show
from domain.user import UserId
from service_layer import users
from service_layer.users import UserDetails

app = typer.Typer(no_args_is_help=True, help="Register, look at, change and remove users.")

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


def _show(*found: UserDetails, as_json: bool) -> None:
    show(UserDetails, found, as_json=as_json)
