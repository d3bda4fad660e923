"""Requests that may be sent twice: under one key the same request gets the same answer.

What is asked for happens once even without these rows, since the key also names the payment or the
entry. They are there so that the answer is the same, and a key is never used for two requests.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from db.api_tables import api_requests

CARRIED_OUT_WITHIN = timedelta(seconds=60)  # later, who began it is gone: it is begun anew
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request under its key. The key is the token's own: another token may use the same."""

    token_id: int
    key: str
    request_sha256: str  # of its method, path and body


@dataclass(frozen=True, slots=True)
class Begun:
    """Nobody has carried it out: the caller does."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """It was sent a moment ago, and is being carried out."""


@dataclass(frozen=True, slots=True)
class UsedOtherwise:
    """The key came with another request before."""


Standing = Begun | Answered | UnderWay | UsedOtherwise


def begin(writer: Connection, request: KeyedRequest, now: datetime) -> Standing:
    """Of requests that arrive together under one key, one is told that it begins."""
    if _insert(writer, request, now):
        return Begun()
    row = writer.execute(select(api_requests).where(_of(request))).one()
    if row.request_sha256 != request.request_sha256:
        return UsedOtherwise()
    if row.status is not None:
        return Answered(row.status, row.answer)
    if now < row.began_at + CARRIED_OUT_WITHIN:
        return UnderWay()
    taken = writer.execute(
        update(api_requests)
        .where(_of(request), _OPEN, api_requests.c.began_at == row.began_at)
        .values(began_at=now)
    )
    return Begun() if taken.rowcount == 1 else UnderWay()


def finish(writer: Connection, request: KeyedRequest, answered: Answered) -> None:
    """Keep the answer; the first one stays."""
    writer.execute(
        update(api_requests)
        .where(_of(request), _OPEN)
        .values(status=answered.status, answer=answered.answer)
    )


def give_up(writer: Connection, request: KeyedRequest) -> None:
    """It could not be carried out: sent again, it begins anew."""
    writer.execute(delete(api_requests).where(_of(request), _OPEN))


def purge_requests(writer: Connection, now: datetime) -> None:
    writer.execute(delete(api_requests).where(api_requests.c.began_at < now - KEPT_FOR))


_OPEN = api_requests.c.status.is_(None)


def _of(request: KeyedRequest) -> ColumnElement[bool]:
    return (api_requests.c.token_id == request.token_id) & (api_requests.c.key == request.key)


def _insert(writer: Connection, request: KeyedRequest, now: datetime) -> bool:
    on_sqlite = writer.dialect.name == "sqlite"
    statement = (sqlite_insert if on_sqlite else postgresql_insert)(api_requests).values(
        token_id=request.token_id,
        key=request.key,
        request_sha256=request.request_sha256,
        began_at=now,
    )
    inserted = statement.on_conflict_do_nothing().returning(api_requests.c.key)
    return writer.execute(inserted).first() is not None
