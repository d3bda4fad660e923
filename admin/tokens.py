"""`tollgate token`: the tokens with which programs use the API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy import Connection

from admin.context import AsJson, Office, actor, command, fail
from admin.output import print_json, say, say_in_columns
from charging.api_tokens import TOKEN_DAYS_MAX, TOKEN_LASTS, ApiToken, require_token_name
from charging.people import Role
from db.api_tokens import (
    TokenNameTakenError,
    UnknownTokenError,
    add_token,
    revoke_token,
    tokens_of,
)
from db.ledger import read_from
from db.writing import write_to

app = typer.Typer(no_args_is_help=True, help="Tokens with which programs use the API.")

Name = Annotated[str, typer.Argument(help="What the audit trail calls it: bookkeeping, till-2.")]


@app.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = Role.VIEWER,
    days: Annotated[
        int, typer.Option("--days", min=1, max=TOKEN_DAYS_MAX, help="How long it works.")
    ] = TOKEN_LASTS.days,
    office: Office = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make a token of one office, and print it: it is shown once, and kept nowhere."""
    with command() as context:
        office_id, now = context.office(office), datetime.now(UTC)
        expires_at = now + timedelta(days=days)

        def change(writer: Connection) -> str:
            return add_token(
                writer,
                name=_checked(name),
                office_id=office_id,
                role=role,
                by=actor(),
                at=now,
                expires_at=expires_at,
            )

        try:
            token = write_to(context.engine, change)
        except TokenNameTakenError:
            fail(f"office {office_id} has, or had, a token {name!r}: choose another name")
    if as_json:
        made = {"office": office_id, "name": name, "role": role.value}
        print_json(made | {"expires_at": expires_at.isoformat(), "token": token})
        return
    said = role.value.replace("_", " ")
    say(f"{name} is {said} of the office {office_id} until {_day(expires_at)}; the token:")
    say(token)


@app.command("list")
def list_tokens(office: Office = None, *, as_json: AsJson = False) -> None:
    """Show which tokens there are, whether they work, and when each was last used."""
    with command() as context:
        office_id = None if office is None else context.office(office)
        found = read_from(context.reader, lambda reader: tokens_of(reader, office_id))
        now = datetime.now(UTC)
    if as_json:
        print_json({"tokens": [_as_json(token, now) for token in found]})
        return
    rows = [
        [
            token.office_id,
            token.name,
            token.role.value,
            _state(token, now),
            _day(token.expires_at),
            _moment(token.last_used_at) or "never",
            token.made_by,
        ]
        for token in found
    ]
    say_in_columns([["OFFICE", "NAME", "ROLE", "", "UNTIL", "LAST USED", "MADE BY"], *rows])


@app.command()
def revoke(name: Name, office: Office = None, *, as_json: AsJson = False) -> None:
    """Let nobody use a token any more, at once and for ever."""
    with command() as context:
        office_id, now = context.office(office), datetime.now(UTC)

        def change(writer: Connection) -> ApiToken:
            return revoke_token(writer, name=name, office_id=office_id, by=actor(), at=now)

        try:
            write_to(context.engine, change)
        except UnknownTokenError:
            fail(f"office {office_id} has no token {name!r} that works: `tollgate token list`")
    if as_json:
        print_json({"office": office_id, "name": name, "state": "revoked"})
        return
    say(f"{name} of the office {office_id} is revoked")


def _checked(name: str) -> str:
    try:
        return require_token_name(name)
    except ValueError as error:
        fail(f"{name!r}: {error}")


def _state(token: ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "works" if token.works(now) else "expired"


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _as_json(token: ApiToken, now: datetime) -> dict[str, object]:
    used, revoked = token.last_used_at, token.revoked_at
    return {
        "office": token.office_id,
        "name": token.name,
        "role": token.role.value,
        "state": _state(token, now),
        "made_by": token.made_by,
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        "revoked_at": None if revoked is None else revoked.isoformat(),
        "last_used_at": None if used is None else used.isoformat(),
    }
