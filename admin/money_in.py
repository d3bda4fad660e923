"""What commands about money in share: the use case over the ledger, and how a payment is shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from admin.amounts import shown
from admin.context import Context
from assembly.money_in import money_in_of
from charging.money import Money
from charging.money_in import MoneyIn, Payment
from charging.refill import State
from charging.refill_rules import Policy
from db.ledger import SqlLedger
from settings import TopUpSections, load_sections

# As people say it; `--json` has the words of docs/refill.md.
STATES = {
    State.CLAIMED: "to be charged",
    State.SENT: "being charged",
    State.UNKNOWN: "not known yet: the card processor is asked again",
    State.DECLINED: "declined, and tried again later",
    State.AUTHENTICATION: "waits until somebody answers the bank in the portal",
    State.REFUSED: "refused: nothing was charged",
    State.CANCELLED: "cancelled: nothing was charged",
    State.CREDITED: "paid",
    State.REFUNDING: "being sent back",
    State.REFUNDED: "sent back",
    State.DISPUTED: "taken back by the bank",
}


@asynccontextmanager
async def opened(context: Context) -> AsyncIterator[MoneyIn]:
    """Money in, to change it; the ledger has to be there."""
    settings = load_sections(TopUpSections)
    async with SqlLedger(context.engine) as ledger:
        yield money_in_of(
            settings, ledger, currency_of=lambda office_id: context.plan_of(office_id).currency
        )


def payment_fields(payment: Payment) -> dict[str, Any]:
    attempt = payment.attempt
    return {
        "payment": attempt.payment_id,
        "office": attempt.office_id,
        "kind": str(attempt.kind),
        "state": str(attempt.state),
        "code": attempt.code,
        "micros": attempt.amount.micros,
        "currency": attempt.amount.currency,
        "taken_back_micros": None if attempt.taken_back is None else attempt.taken_back.micros,
        "card": payment.card,
        "processor": payment.processor,
        "intent": attempt.intent_id,
        "tries": attempt.tries,
        "actor": payment.actor,
        "reason": payment.reason,
        "created_at": payment.created_at.isoformat(),
        "due_at": None if attempt.due_at is None else attempt.due_at.isoformat(),
        "entry": payment.entry_key,
    }


def payment_line(payment: Payment) -> tuple[str, ...]:
    why = f" ({payment.attempt.code})" if payment.attempt.code else ""
    return (
        payment.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        str(payment.attempt.kind),
        amount_of(payment.amount),
        payment.card,
        STATES[payment.state] + why,
        payment.payment_id,
    )


def policy_fields(policy: Policy) -> dict[str, Any]:
    rule, consent = policy.rule, policy.consent
    return {
        "office": policy.office_id,
        "state": str(policy.state),
        "paused_for": None if policy.paused_for is None else str(policy.paused_for),
        "amount_micros": None if rule is None else rule.amount.micros,
        "threshold_micros": None if rule is None else rule.threshold.micros,
        "day_max_micros": None if rule is None else rule.day_max.micros,
        "month_max_micros": None if rule is None else rule.month_max.micros,
        "currency": None if rule is None else rule.amount.currency,
        "consent_by": None if consent is None else consent.by,
        "consent_at": None if consent is None else consent.at.isoformat(),
        "consent_words": None if consent is None else consent.words,
        "look_at": None if policy.look_at is None else policy.look_at.isoformat(),
    }


def amount_of(money: Money) -> str:
    return shown(money.micros, money.currency)
