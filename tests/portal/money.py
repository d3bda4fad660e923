"""What a worker and a card processor would do, without either."""

from charging.card_commands import ReplaceCard
from charging.card_processor import (
    AuthenticationRequired,
    CardOnFile,
    Declined,
    DisputeOpened,
    Refunded,
    RefundFailed,
    Succeeded,
)
from charging.money import Money
from charging.money_state import Payment, StoredCard
from charging.payment_commands import RecordFact, StartWork
from charging.refill import Event
from tests.portal.site import TERMS, Site


async def save_card(site: Site, office_id: str = "main", *, last_four: str = "4242") -> None:
    card = CardOnFile(
        customer_id=f"cus-{office_id}",
        method_id=f"pm-{last_four}",
        brand="visa",
        last_four=last_four,
        expiry_month=12,
        expiry_year=2030,
    )
    now = site.clock.now()
    stored = StoredCard(
        office_id=office_id,
        processor="sandbox",
        card=card,
        added_by="user:anna@example.com",
        added_at=now,
    )
    await site.ledger.carry_out(ReplaceCard(card=stored, at=now))


def succeeded(payment: Payment) -> Succeeded:
    return Succeeded(
        intent_id=f"intent-{payment.payment_id}",
        payment_id=payment.payment_id,
        office_id=payment.office_id,
        amount=payment.amount,
    )


def declined(payment: Payment) -> Declined:
    return Declined(
        intent_id=f"intent-{payment.payment_id}",
        payment_id=payment.payment_id,
        final=True,
        code="expired_card",
    )


def asked_by_bank(payment: Payment) -> AuthenticationRequired:
    return AuthenticationRequired(
        intent_id=f"intent-{payment.payment_id}",
        payment_id=payment.payment_id,
        page_url="https://bank.example/answer",
    )


def disputed(payment: Payment) -> DisputeOpened:
    return DisputeOpened(
        dispute_id="d",
        intent_id=succeeded(payment).intent_id,
        payment_id=payment.payment_id,
        amount=payment.amount,
        reason="fraudulent",
    )


async def told(site: Site, payment: Payment, fact: Event) -> None:
    """The processor was asked, and says this."""
    now = site.clock.now()
    await site.ledger.carry_out(
        StartWork(office_id=payment.office_id, payment_id=payment.payment_id, at=now, terms=TERMS)
    )
    await site.ledger.carry_out(
        RecordFact(
            office_id=payment.office_id,
            payment_id=payment.payment_id,
            fact=fact,
            at=now,
            terms=TERMS,
        )
    )


def refunded_at_desk(payment: Payment, name: str) -> Refunded:
    return Refunded(
        refund_id=name,
        intent_id=succeeded(payment).intent_id,
        payment_id="",
        amount=Money(100_000, payment.amount.currency),
    )


def desk_refund_failed(payment: Payment, name: str) -> RefundFailed:
    made = refunded_at_desk(payment, name)
    return RefundFailed(
        refund_id=name,
        intent_id=made.intent_id,
        payment_id="",
        amount=made.amount,
        code="lost_card",
    )
