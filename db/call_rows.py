"""Calls as rows, and rows as calls."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Row, RowMapping

from charging.evidence import EndUnproved
from charging.ledger import NO_LIMITS, CallRecord, SpendingLimits
from charging.money import Money
from charging.rates import Rate


def row_of(call: CallRecord) -> dict[str, Any]:
    """Every column of a new call."""
    return _fixed_columns(call) | changing_columns(call)


def _fixed_columns(call: CallRecord) -> dict[str, Any]:
    return {
        "call_id": call.call_id,
        "office_id": call.office_id,
        "endpoint": call.endpoint,
        "extension": call.extension,
        "language": call.language,
        "dialled": call.dialled,
        "number": call.number,
        "dial_string": call.dial_string,
        "country": call.country,
        "kind": call.kind,
        "destination": call.destination,
        "reason": call.reason,
        "currency": call.rate.currency,
        "per_minute_micros": call.rate.per_minute.micros,
        "connection_micros": call.rate.connection_charge.micros,
        "per_call_micros": call.rate.per_call.micros,
        "initial_s": call.rate.initial_s,
        "increment_s": call.rate.increment_s,
        "extension_day_limit_micros": _micros(call.limits.extension_day),
        "extension_month_limit_micros": _micros(call.limits.extension_month),
        "office_day_limit_micros": _micros(call.limits.office_day),
        "caller_channel": call.caller_channel,
        "asterisk": call.asterisk,
        "authorised_at": call.authorised_at,
        "spending_day": call.spending_day,
    }


def changing_columns(call: CallRecord) -> dict[str, Any]:
    """The columns that an existing call may change."""
    return {
        "reserved_intervals": call.reserved_intervals,
        "debited_intervals": call.debited_intervals,
        "held_micros": call.held.micros,
        "debited_micros": call.debited.micros,
        "leg": call.leg,
        "answered_at": call.answered_at,
        "ended_at": call.ended_at,
        "talk_s": call.talk_s,
        "released_micros": _micros(call.released),
        "hangup_cause": call.hangup_cause,
        "settled_at": call.settled_at,
        "end_unproved": call.end_unproved,
    }


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
