"""What follows from a batch's postings and refusals: refills begun, low balances told.

A balance row carries the levels that matter to its office, so whoever changes it sees in memory
whether one was crossed. Only then, or when money came in or was missing, is more read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from charging.errors import InsufficientBalance
from charging.money import Money
from charging.money_state import (
    MoneyState,
    MoneyWrite,
    Payment,
    SavePayment,
    SavePolicy,
    StoredCard,
    Tell,
    Watch,
)
from charging.notices import Notice, NoticeKind
from charging.refill import Attempt, PaymentKind
from charging.refill_rules import (
    Begin,
    Hold,
    NotNow,
    Policy,
    PolicyState,
    Situation,
    Wait,
    consider,
)

ACTOR = "refill"  # who acts where the account's own rule does


@dataclass(slots=True)
class Reasons:
    """Why an office's money in is looked at once the commands of a batch are decided."""

    at: datetime
    low: tuple[int, Money] | None = None  # the entry that crossed the level, and what it left
    wanted: bool = False  # whether a refill may be begun
    needed: Money | None = None  # the most that a refused call needs
    short: list[InsufficientBalance] = field(default_factory=list)
    money_came_in: bool = False


def react(state: MoneyState, reasons: Reasons, balance: Money) -> Iterator[MoneyWrite]:
    """What is to be written. Tells each refused call whether money is about to come in."""
    if reasons.low is not None:
        yield from _tell_low_balance(state, reasons, reasons.low)
    for write in _begin(state, reasons, balance) if reasons.wanted else ():
        state = state.with_write(write)
        yield write
    for refusal in reasons.short:
        refusal.refill_under_way = state.under_way(reasons.at)


def watch_of(state: MoneyState, before: Watch, reasons: Reasons | None, balance: Money) -> Watch:
    """What the balance row is to carry from now on.

    The low balance is told once; what is reserved and released again around the level tells nothing
    new. Money that comes in and suffices makes it worth telling again.
    """
    notice_below = before.notice_below
    level = state.notice_level(balance.currency)
    if reasons is not None and reasons.low is not None:
        notice_below = None
    if reasons is not None and reasons.money_came_in and level is not None and balance >= level:
        notice_below = level
    if notice_below is not None:  # another level may have been chosen since
        notice_below = level
    return Watch(refill_below=state.policy.refill_below, notice_below=notice_below)


def _tell_low_balance(
    state: MoneyState, reasons: Reasons, low: tuple[int, Money]
) -> Iterator[MoneyWrite]:
    number, balance = low
    office_id = state.policy.office_id
    yield Tell(
        Notice(
            key=f"low-balance:{office_id}:{number}",
            office_id=office_id,
            kind=NoticeKind.LOW_BALANCE,
            at=reasons.at,
            facts=amount_facts(balance) | {"refill": str(state.policy.state)},
        )
    )


def _begin(state: MoneyState, reasons: Reasons, balance: Money) -> Iterator[MoneyWrite]:
    policy, now = state.policy, reasons.at
    situation = Situation(
        balance=balance,
        needed=reasons.needed,
        charged=state.charged(now),
        has_card=state.card is not None,
    )
    match consider(policy, situation, now=now):
        case Begin(amount, burst=burst) if state.card is not None:
            yield SavePayment(_refill(policy.office_id, state.card, amount, now))
            if policy.state is PolicyState.HELD or policy.look_at is not None:
                yield SavePolicy(replace(policy, state=PolicyState.ARMED, look_at=None))
            if burst:
                yield _burst(state, now)
        case Hold(until):
            if (policy.state, policy.look_at) != (PolicyState.HELD, until):
                yield SavePolicy(replace(policy, state=PolicyState.HELD, look_at=until))
                yield _ceiling(policy, until, now)
        case Wait(until):
            if policy.look_at != until:
                yield SavePolicy(replace(policy, look_at=until))
        case NotNow(why):
            yield from _rest(policy, why)


def _rest(policy: Policy, why: str) -> Iterator[MoneyWrite]:
    """There is enough after all, or something else has to come first."""
    holds_no_more = why == "enough" and policy.state is PolicyState.HELD
    state = PolicyState.ARMED if holds_no_more else policy.state
    after = replace(policy, state=state, look_at=None)
    if after != policy:
        yield SavePolicy(after)


def _refill(office_id: str, card: StoredCard, amount: Money, now: datetime) -> Payment:
    """Its id is made of its moment: who decides the same batch again makes the same attempt."""
    payment_id = f"refill-{round(now.timestamp() * 1000):x}-{office_id}"
    attempt = Attempt(
        payment_id=payment_id,
        office_id=office_id,
        kind=PaymentKind.REFILL,
        amount=amount,
        due_at=now,
    )
    return card.to_pay(attempt, key=payment_id, actor=ACTOR, reason="", at=now)


def _burst(state: MoneyState, now: datetime) -> Tell:
    """Each hour once, however many follow."""
    office_id = state.policy.office_id
    lately = state.charged(now)
    return Tell(
        Notice(
            key=f"burst:{office_id}:{now:%Y-%m-%dT%H}",
            office_id=office_id,
            kind=NoticeKind.REFILL_BURST,
            at=now,
            facts={"count": len(lately)},
        )
    )


def _ceiling(policy: Policy, until: datetime, now: datetime) -> Tell:
    return Tell(
        Notice(
            key=f"ceiling:{policy.office_id}:{until.isoformat()}",
            office_id=policy.office_id,
            kind=NoticeKind.REFILL_CEILING,
            at=now,
            facts={"until": until.isoformat()},
        )
    )


def amount_facts(amount: Money) -> dict[str, str | int]:
    return {"micros": amount.micros, "currency": amount.currency}


def most(amounts: Iterable[Money | None]) -> Money | None:
    return max((amount for amount in amounts if amount is not None), default=None)
