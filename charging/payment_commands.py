"""Commands about a payment: buy, what the processor is asked and said, cancel, issue a receipt.

Each is one transaction: the change, its entries, its record and its notices.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from charging.card_processor import Succeeded
from charging.entries import available
from charging.errors import (
    BoughtJustNow,
    EntryKeyReused,
    NoCardOnFile,
    NotRefundable,
    ReceiptNotIssued,
    TopUpSpent,
    UnknownPayment,
)
from charging.ledger import Decision, LedgerCommand, LedgerSnapshot
from charging.money import Money
from charging.money_state import Issue, MoneyState, MoneyWanted, Payment, SavePayment
from charging.money_writes import recorded
from charging.orders import TopUpOrder
from charging.payment_effects import advance, receipt_of
from charging.plain_text import require_plain
from charging.receipts import Receipt, ReceiptTerms, note_on
from charging.refill import (
    TOOK_NOTHING,
    Attempt,
    ClosedByOperator,
    ConfirmAsked,
    Due,
    Event,
    PaymentKind,
    RefundAsked,
    Request,
    State,
    Withdrawn,
    is_too_early,
    step,
)

Result = TypeVar("Result")

ASKED_AGAIN_WITHIN = timedelta(seconds=60)  # the same amount: is it wanted again?


@dataclass(frozen=True, kw_only=True)
class BeginTopUp(LedgerCommand[Payment]):
    """Write the payment; the worker asks the processor. One payment per key."""

    office_id: str
    payment_id: str
    order: TopUpOrder
    key: str
    by: str
    at: datetime
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError: the reason cannot be shown as it is."""
        require_plain(self.reason, "the reason")

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(keys=(self.key,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        state = snapshot.money_of(self.office_id)
        before = state.by_key(self.key)
        if before is not None:
            if before.amount != self.order.amount:
                raise EntryKeyReused(self.key)
            return Decision(result=before)
        if not self.order.confirmed:
            self._require_wanted_again(state)
        payment = self._payment(state)
        bought = recorded(self, "topup.begin", payment.payment_id, after=str(payment.amount))
        return Decision(result=payment, money=(SavePayment(payment), bought))

    def _require_wanted_again(self, state: MoneyState) -> None:
        for each in state.payments.values():
            past = self.at - each.created_at
            if (
                each.attempt.kind is PaymentKind.TOP_UP
                and each.amount == self.order.amount
                and each.state not in TOOK_NOTHING
                and past < ASKED_AGAIN_WITHIN
            ):
                raise BoughtJustNow(each.amount, max(0, round(past.total_seconds())))

    def _payment(self, state: MoneyState) -> Payment:
        if state.card is None:
            raise NoCardOnFile(self.office_id)
        attempt = Attempt(
            payment_id=self.payment_id,
            office_id=self.office_id,
            kind=PaymentKind.TOP_UP,
            amount=self.order.amount,
            return_url=self.order.return_url,
            due_at=self.at,
        )
        return state.card.to_pay(
            attempt, key=self.key, actor=self.by, reason=self.reason, at=self.at
        )


@dataclass(frozen=True, kw_only=True)
class _OfPayment(LedgerCommand[Result]):
    """A command about one payment that is there."""

    office_id: str
    payment_id: str
    at: datetime

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.payment_id,))

    def _found(self, snapshot: LedgerSnapshot) -> Payment:
        """Raises UnknownPayment: the office has none of this name."""
        found = snapshot.money_of(self.office_id).payments.get(self.payment_id)
        if found is None:
            raise UnknownPayment(self.payment_id)
        return found


@dataclass(frozen=True, slots=True)
class Work:
    """What the processor is to be asked; None: nothing, or not any more."""

    payment: Payment
    request: Request | None


@dataclass(frozen=True, kw_only=True)
class StartWork(_OfPayment[Work]):
    """The payment is due: write down what is about to be asked, before it is asked."""

    terms: ReceiptTerms | None = None

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Work]:
        payment = self._found(snapshot)
        due_at = payment.attempt.due_at
        if due_at is None or due_at > self.at:  # another worker was faster
            return Decision(result=Work(payment, None))
        after, commands = advance(snapshot, payment, Due(), at=self.at, terms=self.terms)
        request = next((each for each in commands if isinstance(each, Request)), None)
        return _with_result(after, Work(after.result, request))


@dataclass(frozen=True, slots=True)
class Recorded:
    payment: Payment
    handled: bool  # False: it came too early; tell it again later


@dataclass(frozen=True, kw_only=True)
class RecordFact(_OfPayment[Recorded]):
    """What the processor said of a payment, however we came to know."""

    fact: Event
    terms: ReceiptTerms | None = None  # None: no receipt is issued

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Recorded]:
        payment = self._found(snapshot)
        after, _ = advance(snapshot, payment, self.fact, at=self.at, terms=self.terms)
        handled = not is_too_early(payment.attempt, self.fact)
        return _with_result(after, Recorded(after.result, handled=handled))


