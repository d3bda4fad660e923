"""Calls as rows, and rows as calls."""

from collections.abc import Sequence
from typing import Any

from charging.ledger import NO_LIMITS, CallRecord, SpendingLimits
from charging.money import Money
from charging.rates import Rate
from db.models import calls
from db.statements import Shape, moment_of

COLUMNS = tuple(column.name for column in calls.columns)
CHANGING_COLUMNS = (
    *("reserved_intervals", "debited_intervals", "held_micros", "debited_micros", "leg"),
    *("answered_at", "ended_at", "talk_s", "released_micros", "hangup_cause", "settled_at"),
)
_MOMENTS = ("authorised_at", "answered_at", "ended_at", "settled_at")


def row_of(call: CallRecord, shape: Shape) -> dict[str, Any]:
    """Every column of a new call."""
    return _fixed_columns(call, shape) | changing_columns(call, shape)


def _fixed_columns(call: CallRecord, shape: Shape) -> dict[str, Any]:
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
        "authorised_at": shape.stored(call.authorised_at),
        "spending_day": call.spending_day,
    }


def changing_columns(call: CallRecord, shape: Shape) -> dict[str, Any]:
    """The columns that an existing call may change."""
    return {
        "reserved_intervals": call.reserved_intervals,
        "debited_intervals": call.debited_intervals,
        "held_micros": call.held.micros,
        "debited_micros": call.debited.micros,
        "leg": call.leg,
        "answered_at": shape.stored(call.answered_at),
        "ended_at": shape.stored(call.ended_at),
        "talk_s": call.talk_s,
        "released_micros": _micros(call.released),
        "hangup_cause": call.hangup_cause,
        "settled_at": shape.stored(call.settled_at),
    }


def call_of(row: Sequence[Any]) -> CallRecord:
    """Read a call from a row of all columns, in their order."""
    columns = dict(zip(COLUMNS, row, strict=True))
    currency = columns["currency"]
    columns["rate"] = Rate(
        per_minute=Money(columns.pop("per_minute_micros"), currency),
        connection_charge=Money(columns.pop("connection_micros"), currency),
        per_call=Money(columns.pop("per_call_micros"), currency),
        initial_s=columns.pop("initial_s"),
        increment_s=columns.pop("increment_s"),
    )
    columns["limits"] = _limits(
        columns.pop("extension_day_limit_micros"),
        columns.pop("extension_month_limit_micros"),
        columns.pop("office_day_limit_micros"),
        currency,
    )
    columns["held"] = Money(columns.pop("held_micros"), currency)
    columns["debited"] = Money(columns.pop("debited_micros"), currency)
    columns["released"] = _money(columns.pop("released_micros"), currency)
    for moment in _MOMENTS:
        columns[moment] = moment_of(columns[moment])
    del columns["currency"]  # that of the rate
    return CallRecord(**columns)


def _limits(
    day: int | None, month: int | None, office: int | None, currency: str
) -> SpendingLimits:
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
