"""What a card processor is asked, and every answer it may give. Adapters in `payments` obey this.

Nothing here can hold the number of a card: it is typed into a page of the processor's own, and what
comes back are names that are worth nothing elsewhere, and the last four digits.

Whatever is told of a payment is one of the same few facts, whether it is the reply to a request,
a webhook or what a poll found: who acts on a fact need not know where it came from.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from charging.money import Money

_LAST_FOUR = re.compile(r"[0-9]{4}")
_BRAND = re.compile(r"[a-z][a-z0-9_ -]{0,29}")
_MONTHS = 12
KEY_GOOD_FOR = timedelta(hours=23)  # processors forget keys after 24 h; from then on, look it up

# --- facts about a payment -----------------------------------------------------------------------


class Advice(StrEnum):
    """What the issuer of the card says about another try; most say nothing."""

    NONE = ""
    TRY_AGAIN_LATER = "try_again_later"
    CONFIRM_CARD_DATA = "confirm_card_data"
    DO_NOT_TRY_AGAIN = "do_not_try_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The money was taken. Compare all of it with the payment before it is credited."""

    intent_id: str
    payment_id: str  # of the metadata that we sent; empty where the intent is not one of ours
    office_id: str  # the same
    amount: Money  # what was received, which need not be what was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """No money was taken, and the same intent may be confirmed again under a new key."""

    intent_id: str
    payment_id: str
    final: bool  # another try with this card would be refused, or punished by its scheme
    code: str  # as the processor says it: "insufficient_funds", "expired_card"
    advice: Advice = Advice.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticationRequired:
    """The bank wants to hear the cardholder. Only a person can go on, with the same intent."""

    intent_id: str
    payment_id: str
    page_url: str = ""  # where the person does so; empty until an on-session confirmation asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The processor has the request and has not decided."""

    intent_id: str
    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The intent is closed: it took no money and never will."""

    intent_id: str
    payment_id: str


# --- answers that say nothing about the payment itself -------------------------------------------


@dataclass(frozen=True, slots=True)
class Unknown:
    """No reply that says what happened: time-out, broken connection, 5xx, 429. **Not** a decline.

    Ask again with the same key for as long as the processor keeps keys, then look the payment up.
    """

    cause: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """The request made no sense to the processor, which did nothing: ours, or our settings', fault.

    Among these: a key that was used for another request, an API key that is not valid, an amount
    below what the card schemes allow.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """The processor answered: it has nothing of this name."""


ChargeAnswer = (
    Succeeded | Declined | AuthenticationRequired | Pending | Cancelled | Unknown | Invalid
)
LookUpAnswer = ChargeAnswer | NotThere

# --- the card on file ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOnFile:
    """What we keep of a card."""

    customer_id: str
    method_id: str
    brand: str  # "visa", "mastercard"
    last_four: str
    expiry_month: int
    expiry_year: int  # four digits

    def __post_init__(self) -> None:
        if not _LAST_FOUR.fullmatch(self.last_four):
            raise ValueError("the last four digits of a card are four digits")
        if not _BRAND.fullmatch(self.brand):
            raise ValueError(f"a brand of cards is not called {self.brand[:30]!r}")
        if not 1 <= self.expiry_month <= _MONTHS:
            raise ValueError(f"no card expires in month {self.expiry_month}")
        if not date.min.year <= self.expiry_year < date.max.year:
            raise ValueError(f"no card expires in the year {self.expiry_year}")

    def expired_on(self, day: date) -> bool:
        """A card is good until the end of its month."""
        return (day.year, day.month) > (self.expiry_year, self.expiry_month)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveCardRequest:
    """Begin to save a card, with the consent to charge it while nobody is there.

    Without an idempotency key: to open a form twice charges nothing, and a key would have the
    processor repeat an error of its own for a day.
    """

    office_id: str
    customer_id: str | None  # None: the office has none yet, and one is made
    currency: str  # what it will be charged in, which decides what cards are taken
    return_url: str  # where the processor's page sends the browser when done
    cancel_url: str  # where it sends who changes their mind
    language: str  # "en", "fr"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardForm:
    """A page of the processor's, in which a person enters the card."""

    setup_id: str  # asked about with `find_card`
    customer_id: str
    page_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSaved:
    setup_id: str
    office_id: str
    card: CardOnFile


@dataclass(frozen=True, slots=True, kw_only=True)
class CardNotSaved:
    """Declined, or the form expired; the person begins anew."""

    setup_id: str
    office_id: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardNotEntered:
    """The form is open, and nobody has finished it."""

    setup_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFormClosed:
    """Somebody finished a form, or its time is over: `find_card` says which."""

    setup_id: str
    office_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardUpdated:
    """The issuer sent a new number or expiry, and the processor took it over."""

    card: CardOnFile


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRemoved:
    method_id: str


SaveCardAnswer = CardForm | Unknown | Invalid
FindCardAnswer = CardSaved | CardNotSaved | CardNotEntered | NotThere | Unknown | Invalid
RemoveCardAnswer = CardRemoved | Unknown | Invalid

