"""What a call costs: one rate, and one price function for everybody who asks."""

from dataclasses import dataclass
from functools import lru_cache

from charging.errors import CurrencyMismatch
from charging.money import Money

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One row of a rate deck, as far as price goes. All amounts are of one currency."""

    per_minute: Money
    connection_charge: Money  # once, on answer
    per_call: Money  # the service part of a number that is priced per call; once, on answer
    initial_s: int  # the first block, billed whole
    increment_s: int  # every later block, billed whole

    def __post_init__(self) -> None:
        minute, connection, call = self.per_minute, self.connection_charge, self.per_call
        for other in (connection, call):
            if other.currency != minute.currency:
                raise CurrencyMismatch(minute.currency, other.currency)
        if minute.micros < 0 or connection.micros < 0 or call.micros < 0:
            raise ValueError("a rate is never negative")
        if self.initial_s < 1 or self.increment_s < 1:
            raise ValueError("an increment is at least one second")

    @property
    def currency(self) -> str:
        return self.per_minute.currency


def billable_seconds(talk_s: int, rate: Rate) -> int:
    """Round talk time up to whole increments; 0 if nobody answered.

    Raises:
        ValueError: talk_s is negative.
    """
    if talk_s < 0:
        raise ValueError(f"talk_s is {talk_s}")
    if talk_s == 0:
        return 0
    further_s = max(0, talk_s - rate.initial_s)
    return rate.initial_s + -(-further_s // rate.increment_s) * rate.increment_s


def charge_for(talk_s: int, rate: Rate) -> Money:
    """Price a call from its total talk time.

    Always price the whole call, then settle the difference from what was settled before, so that
    rounding happens once per call and not once per minute.

    Args:
        talk_s: whole seconds from answer to hang-up; 0 if nobody answered.
        rate: the row of the rate deck chosen when the call was authorised.

    Returns:
        Connection charge, price per call and billable time, rounded up to one micro-unit.

    Raises:
        ValueError: talk_s is negative.

    Source: docs/adr/0003-rounding.md.
    """
    if talk_s == 0:
        return Money(0, rate.currency)
    time_micros = -(-billable_seconds(talk_s, rate) * rate.per_minute.micros // SECONDS_PER_MINUTE)
    once_micros = rate.connection_charge.micros + rate.per_call.micros
    return Money(once_micros + time_micros, rate.currency)


def funded_s(interval: int, rate: Rate) -> int:
    """Talk time paid for, from answer, once intervals 0 to `interval` are debited."""
    return rate.initial_s + interval * rate.increment_s


@lru_cache(4096)  # asked several times for every increment of every call, of few rates
def interval_price(interval: int, rate: Rate) -> Money:
    """The price up to the end of an interval, less the price up to its start.

    The sum of the first n intervals is therefore the price of the whole call, whatever n is.
    Interval 0 carries the connection charge and the price per call.
    """
    to_end = charge_for(funded_s(interval, rate), rate)
    if interval == 0:
        return to_end
    return to_end - charge_for(funded_s(interval - 1, rate), rate)


def affordable_s(available: Money, rate: Rate) -> int | None:
    """The longest talk time `available` pays for; 0 if not even the first block; None if endless.

    Raises:
        CurrencyMismatch: the balance and the rate are of different currencies.
    """
    if available < charge_for(1, rate):
        return 0
    if rate.per_minute.micros == 0:
        return None
    once_micros = rate.connection_charge.micros + rate.per_call.micros
    # ceil(billable * per_minute / 60) <= money is billable * per_minute <= money * 60, exactly.
    paid_s = (available.micros - once_micros) * SECONDS_PER_MINUTE // rate.per_minute.micros
    return rate.initial_s + (paid_s - rate.initial_s) // rate.increment_s * rate.increment_s
