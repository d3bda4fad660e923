"""Money in as the API shows it, and as it is asked for."""

from pydantic import Field

from charging.adjustments import REASON_MAX, Adjusted, Adjustment
from charging.ledger import Balances
from charging.money_in import RefillStatus
from charging.money_state import Payment, StoredCard
from charging.orders import WORDS_MAX, Offer, RefillRule
from charging.receipts import Party, Receipt, ReceiptKind
from charging.refill import PaymentKind, State
from charging.refill_rules import PolicyState
from portal import money_words
from portal.api.values import Amount, Answer, Moment, Wanted, amount_if, amount_of
from portal.links import web_address
from portal.words import Words

_PERCENT_OF_BASIS_POINTS = 100


class BalanceShown(Answer):
    """What can be spent, what calls under way have set aside, and what the office owes."""

    available: Amount
    reserved: Amount
    owed: Amount = Field(
        description="Of payments that the bank took back. The next payment by card pays it first."
    )


class Offered(Answer):
    """The amounts that may be bought."""

    amounts: list[Amount]


class TopUpWanted(Wanted):
    amount: Amount
    confirmed: bool = Field(
        default=False, description="Yes, the same amount as a moment ago, once more."
    )


class CardShown(Answer):
    brand: str
    last_four: str
    expiry_month: int
    expiry_year: int


class PaymentShown(Answer):
    id: str
    kind: PaymentKind
    state: State
    sentence: str = Field(description="What the state means.")
    amount: Amount
    taken_back: Amount | None
    card: str
    by: str
    reason: str
    created_at: Moment
    bank_word: str = Field(description="Why a card was declined, in the bank's word.")
    bank_page: str = Field(description="Where a person answers the bank; empty: nowhere.")


class Payments(Answer):
    payments: list[PaymentShown]
    next: str | None


class RuleShown(Answer):
    amount: Amount
    below: Amount
    day_max: Amount
    month_max: Amount


class RefillShown(Answer):
    state: PolicyState
    paused_for: str | None
    sentence: str
    rule: RuleShown | None
    held_until: Moment | None
    card: CardShown | None
    open_refill: PaymentShown | None


class RefillWanted(Wanted):
    """Add an amount whenever the balance is below a level."""

    amount: Amount
    below: Amount
    day_max: Amount | None = Field(default=None, description="5 times the amount if left out.")
    month_max: Amount | None = Field(default=None, description="20 times if left out.")
    consent: str = Field(
        min_length=1,
        max_length=WORDS_MAX,
        description="What the person has read who allows the card to be charged; it is kept.",
        examples=["Visa 4242 is charged 20.00 GBP whenever the balance is below 10.00 GBP."],
    )


class CancelWanted(Wanted):
    code: str = Field(
        min_length=1, max_length=20, description="That the office reads out.", examples=["12345678"]
    )
    reason: str = Field(min_length=1, max_length=REASON_MAX)


class AdjustmentWanted(Wanted):
    adjustment: Adjustment
    amount: Amount
    reason: str = Field(min_length=1, max_length=REASON_MAX)


class AdjustedShown(Answer):
    entry: str
    adjustment: Adjustment
    amount: Amount
    available: Amount
    reserved: Amount


class CodeShown(Answer):
    """Read out to customer care, who may then cancel one payment of this office."""

    code: str


class PartyShown(Answer):
    name: str
    address: list[str]
    vat_number: str
    registration: str


class ReceiptShown(Answer):
    number: int
    name: str
    kind: ReceiptKind
    payment: str
    issued_at: Moment
    seller: PartyShown
    buyer: PartyShown
    total: Amount
    vat: Amount
    net: Amount
    vat_percent: str | None = Field(description="None: no tax is shown.")
    of_number: int | None = Field(description="Of a credit or debit note: its receipt.")
    card: str


class Receipts(Answer):
    receipts: list[ReceiptShown]
    next: int | None


def balance_shown(balances: Balances) -> BalanceShown:
    return BalanceShown(
        available=amount_of(balances.available),
        reserved=amount_of(balances.reserved),
        owed=amount_of(balances.owed),
    )


def offered(offer: Offer) -> Offered:
    return Offered(amounts=[amount_of(amount) for amount in offer.amounts])


def payment_shown(words: Words, payment: Payment) -> PaymentShown:
    attempt = payment.attempt
    return PaymentShown(
        id=payment.payment_id,
        kind=attempt.kind,
        state=payment.state,
        sentence=money_words.payment_said(words, payment).text,
        amount=amount_of(payment.amount),
        taken_back=amount_if(attempt.taken_back),
        card=payment.card,
        by=payment.actor,
        reason=payment.reason,
        created_at=payment.created_at,
        bank_word=attempt.code,
        bank_page=web_address(attempt.page_url),
    )


def refill_shown(words: Words, status: RefillStatus) -> RefillShown:
    policy = status.policy
    said = money_words.refill_said(words, status)
    open_refill = status.open_refill
    return RefillShown(
        state=policy.state,
        paused_for=None if policy.paused_for is None else policy.paused_for.value,
        sentence=f"{said.title} {said.text}",
        rule=None if policy.rule is None else _rule_shown(policy.rule),
        held_until=policy.look_at if policy.state is PolicyState.HELD else None,
        card=None if status.card is None else card_shown(status.card),
        open_refill=None if open_refill is None else payment_shown(words, open_refill),
    )


def _rule_shown(rule: RefillRule) -> RuleShown:
    return RuleShown(
        amount=amount_of(rule.amount),
        below=amount_of(rule.threshold),
        day_max=amount_of(rule.day_max),
        month_max=amount_of(rule.month_max),
    )


def card_shown(stored: StoredCard) -> CardShown:
    card = stored.card
    return CardShown(
        brand=card.brand,
        last_four=card.last_four,
        expiry_month=card.expiry_month,
        expiry_year=card.expiry_year,
    )


def adjusted_shown(done: Adjusted) -> AdjustedShown:
    return AdjustedShown(
        entry=done.entry_key,
        adjustment=done.adjustment,
        amount=amount_of(done.amount),
        available=amount_of(done.balances.available),
        reserved=amount_of(done.balances.reserved),
    )


def receipt_shown(receipt: Receipt) -> ReceiptShown:
    basis_points = receipt.vat_basis_points
    return ReceiptShown(
        number=receipt.number,
        name=receipt.name,
        kind=receipt.kind,
        payment=receipt.payment_id,
        issued_at=receipt.at,
        seller=_party_shown(receipt.seller),
        buyer=_party_shown(receipt.buyer),
        total=amount_of(receipt.total),
        vat=amount_of(receipt.vat),
        net=amount_of(receipt.net),
        vat_percent=None if basis_points is None else _percent(basis_points),
        of_number=receipt.of_number,
        card=receipt.card,
    )


def _percent(basis_points: int) -> str:
    whole, rest = divmod(basis_points, _PERCENT_OF_BASIS_POINTS)
    return f"{whole}.{rest:02d}"


def _party_shown(party: Party) -> PartyShown:
    return PartyShown(
        name=party.name,
        address=list(party.address),
        vat_number=party.vat_number,
        registration=party.registration,
    )
