"""When a refill is begun: the policy of an office, and what it may charge now.

Asked in the transaction that lets the balance fall below the threshold, or that refuses a call for
lack of money. Pure: whoever asks has read the office's attempts, and holds the office's locks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from charging.money import Money
from charging.orders import Consent, RefillRule
from charging.refill import Pause, PauseReason

DAY = timedelta(hours=24)
MONTH = timedelta(days=30)
COOL_DOWN = timedelta(seconds=60)  # from one refill's beginning to the next one's
BURST = 3  # refills within BURST_WITHIN are told at once
BURST_WITHIN = timedelta(hours=1)


class PolicyState(StrEnum):
    OFF = "off"
    ARMED = "armed"
    HELD = "held"  # a ceiling is reached: goes on by itself when the window has moved on
    PAUSED = "paused"  # goes on when a person did something, never by time alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an office has chosen, and how it stands."""

    office_id: str
    state: PolicyState = PolicyState.OFF
    paused_for: PauseReason | None = None
    rule: RefillRule | None = None  # kept when it is off, to be offered again
    consent: Consent | None = None
    look_at: datetime | None = None  # when to look whether a refill is wanted, and not before
    notice_below: Money | None = None  # when the office is told that its balance is low

    @property
    def refill_below(self) -> Money | None:
        """The level that debits watch; None: there is nothing to do below any."""
        if self.rule is None or self.state not in {PolicyState.ARMED, PolicyState.HELD}:
            return None
        return self.rule.threshold

    def enabled(self, rule: RefillRule, consent: Consent) -> "Policy":
        """Armed by a person who has read what it means; a pause for another's sake is over."""
        return replace(
            self,
            state=PolicyState.ARMED,
            paused_for=None,
            rule=rule,
            consent=consent,
            look_at=None,
        )

    def disabled(self) -> "Policy":
        return replace(self, state=PolicyState.OFF, paused_for=None, look_at=None)

    def paused(self, pause: Pause) -> "Policy":
        """What is off stays off; and what only the operator can mend is not forgotten."""
        if self.state is PolicyState.OFF or self.paused_for is PauseReason.OPERATOR:
            return self
        return replace(self, state=PolicyState.PAUSED, paused_for=pause.reason, look_at=None)

    def card_works(self) -> "Policy":
        """A payment went through, or the card was replaced."""
        if self.paused_for not in {PauseReason.CARD, PauseReason.AUTHENTICATION}:
            return self
        return self.armed()

    def armed(self) -> "Policy":
        """Somebody says: try again."""
        if self.state is PolicyState.OFF:
            return self
        return replace(self, state=PolicyState.ARMED, paused_for=None, look_at=None)


@dataclass(frozen=True, slots=True)
class Charged:
    """A refill that took money, or may have: it counts to the ceilings."""

    begun_at: datetime
    amount: Money
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    balance: Money
    needed: Money | None = None  # what a call needs, where one would be refused
    charged: tuple[Charged, ...] = ()  # the refills of the last 30 days
    has_card: bool = True


@dataclass(frozen=True, slots=True)
class Begin:
    """Charge the card: write the attempt in this transaction."""

    amount: Money
    burst: bool  # the third within an hour, or a later one


@dataclass(frozen=True, slots=True)
class Hold:
    """A ceiling does not let it; it may be looked at again from then on."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """The last one has only just begun; look again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class NotNow:
    why: str  # "off", "paused", "open", "no_card", "enough"


Verdict = Begin | Hold | Wait | NotNow


def consider(policy: Policy, situation: Situation, *, now: datetime) -> Verdict:
    """Whether a refill is begun now, and of how much."""
    rule = policy.rule
    why_not = _why_not(policy, situation)
    if rule is None or why_not:
        return NotNow(why_not)
    level = max(rule.threshold, situation.needed or rule.threshold)
    if situation.balance >= level:
        return NotNow("enough")
    cool_at = max((each.begun_at + COOL_DOWN for each in situation.charged), default=now)
    if cool_at > now:
        return Wait(cool_at)
    amount = rule.needed_to_reach(level, situation.balance)
    until = _held_until(rule, situation.charged, amount, now)
    if until is not None:
        return Hold(until)
    lately = sum(now - each.begun_at < BURST_WITHIN for each in situation.charged)
    return Begin(amount, burst=lately + 1 >= BURST)


def _why_not(policy: Policy, situation: Situation) -> str:
    if policy.rule is None or policy.state is PolicyState.OFF:
        return "off"
    if policy.state is PolicyState.PAUSED:
        return "paused"
    if any(each.open for each in situation.charged):  # at most one at a time
        return "open"
    return "" if situation.has_card else "no_card"


def _held_until(
    rule: RefillRule, charged: Iterable[Charged], amount: Money, now: datetime
) -> datetime | None:
    """When both ceilings have room for it; None: now."""
    oldest_first = sorted(charged, key=lambda each: each.begun_at)
    waits = [
        _room_at(oldest_first, amount, ceiling=ceiling, window=window, now=now)
        for ceiling, window in ((rule.day_max, DAY), (rule.month_max, MONTH))
    ]
    latest = max(waits)
    return latest if latest > now else None


def _room_at(
    oldest_first: Iterable[Charged],
    amount: Money,
    *,
    ceiling: Money,
    window: timedelta,
    now: datetime,
) -> datetime:
    counted = [each for each in oldest_first if now - each.begun_at < window]
    used = sum(each.amount.micros for each in counted)
    for each in counted:
        if used + amount.micros <= ceiling.micros:
            return now
        used -= each.amount.micros
        now = each.begun_at + window
    # An amount above the ceiling itself is charged never: look again when the window is empty.
    return now if used + amount.micros <= ceiling.micros else now + window
