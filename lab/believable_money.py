"""The money of a believable month: a card on file, refills, one that is declined, and a refund.

Made with the commands that the worker of card payments carries out; the month plays the processor.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Engine

from charging.card_commands import SetBuyer
from charging.card_processor import Declined, Refunded, Succeeded
from charging.ledger import LedgerCommand
from charging.money import MICROS_PER_UNIT, Money
from charging.money_state import Payment, StoredCard
from charging.orders import Consent, TopUpOrder, refill_rule
from charging.payment_commands import BeginTopUp, CancelPayment, RecordFact, StartWork
from charging.receipts import Party, ReceiptTerms
from charging.refill import Event
from charging.refill_commands import RefillNow, SetRefill
from charging.refill_rules import Policy, PolicyState
from db.batches import BatchRunner
from db.ledger import read_from
from db.money_reads import refill_status

Result = TypeVar("Result")

MANAGER, CARE = "user:anna@example.com", "user:care@example.com"
REFILL_UNITS, BELOW_UNITS, MISTAKEN_UNITS = 10, 5, 50
ANSWERS_AFTER = timedelta(seconds=2)  # as a card processor does
NOTICED_AFTER = timedelta(minutes=20)
CONSENT = "Add £10 when my balance is below £5."
BUYER = Party(name="Smith & Sons Ltd", address=("2 Low Road", "Leeds LS1 4AB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CardMoney:
    """Money in by a card that is on file; `decline_from` on, the bank says no."""

    engine: Engine
    batches: BatchRunner
    office_id: str
    currency: str
    terms: ReceiptTerms | None
    decline_from: datetime

    def switch_on(self, at: datetime) -> None:
        """The rule of refill; of an empty account it charges the card at once."""
        self._do(SetBuyer(office_id=self.office_id, buyer=BUYER, language="en", by=MANAGER, at=at))
        rule = refill_rule(amount=self._units(REFILL_UNITS), threshold=self._units(BELOW_UNITS))
        consent = Consent(by=MANAGER, at=at, words=CONSENT)
        self._do(SetRefill(office_id=self.office_id, rule=rule, consent=consent, at=at))
        self.answer(at)

    def answer(self, at: datetime) -> None:
        """Whatever refill is under way is told what became of it."""
        refill = self._open_refill()
        if refill is None:
            return
        told_at = at + ANSWERS_AFTER
        self._told(refill, self._declined(refill) if at >= self.decline_from else None, told_at)

    def buy_by_mistake(self, at: datetime, *, key: str) -> None:
        """And have it cancelled: what is unspent goes back to the card."""
        order = TopUpOrder(
            amount=self._units(MISTAKEN_UNITS), confirmed=True, return_url="http://127.0.0.1/"
        )
        begun = BeginTopUp(
            office_id=self.office_id,
            payment_id=f"month-{key}",
            order=order,
            key=key,
            by=MANAGER,
            at=at,
        )
        payment = self._told(self._do(begun), None, at + ANSWERS_AFTER)
        noticed = at + NOTICED_AFTER
        cancelled = self._do(
            CancelPayment(
                office_id=self.office_id,
                payment_id=payment.payment_id,
                by=CARE,
                at=noticed,
                reason="bought by mistake",
            )
        )
        refunded = Refunded(
            refund_id=f"refund-{key}",
            intent_id=cancelled.attempt.intent_id,
            payment_id=cancelled.payment_id,
            amount=cancelled.attempt.refund or cancelled.amount,
            key=cancelled.attempt.refund_key,
        )
        self._record(cancelled, refunded, noticed + ANSWERS_AFTER)

    def end_declined(self, at: datetime) -> None:
        """The month ends with a refill that waits for the manager, whatever was called."""
        policy, _, _ = self._status()
        if policy.state is not PolicyState.PAUSED:
            self._do(RefillNow(office_id=self.office_id, by=MANAGER, at=at))
            refill = self._open_refill()
            if refill is not None:
                self._told(refill, self._declined(refill), at + ANSWERS_AFTER)

    def _told(self, payment: Payment, fact: Event | None, at: datetime) -> Payment:
        """The processor was asked, and says this, or that the card was charged."""
        self._do(
            StartWork(
                office_id=self.office_id, payment_id=payment.payment_id, at=at, terms=self.terms
            )
        )
        charged = Succeeded(
            intent_id=f"month-{payment.payment_id}",
            payment_id=payment.payment_id,
            office_id=self.office_id,
            amount=payment.amount,
        )
        return self._record(payment, fact or charged, at)

    def _record(self, payment: Payment, fact: Event, at: datetime) -> Payment:
        told = RecordFact(
            office_id=self.office_id,
            payment_id=payment.payment_id,
            fact=fact,
            at=at,
            terms=self.terms,
        )
        return self._do(told).payment

    def _declined(self, refill: Payment) -> Declined:
        return Declined(
            intent_id=f"month-{refill.payment_id}",
            payment_id=refill.payment_id,
            final=True,
            code="expired_card",
        )

    def _open_refill(self) -> Payment | None:
        return self._status()[2]

    def _status(self) -> tuple[Policy, StoredCard | None, Payment | None]:
        return read_from(self.engine, lambda reader: refill_status(reader, self.office_id))

    def _units(self, units: int) -> Money:
        return Money(units * MICROS_PER_UNIT, self.currency)

    def _do(self, command: LedgerCommand[Result]) -> Result:
        [outcome] = self.batches.run([command])
        if isinstance(outcome, Exception):
            raise outcome
        result: Result = outcome
        return result
