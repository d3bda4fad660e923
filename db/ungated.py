"""Legs to a carrier that nobody pays for, as rows; and the calls that pay for legs."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from db.batches import unavailable
from db.engine import WRITER
from db.ledger import read_from
from db.models import calls, ungated_legs


@dataclass(frozen=True, slots=True, kw_only=True)
class UngatedLeg:
    channel: str
    asterisk: str
    endpoint: str
    number: str  # masked
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidLeg:
    """What one call in the ledger pays for."""

    caller: str  # the channel that made the call
    leg: str | None
    dial_string: str


class UngatedLegs:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def paid(self, callers: Collection[str]) -> Sequence[PaidLeg]:
        """The calls in the ledger that these channels made.

        Raises:
            ChargingUnavailable: the database is away.
        """
        made = calls.c.caller_channel
        query = select(made, calls.c.leg, calls.c.dial_string).where(made.in_(callers))
        rows = await asyncio.to_thread(
            read_from, self._engine, lambda reader: reader.execute(query).all()
        )
        return [
            PaidLeg(caller=row.caller_channel, leg=row.leg, dial_string=row.dial_string)
            for row in rows
        ]

    async def add(self, leg: UngatedLeg) -> bool:
        """Whether it is new: a log may be read twice.

        Raises:
            ChargingUnavailable: the database is away.
        """
        return await asyncio.to_thread(self._add, leg)

    def _add(self, leg: UngatedLeg) -> bool:
        row = {
            "channel": leg.channel,
            "asterisk": leg.asterisk,
            "endpoint": leg.endpoint,
            "number": leg.number,
            "answered_at": leg.answered_at,
        }
        try:
            with self._engine.connect().execution_options(**WRITER) as writer, writer.begin():
                writer.execute(insert(ungated_legs).values(row))
        except IntegrityError:
            return False
        except DBAPIError as error:
            raise unavailable(error) from error
        return True


def legs_since(reader: Connection, moment: datetime) -> Sequence[UngatedLeg]:
    """The newest first."""
    query = (
        select(ungated_legs)
        .where(ungated_legs.c.answered_at >= moment)
        .order_by(ungated_legs.c.answered_at.desc())
    )
    return [
        UngatedLeg(
            channel=row.channel,
            asterisk=row.asterisk,
            endpoint=row.endpoint,
            number=row.number,
            answered_at=row.answered_at,
        )
        for row in reader.execute(query)
    ]