@dataclass(frozen=True, kw_only=True)
class AdoptPayment(LedgerCommand[Payment]):
    """Money was taken for a payment that a restored ledger has lost: enter it, and credit it once.

    Whether a person bought it or a rule is lost, too; it stands as a top-up.
    """

    fact: Succeeded
    processor: str
    charged_at: datetime
    by: str
    at: datetime
    terms: ReceiptTerms | None = None
    reason: str = "found at the card processor after the ledger was restored"

    @property
    def office_id(self) -> str:  # type: ignore[override]
        return self.fact.office_id

    @property
    def money_wanted(self) -> MoneyWanted:  # type: ignore[override]
        return MoneyWanted(payment_ids=(self.fact.payment_id,))

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        state = snapshot.money_of(self.office_id)
        known = state.payments.get(self.fact.payment_id)
        payment = self._payment(state) if known is None else known
        after, _ = advance(snapshot, payment, self.fact, at=self.at, terms=self.terms)
        if known is not None:
            return after
        adopted = recorded(self, "payment.adopt", payment.payment_id, after=str(payment.amount))
        return replace(after, money=(*after.money, adopted))

    def _payment(self, state: MoneyState) -> Payment:
        card = state.card
        return Payment(
            attempt=Attempt(
                payment_id=self.fact.payment_id,
                office_id=self.office_id,
                kind=PaymentKind.TOP_UP,
                amount=self.fact.amount,
                state=State.UNKNOWN,
                tries=1,
                sent_at=self.charged_at,
                intent_id=self.fact.intent_id,
            ),
            key=f"adopted:{self.fact.payment_id}",
            actor=self.by,
            reason=self.reason,
            created_at=self.charged_at,
            processor=self.processor,
            customer_id="" if card is None else card.card.customer_id,
            method_id="" if card is None else card.card.method_id,
            card="" if card is None else card.name,
        )


@dataclass(frozen=True, kw_only=True)
class ConfirmPayment(_OfPayment[Payment]):
    """A person wants to answer their bank: the same intent is confirmed on session."""

    return_url: str
    by: str
    reason: str = ""

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        payment = self._found(snapshot)
        if payment.state is not State.AUTHENTICATION:
            return Decision(result=payment)
        # Sent by the worker: only it talks to the processor.
        waiting, _ = step(payment.attempt, ConfirmAsked(self.return_url), now=self.at)
        asked = replace(payment, attempt=replace(waiting, due_at=self.at))
        changed = recorded(self, "payment.confirm", payment.payment_id)
        return Decision(result=asked, money=(SavePayment(asked), changed))


@dataclass(frozen=True, kw_only=True)
class CancelPayment(_OfPayment[Payment]):
    """Cancel a payment: what is not charged will not be, and what is unspent goes back."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        """Raises ValueError: the reason cannot be shown as it is."""
        require_plain(self.reason, "the reason")

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        payment = self._found(snapshot)
        if payment.state in {State.REFUNDING, State.REFUNDED, *TOOK_NOTHING}:
            return Decision(result=payment)  # asked twice
        if payment.state is State.DISPUTED:
            raise NotRefundable(payment.payment_id, "the bank took it back")
        event: Event = Withdrawn()
        if not payment.attempt.open:
            event = RefundAsked(self._unspent(payment, snapshot))
        after, _ = advance(snapshot, payment, event, at=self.at, by=self.by, reason=self.reason)
        changed = recorded(self, "payment.cancel", payment.payment_id, before=str(payment.state))
        return replace(after, money=(*after.money, changed))

    def _unspent(self, payment: Payment, snapshot: LedgerSnapshot) -> Money:
        balance = snapshot.balance(available(self.office_id), payment.amount.currency)
        unspent = min(payment.amount, balance)
        if not unspent:
            raise TopUpSpent(payment.payment_id)
        return unspent


@dataclass(frozen=True, kw_only=True)
class CloseUnknown(_OfPayment[Payment]):
    """The operator has looked at the processor: nothing was taken."""

    by: str
    reason: str

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Payment]:
        payment = self._found(snapshot)
        after, _ = advance(snapshot, payment, ClosedByOperator(), at=self.at)
        changed = recorded(self, "payment.close", payment.payment_id, before=str(payment.state))
        return replace(after, money=(*after.money, changed))


@dataclass(frozen=True, kw_only=True)
class IssueReceipt(_OfPayment[Receipt]):
    """The receipt of a payment; issued now where there were no terms when it was credited.

    What was refunded before then has its credit note with it.

    Raises:
        UnknownPayment: the office has none of this name.
        ReceiptNotIssued: it is not credited, or the settings name no seller.
    """

    terms: ReceiptTerms | None

    def decide(self, snapshot: LedgerSnapshot) -> Decision[Receipt]:
        state = snapshot.money_of(self.office_id)
        payment = self._found(snapshot)
        before = state.receipts.get(self.payment_id)
        if before is not None:
            return Decision(result=before)
        if payment.entry_key is None:
            raise ReceiptNotIssued(self.payment_id, f"it is {payment.state}")
        if self.terms is None:
            raise ReceiptNotIssued(
                self.payment_id, "the settings name no seller: [topups] seller_name"
            )
        issued = receipt_of(state, payment, self.terms, self.at)
        refunded = payment.attempt.refunded
        if not refunded:
            return Decision(result=issued, money=(Issue(issued),))
        note = note_on(
            issued,
            number=issued.number + 1,
            stood=issued.total,
            stands=issued.total - refunded,
            at=self.at,
        )
        return Decision(result=issued, money=(Issue(issued), Issue(note)))


def _with_result(decision: Decision[Payment], result: Result) -> Decision[Result]:
    return Decision(result=result, entries=decision.entries, money=decision.money)
