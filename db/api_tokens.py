"""Tokens of the API as rows, each change with its record, in the caller's transaction."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from charging.api_tokens import ApiToken
from charging.people import Role
from db.api_tables import api_tokens
from db.audit_trail import Change, record
from db.people import TOKEN_BYTES, sha256

PREFIX = "tollgate_"  # so that whoever finds one in a file knows what it opens
USED_EVERY = timedelta(minutes=1)  # a request that only reads is not a write each time


class TokenNameTakenError(Exception):
    """The office has, or had, a token of this name."""


class UnknownTokenError(Exception):
    """The office has no token of this name that still works."""


def add_token(  # noqa: PLR0913 - everything that a token is
    writer: Connection,
    *,
    name: str,
    office_id: str,
    role: Role,
    by: str,
    at: datetime,
    expires_at: datetime,
) -> str:
    """Make a token and return it: it is nowhere else.

    Raises:
        TokenNameTakenError: nothing was changed.
    """
    if _find(writer, office_id, name) is not None:
        raise TokenNameTakenError(name)
    token = f"{PREFIX}{secrets.token_urlsafe(TOKEN_BYTES)}"
    writer.execute(
        insert(api_tokens).values(
            office_id=office_id,
            name=name,
            role=role.value,
            token_sha256=sha256(token),
            made_by=by,
            created_at=at,
            expires_at=expires_at,
        )
    )
    until = expires_at.date().isoformat()
    record(
        writer,
        Change(
            office_id=office_id,
            at=at,
            actor=by,
            action="token.add",
            subject=name,
            after=f"{role.value}, until {until}",
        ),
    )
    return token


def find_token(reader: Connection, token: str) -> ApiToken | None:
    """Whether it still works is for the caller to ask."""
    row = reader.execute(
        select(api_tokens).where(api_tokens.c.token_sha256 == sha256(token))
    ).first()
    return None if row is None else _token_of(row)


def tokens_of(reader: Connection, office_id: str | None = None) -> Sequence[ApiToken]:
    """Of one office, or of all; those that work no more, too."""
    query = select(api_tokens).order_by(api_tokens.c.office_id, api_tokens.c.name)
    if office_id is not None:
        query = query.where(api_tokens.c.office_id == office_id)
    return [_token_of(row) for row in reader.execute(query)]


def revoke_token(
    writer: Connection, *, name: str, office_id: str, by: str, at: datetime
) -> ApiToken:
    """Nobody uses it any more.

    Raises:
        UnknownTokenError: there is none of this name, or it is revoked already.
    """
    found = _find(writer, office_id, name)
    if found is None or found.revoked_at is not None:
        raise UnknownTokenError(name)
    writer.execute(
        update(api_tokens).where(api_tokens.c.token_id == found.token_id).values(revoked_at=at)
    )
    change = Change(office_id=office_id, at=at, actor=by, action="token.revoke", subject=name)
    record(writer, change)
    return found


def wants_used(token: ApiToken, now: datetime) -> bool:
    return token.last_used_at is None or now >= token.last_used_at + USED_EVERY


def used(writer: Connection, token: ApiToken, now: datetime) -> None:
    writer.execute(
        update(api_tokens).where(api_tokens.c.token_id == token.token_id).values(last_used_at=now)
    )


def _find(reader: Connection, office_id: str, name: str) -> ApiToken | None:
    row = reader.execute(
        select(api_tokens).where(api_tokens.c.office_id == office_id, api_tokens.c.name == name)
    ).first()
    return None if row is None else _token_of(row)


def _token_of(row: Row[Any]) -> ApiToken:
    return ApiToken(
        token_id=row.token_id,
        name=row.name,
        office_id=row.office_id,
        role=Role(row.role),
        made_by=row.made_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
