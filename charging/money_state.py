"""What a command about money in may read of an office, and what it may write.

`db` loads it in the transaction that holds the office's locks, and writes what was decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from charging.card_processor import CardOnFile
from charging.changes import Change
from charging.entries import EntryKey
from charging.money import MICROS_PER_UNIT, Money
from charging.notices import Notice
from charging.receipts import Party, Receipt, ReceiptKind
from charging.refill import TOOK_NOTHING, Attempt, PaymentKind, State
from charging.refill_rules import MONTH, Charged, Policy

NOTICE_UNITS = 5  # the level of the low-balance notice where nobody chose one; whole units
UNDER_WAY_FOR = timedelta(seconds=60)  # longer without an answer, nobody is kept waiting for it
UNDER_WAY = frozenset({State.CLAIMED, State.SENT, State.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that is to come in by card: the attempt, and what it was made of."""

    attempt: Attempt
    key: str  # unique in its office: whoever asks twice under one key asked once
    actor: str
    reason: str
    created_at: datetime
    processor: str  # "sandbox", "stripe"
    customer_id: str
    method_id: str
    card: str  # "visa 4242"
    entry_key: EntryKey | None = None  # the entry that credited it

    @property
    def payment_id(self) -> str:
        return self.attempt.payment_id

    @property
    def office_id(self) -> str:
        return self.attempt.office_id

    @property
    def amount(self) -> Money:
        return self.attempt.amount

    @property
    def state(self) -> State:
        return self.attempt.state


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCard:
    """The card on file of an office: no number of it, which nobody here has ever seen."""

    office_id: str
    processor: str
    card: CardOnFile
    added_by: str
    added_at: datetime

    @property
    def name(self) -> str:
        return f"{self.card.brand} {self.card.last_four}"

    def to_pay(
        self, attempt: Attempt, *, key: str, actor: str, reason: str, at: datetime
    ) -> Payment:
        """A payment that is to be charged to this card; `at` is when it was asked for."""
        return Payment(
            attempt=attempt,
            key=key,
            actor=actor,
            reason=reason,
            created_at=at,
            processor=self.processor,
            customer_id=self.card.customer_id,
            method_id=self.card.method_id,
            card=self.name,
        )


@dataclass(frozen=True, slots=True)
class Watch:
    """The levels that an office's balance row carries, so that a debit sees a crossing for free."""

    refill_below: Money | None = None
    notice_below: Money | None = None  # None also where it was told since money last came in


NO_WATCH = Watch()


@dataclass(frozen=True, slots=True)
class SavePayment:
    payment: Payment


@dataclass(frozen=True, slots=True)
class SavePolicy:
    policy: Policy


@dataclass(frozen=True, slots=True)
class SaveCard:
    """In the place of the one before."""

    card: StoredCard


@dataclass(frozen=True, slots=True)
class RemoveCard:
    office_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SaveBuyer:
    office_id: str
    buyer: Party
    language: str


@dataclass(frozen=True, slots=True)
class Issue:
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Tell:
    notice: Notice


@dataclass(frozen=True, slots=True)
class Record:
    change: Change


MoneyWrite = SavePayment | SavePolicy | SaveCard | RemoveCard | SaveBuyer | Issue | Tell | Record


@dataclass(frozen=True, slots=True)
class MoneyWanted:
    """Which payments a command asks for, beside those that are open or recent."""

    payment_ids: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


NOTHING_WANTED = MoneyWanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyState:
    """Of one office: its policy, its card, and its payments that are open, recent or asked for."""

    policy: Policy
    card: StoredCard | None = None
    payments: Mapping[str, Payment] = field(default_factory=dict)  # by payment id
    receipts: Mapping[str, Receipt] = field(default_factory=dict)  # by payment id; no notes
    receipts_count: int = 0  # with notes, which share their numbers
    buyer: Party | None = None
    language: str = "en"

    def with_write(  # noqa: PLR0911 - one arm per write
        self, write: MoneyWrite
    ) -> "MoneyState":
        """As the next command of the same batch finds it."""
        match write:
            case SavePayment(payment):
                return replace(self, payments={**self.payments, payment.payment_id: payment})
            case SavePolicy(policy):
                return replace(self, policy=policy)
            case SaveCard(card):
                return replace(self, card=card)
            case RemoveCard():
                return replace(self, card=None)
            case SaveBuyer(buyer=buyer, language=language):
                return replace(self, buyer=buyer, language=language)
            case Issue(receipt):
                new = {receipt.payment_id: receipt} if receipt.kind is ReceiptKind.RECEIPT else {}
                return replace(
                    self, receipts={**self.receipts, **new}, receipts_count=receipt.number
                )
            case Tell() | Record():
                return self

    def by_key(self, key: str) -> Payment | None:
        return next((each for each in self.payments.values() if each.key == key), None)

    @property
    def open_refill(self) -> Payment | None:
        refills = (p for p in self.payments.values() if p.attempt.kind is PaymentKind.REFILL)
        return next((each for each in refills if each.attempt.open), None)

    def charged(self, now: datetime) -> tuple[Charged, ...]:
        """What counts to the ceilings: whatever took money, or may have."""
        return tuple(
            Charged(each.created_at, each.amount, each.attempt.open)
            for each in self.payments.values()
            if each.attempt.kind is PaymentKind.REFILL
            and each.state not in TOOK_NOTHING
            and (each.attempt.open or now - each.created_at < MONTH)
        )

    def under_way(self, now: datetime) -> bool:
        """Whether money is about to come in, so that a caller may wait for it a little."""
        return any(
            each.state in UNDER_WAY and now - each.created_at < UNDER_WAY_FOR
            for each in self.payments.values()
        )

    def notice_level(self, currency: str) -> Money | None:
        chosen = self.policy.notice_below
        level = Money(NOTICE_UNITS * MICROS_PER_UNIT, currency) if chosen is None else chosen
        return level if level.micros > 0 else None


def office_of(write: MoneyWrite) -> str:  # noqa: PLR0911 - one arm per write
    match write:
        case SavePayment(payment):
            return payment.office_id
        case SavePolicy(policy):
            return policy.office_id
        case SaveCard(card):
            return card.office_id
        case RemoveCard(office_id=office_id) | SaveBuyer(office_id=office_id):
            return office_id
        case Issue(receipt):
            return receipt.office_id
        case Tell(notice):
            return notice.office_id
        case Record(change):
            return change.office_id
