"""Why a call costs what it costs: its price taken apart, as data. Words are made at the edge."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from charging.evidence import EndUnproved
from charging.ledger import CallRecord
from charging.money import Money
from charging.rates import Rate, billable_seconds, charge_for


class CallState(StrEnum):
    RINGING = "ringing"  # authorised, and nobody has answered yet
    TALKING = "talking"
    UNANSWERED = "unanswered"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPrice:
    """Connection, price per call and time are the price.

    Of a settled call, the price less what is unpaid is what was charged.
    """

    state: CallState
    destination: str
    reason: str  # why it is paid, in the words of the plan
    rate: Rate
    talk_s: int  # so far, while it goes on
    billable_s: int
    further_increments: int  # after the first block
    connection: Money
    per_call: Money
    time: Money
    price: Money  # of the whole talk time
    charged: Money  # debited
    unpaid: Money  # what nothing was reserved for, and nobody is charged for
    end_unproved: EndUnproved | None  # then it is charged for what can be proved


def state_of(call: CallRecord) -> CallState:
    if call.settled_at is not None:
        return CallState.ENDED if call.talk_s else CallState.UNANSWERED
    return CallState.RINGING if call.answered_at is None else CallState.TALKING


def talk_so_far_s(call: CallRecord, now: datetime) -> int:
    """Seconds begun since its answer; of a call that is over, those it was charged for."""
    if call.settled_at is not None:
        return call.talk_s or 0
    if call.answered_at is None:
        return 0
    elapsed = now - call.answered_at
    whole_s = elapsed.days * 86_400 + elapsed.seconds + (elapsed.microseconds > 0)
    return max(1, whole_s)


def explain_price(call: CallRecord, now: datetime) -> CallPrice:
    """Take the price of a call apart, as it is or, while it goes on, as it is so far."""
    rate, talk_s = call.rate, talk_so_far_s(call, now)
    nothing = Money(0, rate.currency)
    billable_s = billable_seconds(talk_s, rate)
    price = charge_for(talk_s, rate)
    connection, per_call = rate.connection_charge, rate.per_call
    if not talk_s:
        connection = per_call = nothing
    over = call.settled_at is not None
    return CallPrice(
        state=state_of(call),
        destination=call.destination,
        reason=call.reason,
        rate=rate,
        talk_s=talk_s,
        billable_s=billable_s,
        further_increments=max(0, billable_s - rate.initial_s) // rate.increment_s,
        connection=connection,
        per_call=per_call,
        time=price - connection - per_call,
        price=price,
        charged=call.debited,
        unpaid=max(nothing, price - call.debited) if over else nothing,
        end_unproved=call.end_unproved,
    )
