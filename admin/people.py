"""`tollgate user`: who may use the portal."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, NoReturn, TypeVar

import typer
from sqlalchemy import Connection

from admin.context import AsJson, Context, Office, actor, command, fail
from admin.output import print_json, say, say_in_columns
from charging.people import (
    LINK_LASTS,
    LinkPurpose,
    Role,
    User,
    require_mail_address,
    require_person_name,
)
from db import people
from db.audit_trail import Change, record
from db.engine import WRITER
from settings import PortalSections, load_sections

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True, help="Who may use the portal, and what they may do.")

Address = Annotated[str, typer.Argument(help="The mail address with which somebody signs in.")]


@app.command("add")
def add(
    address: Address,
    role: Annotated[Role, typer.Option("--role", help="What they may do.")] = Role.MANAGER,
    name: Annotated[str, typer.Option("--name", help="As pages show it.")] = "",
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Give somebody access to an office, and print the link with which they choose a password."""
    with command() as context:
        office_id, mail_address, now = context.office(office), _address(address), _now()
        shown_name = _name(name or mail_address.partition("@")[0])

        def change(writer: Connection) -> tuple[User, str | None]:
            known = people.find_user(writer, mail_address)
            user_id = (
                people.add_user(writer, address=mail_address, name=shown_name, at=now)
                if known is None
                else known.user_id
            )
            people.give_role(writer, user_id, office_id, role)
            record(writer, _change(office_id, "user.invite", mail_address, role.value))
            link = None
            if known is None or known.password_hash is None:
                link = people.make_link(writer, user_id, LinkPurpose.INVITATION, now)
            return _require(people.user_of(writer, user_id)), link

        user, token = _write(context, change)
        link = None if token is None else _link(token)
    if as_json:
        print_json(_as_json(user) | {"link": link})
        return
    say(f"{user.address} is {role.value.replace('_', ' ')} of the office {office_id}")
    _tell_link(link)


@app.command("list")
def list_users(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show who has access, and to which offices."""
    with command() as context:
        office_id = None if office is None else context.office(office)
        with context.reader.connect() as reader:
            users = people.users_of(reader, office_id)
    if as_json:
        print_json({"users": [_as_json(user) for user in users]})
        return
    rows = [[user.address, user.name, _roles(user), _state(user)] for user in users]
    say_in_columns([["ADDRESS", "NAME", "OFFICES", ""], *rows])


@app.command()
def disable(
    address: Address,
    *,
    again: Annotated[bool, typer.Option("--enable", help="Let them in again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody in no more, and end every session of theirs."""
    with command() as context:
        mail_address, now = _address(address), _now()

        def change(writer: Connection) -> User:
            user = _require(people.find_user(writer, mail_address))
            if again:
                people.enable(writer, user.user_id)
            else:
                people.disable(writer, user.user_id, now)
            for office_id in user.roles:
                action = "user.enable" if again else "user.disable"
                record(writer, _change(office_id, action, user.address))
            return _require(people.user_of(writer, user.user_id))

        user = _write(context, change)
    if as_json:
        print_json(_as_json(user))
        return
    say(f"{user.address} is {_state(user)}")


@app.command()
def reset(address: Address, *, as_json: AsJson = False) -> None:
    """Print a link with which somebody chooses a new password; it works once."""
    with command() as context:
        mail_address, now = _address(address), _now()

        def change(writer: Connection) -> tuple[User, str]:
            user = _require(people.find_user(writer, mail_address))
            for office_id in user.roles:
                record(writer, _change(office_id, "user.link", user.address))
            return user, people.make_link(writer, user.user_id, LinkPurpose.RESET, now)

        user, token = _write(context, change)
        link = _link(token)
    if as_json:
        print_json(_as_json(user) | {"link": link})
        return
    _tell_link(link)


def _tell_link(link: str | None) -> None:
    if link is not None:
        minutes = int(LINK_LASTS.total_seconds() / 60)
        say(f"the link for a password works once, for {minutes} minutes: {link}")


def _link(token: str) -> str:
    return f"{load_sections(PortalSections).portal.address_for_browsers}/welcome/{token}"


def _write(context: Context, change: Callable[[Connection], Result]) -> Result:
    with context.engine.connect().execution_options(**WRITER) as writer, writer.begin():
        return change(writer)


def _require(user: User | None) -> User:
    if user is None:
        fail("nobody has that address: `tollgate user list` shows who has access")
    return user


def _address(text: str) -> str:
    try:
        return require_mail_address(text)
    except ValueError as error:
        _refuse(text, error)


def _name(text: str) -> str:
    try:
        return require_person_name(text)
    except ValueError as error:
        _refuse(text, error)


def _refuse(text: str, error: ValueError) -> NoReturn:
    fail(f"{text!r}: {error}")


def _change(office_id: str, action: str, subject: str, after: str = "") -> Change:
    return Change(
        office_id=office_id, at=_now(), actor=actor(), action=action, subject=subject, after=after
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _roles(user: User) -> str:
    return ", ".join(f"{office} ({role.value})" for office, role in user.roles.items()) or "none"


def _state(user: User) -> str:
    if user.disabled:
        return "disabled"
    return "invited" if user.password_hash is None else "active"


def _as_json(user: User) -> dict[str, object]:
    return {
        "address": user.address,
        "name": user.name,
        "language": user.language,
        "state": _state(user),
        "offices": {office: role.value for office, role in user.roles.items()},
    }
