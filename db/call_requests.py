"""What somebody asks of a call under way, and what became of it.

Whoever asks writes a row; the application that carries the call looks for rows, carries them out
and says so. Nothing of a call's own work waits for it.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from charging.errors import UnknownCall
from db.audit_trail import Change, record
from db.batches import unavailable
from db.call_tables import call_requests
from db.engine import WRITER
from db.ledger import read_from
from db.models import calls

HANG_UP = "hang_up"
AT_ONCE = 100  # requests that are carried out in one look


class Outcome(StrEnum):
    HUNG_UP = "hung_up"  # asked for here, and over since
    OVER = "over"  # it was over before anybody could hang it up


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUpRequest:
    request_id: str
    office_id: str
    call_id: str
    actor: str
    reason: str
    asked_at: datetime
    outcome: Outcome | None  # None: not carried out yet
    done_at: datetime | None


def ask_to_hang_up(  # noqa: PLR0913 - who asks what of which call, by name
    engine: Engine,
    *,
    office_id: str,
    call_id: str,
    actor: str,
    reason: str,
    at: datetime,
    client_address: str = "",
) -> HangUpRequest:
    """Ask that a paid call be hung up. Asked again before it is done, it is the same request.

    Raises:
        UnknownCall: the office has no such paid call.
        ChargingUnavailable: the database is away.
    """
    request_id = secrets.token_hex(16)
    try:
        with engine.connect().execution_options(**WRITER) as writer, writer.begin():
            asterisk = _asterisk_of(writer, office_id, call_id)
            writer.execute(
                insert(call_requests).values(
                    request_id=request_id,
                    office_id=office_id,
                    call_id=call_id,
                    asterisk=asterisk,
                    action=HANG_UP,
                    actor=actor,
                    reason=reason,
                    asked_at=at,
                )
            )
            change = Change(
                office_id=office_id,
                at=at,
                actor=actor,
                action="call.hang_up",
                subject=call_id,
                reason=reason,
                client_address=client_address,
            )
            record(writer, change)
    except IntegrityError:  # somebody has asked already, and it is not done yet
        pass
    except DBAPIError as error:
        raise unavailable(error) from error
    return read_from(engine, lambda reader: requests_of(reader, call_id)[0])


def requests_of(reader: Connection, call_id: str) -> Sequence[HangUpRequest]:
    """What was asked of a call: what is not done yet first, then the latest."""
    query = (
        select(call_requests)
        .where(call_requests.c.call_id == call_id)
        .order_by(
            call_requests.c.outcome.is_not(None),
            call_requests.c.asked_at.desc(),
            call_requests.c.request_id,
        )
    )
    return [_request_of(row) for row in reader.execute(query)]


def _asterisk_of(reader: Connection, office_id: str, call_id: str) -> str:
    query = select(calls.c.asterisk).where(
        calls.c.call_id == call_id, calls.c.office_id == office_id
    )
    found: str | None = reader.scalar(query)
    if found is None:
        raise UnknownCall(call_id)
    return found


def _request_of(row: Row[Any]) -> HangUpRequest:
    return HangUpRequest(
        request_id=row.request_id,
        office_id=row.office_id,
        call_id=row.call_id,
        actor=row.actor,
        reason=row.reason,
        asked_at=row.asked_at,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        done_at=row.done_at,
    )


class HangUpRequests:
    """The application's side. In threads: the event loop waits for no database."""

    def __init__(self, engine: Engine, *, asterisk: str) -> None:
        self._engine = engine
        self._asterisk = asterisk

    async def still_open(self) -> Sequence[HangUpRequest]:
        """What this application is to do.

        Raises:
            ChargingUnavailable: the database is away.
        """
        query = (
            select(call_requests)
            .where(call_requests.c.asterisk == self._asterisk, call_requests.c.outcome.is_(None))
            .limit(AT_ONCE)
        )
        return await asyncio.to_thread(
            read_from,
            self._engine,
            lambda reader: [_request_of(row) for row in reader.execute(query)],
        )

    async def is_over(self, call_id: str) -> bool:
        """Whether a call is settled.

        Raises:
            ChargingUnavailable: the database is away.
        """
        query = select(calls.c.settled_at).where(calls.c.call_id == call_id)
        settled_at = await asyncio.to_thread(
            read_from, self._engine, lambda reader: reader.scalar(query)
        )
        return settled_at is not None

    async def finish(self, request_id: str, outcome: Outcome, *, at: datetime) -> None:
        """Say what became of it, once.

        Raises:
            ChargingUnavailable: the database is away.
        """
        await asyncio.to_thread(self._finish, request_id, outcome, at)

    def _finish(self, request_id: str, outcome: Outcome, at: datetime) -> None:
        change = (
            update(call_requests)
            .where(call_requests.c.request_id == request_id, call_requests.c.outcome.is_(None))
            .values(outcome=outcome.value, done_at=at)
        )
        try:
            with self._engine.connect().execution_options(**WRITER) as writer, writer.begin():
                writer.execute(change)
        except DBAPIError as error:
            raise unavailable(error) from error
