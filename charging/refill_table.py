"""Makes docs/refill.md out of `refill.step` and the rules themselves (`make docs`)."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from charging.card_processor import (
    AuthenticationRequired,
    Cancelled,
    Declined,
    DisputeClosed,
    DisputeOpened,
    FraudWarning,
    Invalid,
    NotThere,
    Pending,
    Refunded,
    RefundFailed,
    RefundPending,
    Succeeded,
    Unknown,
)
from charging.charge_backs import ChargedBack, TakenBy
from charging.errors import NotRefundable
from charging.money import Money
from charging.refill import (
    Attempt,
    ClosedByOperator,
    Command,
    ConfirmAsked,
    Due,
    Event,
    Mail,
    Pause,
    PaymentKind,
    RefundAsked,
    State,
    Told,
    Withdrawn,
    step,
)
from charging.state_table import NOTHING, lines_of, words_of

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
AMOUNT = Money(10_000_000, "GBP")
UNSPENT = Money(4_000_000, "GBP")
INTENT, PAYMENT, OFFICE = "intent", "p1", "main"


class _Ours(TypedDict):
    intent_id: str
    payment_id: str


OURS = _Ours(intent_id=INTENT, payment_id=PAYMENT)

EVERY_EVENT: dict[str, Event] = {
    "it is due": Due(),
    "succeeded": Succeeded(**OURS, office_id=OFFICE, amount=AMOUNT),
    "succeeded, another amount": Succeeded(**OURS, office_id=OFFICE, amount=UNSPENT),
    "succeeded, another intent": Succeeded(
        intent_id="second", payment_id=PAYMENT, office_id=OFFICE, amount=AMOUNT
    ),
    "declined for now": Declined(**OURS, final=False, code="insufficient_funds"),
    "declined, do not try again": Declined(**OURS, final=True, code="lost_card"),
    "authentication required": AuthenticationRequired(**OURS, page_url="https://bank"),
    "not decided yet": Pending(**OURS),
    "intent cancelled": Cancelled(**OURS),
    "no reply that says anything": Unknown("time-out"),
    "request refused as invalid": Invalid("code", "message"),
    "nothing of this name": NotThere(),
    "a webhook says declined": Told(Declined(**OURS, final=False, code="insufficient_funds")),
    "withdrawn": Withdrawn(),
    "a person wants to answer the bank": ConfirmAsked("https://portal"),
    "refund asked for": RefundAsked(UNSPENT),
    "refunded": Refunded(**OURS, refund_id="r", amount=UNSPENT, key=f"refund:{PAYMENT}"),
    "refunded at the processor's desk": Refunded(**OURS, refund_id="desk", amount=UNSPENT),
    "refund pending": RefundPending(**OURS, refund_id="r", amount=UNSPENT, key=f"refund:{PAYMENT}"),
    "refund failed": RefundFailed(
        **OURS, refund_id="r", amount=UNSPENT, code="lost_card", key=f"refund:{PAYMENT}"
    ),
    "refund at the processor's desk failed": RefundFailed(
        **OURS, refund_id="desk", amount=UNSPENT, code="lost_card"
    ),
    "dispute opened": DisputeOpened(**OURS, dispute_id="d", amount=AMOUNT, reason="fraudulent"),
    "dispute lost": DisputeClosed(**OURS, dispute_id="d", amount=AMOUNT, won=False),
    "dispute won": DisputeClosed(**OURS, dispute_id="d", amount=AMOUNT, won=True),
    "fraud warning": FraudWarning(intent_id=INTENT),
    "the operator saw that nothing was taken": ClosedByOperator(),
}

HEADING = """# The life of a charge to a card

This table is `charging/refill.py`, run over every state and event: `make docs` writes it and a test
compares. An event that a state does not list changes nothing there: what the processor tells may
come late, twice or in any order. *Refused* is a clear no to whoever asked.

The example is a refill of 10.00 of which 4.00 is unspent. A top-up goes the same way, but a decline
ends it, since whoever bought it is there, and pauses nothing. A third decline (tried
again after one hour, and two hours after that) ends a refill, too.

Each dispute and each refund that somebody makes at the processor's desk is entered once, by the
processor's name for it, and together they take no more than was paid. While nobody knows whether a
refund of ours was made, they wait, and are told again; once it is known to be made (it may be
pending for days) they take of the rest what they would take of what is refunded.

| state | event | becomes | does |
|---|---|---|---|
"""

POLICY = """
## When a refill is begun

The policy of an office is `off`, `armed`, `held` (a ceiling is reached; it goes on when the window
has moved on) or `paused` (for the card, for an authentication, for a dispute or by the operator; it
goes on when a person did something, never by time alone). `charging/refill_rules.py` decides, in
the transaction of the debit or reservation that lets the balance fall below the threshold, of the
refusal of a call for lack of money, of a credit that does not suffice, when a live call is about to
be warned that its money ends, or when the policy is to be looked at again:

1. off, paused, no card on file, or an attempt that is open: nothing is begun;
2. the amount is the smallest whole multiple of the rule's that reaches the threshold, or what the
   call needs where that is more;
3. one minute at least lies between the beginnings of two refills;
4. refills of the last 24 hours and of the last 30 days stay below the ceilings of the rule; open
   ones count, whether or not the card will pay;
5. the third within an hour, and every further one, is told to the office at once.

Off beats a race: an attempt of which nothing was sent is cancelled when the refill is switched
off, one that was sent finishes and still credits, and a declined one is not tried again.
"""


def example(state: State) -> Attempt:
    """A refill as it stands when it has come to `state`."""
    sent = state is not State.CLAIMED
    refunds = {State.REFUNDING, State.REFUNDED}
    disputed = ChargedBack(TakenBy.BANK, "d", AMOUNT)
    return Attempt(
        payment_id=PAYMENT,
        office_id=OFFICE,
        kind=PaymentKind.REFILL,
        amount=AMOUNT,
        state=state,
        tries=1 if sent else 0,
        sent_at=NOW - timedelta(seconds=1) if sent else None,
        due_at=NOW + timedelta(minutes=5),
        intent_id=INTENT if state not in {State.CLAIMED, State.SENT} else "",
        refund=UNSPENT if state in refunds else None,
        charge_backs=(disputed,) if state is State.DISPUTED else (),
    )


def rows() -> list[str]:
    return lines_of(State, EVERY_EVENT, outcome)


def outcome(state: State, event: Event) -> str:
    before = example(state)
    try:
        after, commands = step(before, event, now=NOW)
    except NotRefundable:
        return "| *refused*"
    if after == before and not commands:
        return NOTHING
    becomes = "" if after.state is state else str(after.state)
    return f"{becomes} | {words(commands) or _remembers(before, after)}"


def words(commands: Iterable[Command]) -> str:
    return ", ".join(map(_words, commands))


def _words(command: Command) -> str:
    """`SendRefund` as "send refund"; of a pause or a mail also which."""
    match command:
        case Pause(reason):
            return f"pause ({reason})"
        case Mail(kind):
            return f"mail ({str(kind).replace('_', ' ')})"
        case _:
            return words_of(command)


def _remembers(before: Attempt, after: Attempt) -> str:
    if after.due_at is not None and after.due_at != before.due_at:
        wait_s = (after.due_at - NOW).total_seconds()
        return f"look again in {wait_s:.0f} s" if wait_s else "look at once"
    return "remember it"


def document() -> str:
    return HEADING + "\n".join(rows()) + "\n" + POLICY


if __name__ == "__main__":
    sys.stdout.write(document())