# --- charging ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """Make an intent for a payment and confirm it. The first try of every payment."""

    key: str  # idempotency key, on disk before the request is sent
    payment_id: str  # into the metadata, as is the office
    office_id: str
    amount: Money
    customer_id: str
    method_id: str
    off_session: bool  # nobody is there to answer their bank
    return_url: str = ""  # on session: where the bank's page sends the browser when done

    def __post_init__(self) -> None:
        if self.amount.micros <= 0:
            raise ValueError(f"a charge is of a positive amount, not {self.amount}")
        _require_way_back(off_session=self.off_session, return_url=self.return_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmRequest:
    """Try the same intent again, off session, or with the person who answers their bank.

    Always under a key of its own: a key replays its first answer, a decline too.
    """

    key: str
    intent_id: str
    method_id: str
    off_session: bool
    return_url: str = ""

    def __post_init__(self) -> None:
        _require_way_back(off_session=self.off_session, return_url=self.return_url)


def _require_way_back(*, off_session: bool, return_url: str) -> None:
    if off_session == bool(return_url):
        raise ValueError("a page to return to is named on session, and then only")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentQuery:
    """What finds a payment whose intent we were never told."""

    payment_id: str
    customer_id: str
    begun_at: datetime  # when the first request was about to be sent


# --- money back ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Send money of a payment back to the card; several parts of it, up to the whole."""

    key: str
    intent_id: str
    payment_id: str
    office_id: str
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.micros <= 0:
            raise ValueError(f"a refund is of a positive amount, not {self.amount}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """The processor counts it as done. A bank may still send it back: then it has failed."""

    refund_id: str
    intent_id: str
    payment_id: str
    amount: Money
    key: str = ""  # the request's, from its metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPending:
    refund_id: str
    intent_id: str
    payment_id: str
    amount: Money
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFailed:
    """The money is still with us, or came back."""

    refund_id: str
    intent_id: str
    payment_id: str
    amount: Money
    code: str
    key: str = ""


RefundAnswer = Refunded | RefundPending | RefundFailed | Unknown | Invalid
FindRefundAnswer = RefundAnswer | NotThere


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened:
    """The cardholder had the bank take the money back. May be told twice: once for each id."""

    dispute_id: str
    intent_id: str
    payment_id: str  # empty where the event does not say: find the payment by its intent
    amount: Money
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeClosed:
    dispute_id: str
    intent_id: str
    payment_id: str
    amount: Money
    won: bool  # the money is ours again


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudWarning:
    """A bank doubts the payment, and has taken nothing back; a dispute often follows."""

    intent_id: str


# --- what the processor tells by itself ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NothingOfOurs:
    """An event of a kind that changes nothing here."""

    kind: str


Fact = (
    Succeeded
    | Declined
    | AuthenticationRequired
    | Cancelled
    | CardFormClosed
    | CardUpdated
    | CardRemoved
    | Refunded
    | RefundPending
    | RefundFailed
    | DisputeOpened
    | DisputeClosed
    | FraudWarning
    | NothingOfOurs
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorEvent:
    """One thing that happened at the processor, told by a webhook, a poll, or both."""

    event_id: str  # the processor's, the same each time it tells it
    kind: str  # in the processor's words
    at: datetime
    fact: Fact
    body: str  # the JSON of the event, as evidence, and to be read again with `read_event`


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Every event of a span of time, oldest first."""

    events: tuple[ProcessorEvent, ...]


ChangedAnswer = Changed | Unknown | Invalid


class WebhookRefused(Exception):  # noqa: N818 - what is so; whoever sent it is told no more
    """A webhook that is not the processor's, or not of now: bad signature, stale, or no event."""


class CardProcessor(Protocol):
    """One request each, within a time limit; never raises for what the other side does."""

    name: str  # "sandbox", "stripe": where events come from
    clock_ahead: timedelta | None  # of ours, by its last answer; None: it has not said

    async def begin_card(self, request: SaveCardRequest) -> SaveCardAnswer:
        """Open a form for a card; nothing is saved before a person fills it in."""
        ...

    async def find_card(self, setup_id: str) -> FindCardAnswer:
        """Ask what became of a form."""
        ...

    async def remove_card(self, method_id: str) -> RemoveCardAnswer:
        """Forget a card that was replaced; it cannot be charged any more. Repeating is safe."""
        ...

    async def charge(self, request: ChargeRequest) -> ChargeAnswer: ...

    async def confirm(self, request: ConfirmRequest) -> ChargeAnswer: ...

    async def cancel(self, intent_id: str) -> ChargeAnswer:
        """Close an intent. Too late is answered with what happened instead: `Succeeded`.

        Repeating is safe, so it has no key that would repeat an error of the processor's.
        """
        ...

    async def find_intent(self, intent_id: str) -> LookUpAnswer: ...

    async def find_payment(self, query: PaymentQuery) -> LookUpAnswer:
        """Look a payment up by our own name for it.

        `NotThere` is only certain some minutes after the request: it may be on its way.
        """
        ...

    async def refund(self, request: RefundRequest) -> RefundAnswer: ...

    async def find_refund(self, *, intent_id: str, key: str) -> FindRefundAnswer:
        """Look a refund up by the key of its request, among those of its intent."""
        ...

    async def changed(self, *, since: datetime, until: datetime) -> ChangedAnswer:
        """Everything that happened in a span of time, `since` and `until` included."""
        ...

    def read_event(self, body: str) -> ProcessorEvent:
        """Read an event that is known to be the processor's.

        Raises:
            WebhookRefused: it is none.
        """
        ...


class EventInbox(Protocol):
    """Where events wait until they are handled; a row of the database each."""

    async def keep(self, source: str, event: ProcessorEvent) -> bool:
        """Keep it durably; false: it is there already, whichever way it came.

        Raises:
            ChargingUnavailable: the database is away; the processor tells it again.
        """
        ...

    async def missing(self, source: str, event_ids: Sequence[str]) -> frozenset[str]:
        """Which of them are not there.

        Raises:
            ChargingUnavailable: the database is away; asking again is safe.
        """
        ...
