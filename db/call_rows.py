"""Calls as rows, and rows as calls."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, RowMapping

from charging.evidence import EndUnproved
from charging.ledger import NO_LIMITS, CallRecord, SpendingLimits
from charging.money import Money
from charging.rates import Rate
from db.bulk import Insert, Update, Values
from db.models import calls

_FIXED = (
    *("call_id", "office_id", "endpoint", "extension", "language", "dialled", "number"),
    *("dial_string", "country", "kind", "destination", "reason", "currency"),
    *("per_minute_micros", "connection_micros", "per_call_micros", "initial_s", "increment_s"),
    *("extension_day_limit_micros", "extension_month_limit_micros", "office_day_limit_micros"),
    *("caller_channel", "asterisk", "authorised_at", "spending_day"),
)
_CHANGING = (
    *("reserved_intervals", "debited_intervals", "held_micros", "debited_micros", "leg"),
    *("answered_at", "ended_at", "talk_s", "released_micros", "hangup_cause", "settled_at"),
    "end_unproved",
)
_INSERT = Insert(calls, *_FIXED, *_CHANGING)
_UPDATE = Update(calls, *_CHANGING, key="call_id")


def insert_calls(connection: Connection, new: Iterable[CallRecord]) -> None:
    _INSERT.run(connection, [_fixed(call) + _changing(call) for call in new])


def update_calls(connection: Connection, changed: Iterable[CallRecord]) -> None:
    _UPDATE.run(connection, [(*_changing(call), call.call_id) for call in changed])


def _fixed(call: CallRecord) -> Values:
    """In the order of _FIXED."""
    return (
        *(call.call_id, call.office_id, call.endpoint, call.extension, call.language),
        *(call.dialled, call.number, call.dial_string, call.country, call.kind),
        *(call.destination, call.reason, call.rate.currency),
        *(call.rate.per_minute.micros, call.rate.connection_charge.micros),
        *(call.rate.per_call.micros, call.rate.initial_s, call.rate.increment_s),
        *(_micros(call.limits.extension_day), _micros(call.limits.extension_month)),
        _micros(call.limits.office_day),
        *(call.caller_channel, call.asterisk, call.authorised_at, call.spending_day),
    )


def _changing(call: CallRecord) -> Values:
    """In the order of _CHANGING: what an existing call may change."""
    return (
        *(call.reserved_intervals, call.debited_intervals),
        *(call.held.micros, call.debited.micros),
        *(call.leg, call.answered_at, call.ended_at, call.talk_s),
        *(_micros(call.released), call.hangup_cause, call.settled_at),
        None if call.end_unproved is None else call.end_unproved.value,
    )


def call_of(row: Row[Any]) -> CallRecord:
    """Read a call from a row of all columns."""
    columns = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for it
    currency = columns["currency"]
    return CallRecord(
        call_id=columns["call_id"],
        office_id=columns["office_id"],
        endpoint=columns["endpoint"],
        extension=columns["extension"],
        language=columns["language"],
        dialled=columns["dialled"],
        number=columns["number"],
        dial_string=columns["dial_string"],
        country=columns["country"],
        kind=columns["kind"],
        destination=columns["destination"],
        reason=columns["reason"],
        rate=_rate_of(columns, currency),
        limits=_limits_of(columns, currency),
        caller_channel=columns["caller_channel"],
        asterisk=columns["asterisk"],
        authorised_at=columns["authorised_at"],
        spending_day=columns["spending_day"],
        reserved_intervals=columns["reserved_intervals"],
        debited_intervals=columns["debited_intervals"],
        held=Money(columns["held_micros"], currency),
        debited=Money(columns["debited_micros"], currency),
        leg=columns["leg"],
        answered_at=columns["answered_at"],
        ended_at=columns["ended_at"],
        talk_s=columns["talk_s"],
        released=_money(columns["released_micros"], currency),
        hangup_cause=columns["hangup_cause"],
        settled_at=columns["settled_at"],
        end_unproved=_unproved(columns["end_unproved"]),
    )


def _unproved(value: str | None) -> EndUnproved | None:
    return None if value is None else EndUnproved(value)


def _rate_of(columns: RowMapping, currency: str) -> Rate:
    return _rate(
        currency,
        (columns["per_minute_micros"], columns["connection_micros"], columns["per_call_micros"]),
        (columns["initial_s"], columns["increment_s"]),
    )


@lru_cache(1024)  # many calls, few rates
def _rate(currency: str, micros: tuple[int, int, int], blocks_s: tuple[int, int]) -> Rate:
    per_minute, connection, per_call = (Money(amount, currency) for amount in micros)
    initial_s, increment_s = blocks_s
    return Rate(
        per_minute=per_minute,
        connection_charge=connection,
        per_call=per_call,
        initial_s=initial_s,
        increment_s=increment_s,
    )


def _limits_of(columns: RowMapping, currency: str) -> SpendingLimits:
    day = columns["extension_day_limit_micros"]
    month = columns["extension_month_limit_micros"]
    office = columns["office_day_limit_micros"]
    if day is None and month is None and office is None:
        return NO_LIMITS
    return SpendingLimits(
        extension_day=_money(day, currency),
        extension_month=_money(month, currency),
        office_day=_money(office, currency),
    )


def _micros(amount: Money | None) -> int | None:
    return None if amount is None else amount.micros


def _money(micros: int | None, currency: str) -> Money | None:
    return None if micros is None else Money(micros, currency)
