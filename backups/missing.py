"""What happened after a backup and is not in the ledger that was made from it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select

from charging.errors import ChargingUnavailable
from db.call_tables import unpaid_calls
from db.engine import open_reader
from db.ledger import read_from
from db.models import calls
from db.money_reads import pays_by_card
from settings import SharedSections
from telephony.cel import Leg, LegLog, carrier_leg

LONGEST_CALL = timedelta(days=1)  # one that is longer and ended since then is told of as missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    legs: int | None  # answered ones, by Asterisk's log; None: there is no log
    talk_s: int = 0  # of those that have ended
    may_have_payments: bool = False
    problem: str = ""  # why the log says nothing


def missing_since(settings: SharedSections, url: str, moment: datetime) -> Missing:
    """Compare Asterisk's log of legs with a restored ledger, from a moment on."""
    engine = open_reader(url)
    try:
        by_card = read_from(engine, pays_by_card)
        known = read_from(engine, lambda reader: _callers_since(reader, moment))
    except ChargingUnavailable as error:
        return Missing(legs=None, problem=str(error))
    finally:
        engine.dispose()
    file = settings.asterisk.cel_file
    if file is None:
        return Missing(legs=None, may_have_payments=by_card)
    try:
        found = LegLog(file).read(round(moment.timestamp() * 1000))
    except OSError as error:
        return Missing(legs=None, may_have_payments=by_card, problem=str(error))
    legs = [
        leg
        for caller, of_call in found.items()
        if caller not in known and (leg := carrier_leg(of_call, caller=caller)) is not None
    ]
    return Missing(legs=len(legs), talk_s=sum(map(_talk_s, legs)), may_have_payments=by_card)


def _callers_since(reader: Connection, moment: datetime) -> frozenset[str]:
    """The channels whose calls the ledger has."""
    since = moment - LONGEST_CALL
    paid = select(calls.c.caller_channel).where(
        or_(calls.c.settled_at.is_(None), calls.c.authorised_at >= since)
    )
    unpaid = select(unpaid_calls.c.caller_channel).where(unpaid_calls.c.started_at >= since)
    return frozenset(reader.scalars(paid.union(unpaid)))


def _talk_s(leg: Leg) -> int:
    if leg.answered_ms is None or leg.ended_ms is None:
        return 0
    return max(0, leg.ended_ms - leg.answered_ms) // 1000
