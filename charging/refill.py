"""The life of one charge to a card as a table: attempt and event in, attempt and commands out.

A refill and a top-up by a person are charged the same way; only what follows a decline differs.
No clock, no network, no ledger. docs/refill.md is made from this module by `charging.refill_table`.

What the processor tells (`charging.card_processor`) are facts, whether they are the reply to a
request, a webhook or what a poll found. They may come twice, in any order, or never.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from charging.card_processor import (
    KEY_GOOD_FOR,
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
from charging.charge_backs import ChargedBack, TakenBy, keepers, kept
from charging.errors import NotRefundable
from charging.money import Money
from charging.notices import NoticeKind

DECLINE_RETRY = (timedelta(hours=1), timedelta(hours=2))  # a third decline pauses the refill
CANCEL_AFTER = timedelta(hours=24)  # nobody answered the bank
REPLY_WITHIN = timedelta(seconds=30)  # else whoever asked has died, and the same is asked again
PENDING_EVERY = timedelta(seconds=30)
PERSON_EVERY = timedelta(seconds=60)  # how often we ask whether somebody answered the bank
REFUND_EVERY = timedelta(hours=1)
NOT_THERE_AFTER = timedelta(minutes=10)  # before, a request may still be on its way
FIRST_PAUSE = timedelta(seconds=2)  # doubled each time that nothing is known
LONGEST_PAUSE = timedelta(minutes=10)
# Codes of a refund that was asked for and never made.
DISPUTED = "disputed"  # the bank was faster
NOT_SENT_BACK = "refund_not_found"


class State(StrEnum):
    """Where a payment stands."""

    CLAIMED = "claimed"  # written, and nothing sent
    SENT = "sent"  # the processor is being asked
    UNKNOWN = "unknown"  # it was asked, and nobody knows what it did
    DECLINED = "declined"  # for now: the same intent is tried again
    AUTHENTICATION = "authentication"  # the bank wants to hear the cardholder
    REFUSED = "refused"  # for good: nothing was taken
    CANCELLED = "cancelled"  # the intent is closed: nothing was taken
    CREDITED = "credited"
    REFUNDING = "refunding"  # the unspent part is out of the account and on its way back
    REFUNDED = "refunded"
    DISPUTED = "disputed"  # the bank took the money back, or a part of it


OPEN = frozenset({State.CLAIMED, State.SENT, State.UNKNOWN, State.DECLINED, State.AUTHENTICATION})
TOOK_NOTHING = frozenset({State.REFUSED, State.CANCELLED})


class PaymentKind(StrEnum):
    TOP_UP = "top-up"  # a person bought it
    REFILL = "refill"  # the account's own rule did


class PauseReason(StrEnum):
    """What a person has to do something about before the refill goes on."""

    CARD = "card"
    AUTHENTICATION = "authentication"
    DISPUTE = "dispute"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One charge, from the row that is written before anything is sent."""

    payment_id: str
    office_id: str
    kind: PaymentKind
    amount: Money
    return_url: str = ""  # where the bank's page sends a person; empty: nobody is there
    state: State = State.CLAIMED
    tries: int = 0  # requests that may take money; each has a key of its own
    declines: int = 0
    asked: int = 0  # times in a row that nothing was learned
    sent_at: datetime | None = None  # when the last try was first sent
    due_at: datetime | None = None  # when it is looked at next; None: nothing is to be done
    intent_id: str = ""
    page_url: str = ""  # where a person answers the bank
    code: str = ""  # why, in the processor's word or ours
    by_look_up: bool = False  # asking the same again would say nothing new
    withdrawn: bool = False  # it is to take no money that it has not taken yet
    refund: Money | None = None  # what we sent back, or are sending
    refund_id: str = ""  # the processor's name for it, once it is known to be made
    refund_failed: bool = False
    charge_backs: tuple[ChargedBack, ...] = ()  # in the order of their entries

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def off_session(self) -> bool:
        return not self.return_url

    @property
    def key(self) -> str:
        """The idempotency key of the last try."""
        return f"{self.kind}:{self.payment_id}:{self.tries}"

    @property
    def refund_key(self) -> str:
        return f"refund:{self.payment_id}"

    @property
    def lost(self) -> Money:
        """What others have taken of it: together never more than was paid and we did not send."""
        return min(kept(self.charge_backs, self._nothing), self.amount - self._sent_back)

    @property
    def taken_back(self) -> Money | None:
        """What is not in the account any more."""
        return self._sent_back + self.lost or None

    @property
    def refunded(self) -> Money:
        """What credit notes have to say: what a bank took back is none of them."""
        ours = self._nothing if self.state is State.REFUNDING else self._sent_back
        desk = [each for each in self.charge_backs if each.by is TakenBy.DESK]
        return min(ours + kept(desk, self._nothing), self.amount)

    @property
    def _sent_back(self) -> Money:
        return self.refund or self._nothing

    @property
    def _nothing(self) -> Money:
        return Money(0, self.amount.currency)


# --- events of our own ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """The time has come to go on; or a worker died, and another takes its place."""


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook or a poll says it. Only a reply says which try it is about."""

    fact: Declined | AuthenticationRequired | Cancelled


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The refill was switched off, or whoever bought it changed their mind."""


@dataclass(frozen=True, slots=True)
class ConfirmAsked:
    """A person wants to answer the bank now."""

    return_url: str


@dataclass(frozen=True, slots=True)
class RefundAsked:
    amount: Money  # what is unspent


@dataclass(frozen=True, slots=True)
class ClosedByOperator:
    """The operator has seen at the processor that nothing was taken."""


Event = (
    Succeeded
    | Declined
    | AuthenticationRequired
    | Pending
    | Cancelled
    | Unknown
    | Invalid
    | NotThere
    | Refunded
    | RefundPending
    | RefundFailed
    | DisputeOpened
    | DisputeClosed
    | FraudWarning
    | Due
    | Told
    | Withdrawn
    | ConfirmAsked
    | RefundAsked
    | ClosedByOperator
)

_OfAnIntent = Refunded | RefundPending | RefundFailed | DisputeOpened | DisputeClosed
_OF_AN_INTENT = (Refunded, RefundPending, RefundFailed, DisputeOpened, DisputeClosed)

# --- commands ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charge:
    """Make an intent and confirm it, under the attempt's key."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """Confirm the same intent, under the attempt's key."""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask what became of it; by the intent where it is known, else by our own name for it."""


@dataclass(frozen=True, slots=True)
class CancelIntent:
    """Close the intent. Too late is answered with what happened instead."""


@dataclass(frozen=True, slots=True)
class SendRefund:
    pass


@dataclass(frozen=True, slots=True)
class LookUpRefund:
    pass


@dataclass(frozen=True, slots=True)
class Credit:
    """Put the money into the account, and issue its receipt."""


@dataclass(frozen=True, slots=True)
class TakeOut:
    """The unspent money leaves the account, before it is sent back."""

    amount: Money


@dataclass(frozen=True, slots=True)
class Restore:
    """It could not be sent back: it is the office's again."""

    amount: Money


@dataclass(frozen=True, slots=True)
class ChargeBack:
    """The money is gone: what is unspent leaves the account, the rest is owed."""

    amount: Money
    time: int = 1  # which of this payment's


@dataclass(frozen=True, slots=True)
class Return:
    """A charge-back was decided for us, or a refund made at the desk came back."""

    amount: Money
    time: int = 1  # of the charge-back


@dataclass(frozen=True, slots=True)
class IssueCreditNote:
    amount: Money


@dataclass(frozen=True, slots=True)
class IssueDebitNote:
    """What a credit note said was sent back did not arrive."""

    amount: Money


@dataclass(frozen=True, slots=True)
class Pause:
    """No refill is begun until a person did something about it."""

    reason: PauseReason


@dataclass(frozen=True, slots=True)
class Arm:
    """The card works: a pause for its sake is over."""


@dataclass(frozen=True, slots=True)
class Mail:
    kind: NoticeKind
    amount: Money | None = None  # that it is about; None: the payment's


Request = Charge | Confirm | LookUp | CancelIntent | SendRefund | LookUpRefund
Note = IssueCreditNote | IssueDebitNote
Effect = Credit | TakeOut | Restore | ChargeBack | Return | Note | Pause | Arm | Mail
Command = Request | Effect
Step = tuple[Attempt, tuple[Command, ...]]


def step(attempt: Attempt, event: Event, *, now: datetime) -> Step:
    """Advance one attempt by one event: one function per state, one arm per row of refill.md.

    What comes late, twice or out of order changes nothing.

    Raises:
        NotRefundable: a refund was asked of what cannot be refunded.
    """
    if isinstance(event, RefundAsked) and attempt.state is not State.CREDITED:
        raise NotRefundable(attempt.payment_id, attempt.state)
    if isinstance(event, Succeeded):  # in every state, however late
        return _succeeded(attempt, event)
    if isinstance(event, _OF_AN_INTENT) and attempt.intent_id not in {"", event.intent_id}:
        return _of_another_intent(attempt, event)
    return _ROWS[attempt.state](attempt, event, now)


def is_too_early(attempt: Attempt, event: Event) -> bool:
    """It is about money that is not credited yet, or waits for what is heard of a refund of ours.

    The table does not remember it: it is to be told again.
    """
    if isinstance(event, FraudWarning):  # takes no money
        return attempt.open
    if not isinstance(event, _OF_AN_INTENT):
        return False
    if attempt.state is not State.REFUNDING or attempt.refund_id:
        return attempt.open or attempt.state in TOOK_NOTHING
    of_others = isinstance(event, Refunded | RefundFailed) and event.key != attempt.refund_key
    return of_others or isinstance(event, DisputeOpened | DisputeClosed)


def _succeeded(attempt: Attempt, event: Succeeded) -> Step:
    told = (Pause(PauseReason.OPERATOR), Mail(NoticeKind.OPERATOR))
    if not attempt.open and attempt.state not in TOOK_NOTHING:
        if event.intent_id == attempt.intent_id:
            return attempt, ()  # credited once per payment
        return replace(attempt, code="charged_twice"), told
    asked_for = (attempt.payment_id, attempt.office_id, attempt.amount)
    if (event.payment_id, event.office_id, event.amount) != asked_for:
        differs = replace(attempt, intent_id=event.intent_id, code="differs", due_at=None)
        return differs, () if attempt.code == "differs" else told
    credited = replace(
        attempt,
        state=State.CREDITED,
        intent_id=event.intent_id,
        declines=0,
        due_at=None,
        page_url="",
        code="",
    )
    done = NoticeKind.REFILL_DONE if attempt.kind is PaymentKind.REFILL else NoticeKind.RECEIPT
    return credited, (Credit(), Arm(), Mail(done))


def _of_another_intent(attempt: Attempt, event: _OfAnIntent) -> Step:
    """Money of a second charge never came into the account, so it does not leave it either."""
    if isinstance(event, Refunded) and attempt.code == "charged_twice":
        return replace(attempt, code=""), ()
    return attempt, ()


def _claimed(attempt: Attempt, event: Event, now: datetime) -> Step:
    match event:
        case Due():
            return _send(attempt, now)
        case Withdrawn():
            return _close(attempt, State.CANCELLED, "withdrawn"), ()
        case _:
            return attempt, ()


def _sent(attempt: Attempt, event: Event, now: datetime) -> Step:
    match event:
        case Due():
            return _ask_again(attempt, now)
        case Told() | DisputeOpened() | DisputeClosed():  # the same key replays its own answer
            return replace(attempt, due_at=now), ()
        case Withdrawn():  # what was sent finishes, but is not sent again
            return replace(attempt, withdrawn=True), ()
        case ClosedByOperator():
            return _close(attempt, State.CANCELLED, "closed_by_operator"), ()
        case _:
            return _replied(attempt, event, now)


def _replied(  # noqa: PLR0911 - one arm per row
    attempt: Attempt, event: Event, now: datetime
) -> Step:
    match event:
        case Unknown(cause):  # not a decline: keeps its slot, its key, its share of the ceilings
            return _unknown(attempt, cause, now), ()
        case Pending(intent_id=intent_id):
            known = replace(attempt, intent_id=intent_id, by_look_up=True)
            return replace(known, state=State.UNKNOWN, asked=0, due_at=now + PENDING_EVERY), ()
        case Declined():
            return _decline(attempt, event, now)
        case AuthenticationRequired():
            return _wait_for_a_person(attempt, event, now)
        case Cancelled(intent_id=intent_id):
            closed = replace(attempt, intent_id=intent_id)
            return _close(closed, State.CANCELLED, attempt.code or "cancelled"), ()
        case Invalid(code):
            return _invalid(attempt, code, now)
        case NotThere():
            return _not_there(attempt, now)
        case _:
            return attempt, ()


def _declined(attempt: Attempt, event: Event, now: datetime) -> Step:
    match event:
        case Due() if attempt.withdrawn:
            return replace(attempt, due_at=now + REPLY_WITHIN), (CancelIntent(),)
        case Due():
            return _send(attempt, now)
        case Withdrawn():
            return replace(attempt, withdrawn=True, due_at=now), ()
        case Cancelled() | ClosedByOperator():
            return _close(attempt, State.CANCELLED, attempt.code), ()
        case Unknown() | Invalid() | NotThere():  # of closing it
            return replace(attempt, due_at=now + LONGEST_PAUSE), ()
        case _:
            return attempt, ()


def _authentication(  # noqa: PLR0911 - one arm per row
    attempt: Attempt, event: Event, now: datetime
) -> Step:
    match event:
        case Due() if attempt.withdrawn or _since_sent(attempt, now) >= CANCEL_AFTER:
            return replace(attempt, due_at=now + REPLY_WITHIN), (CancelIntent(),)
        case Due():
            return replace(attempt, due_at=now + PERSON_EVERY), (LookUp(),)
        case ConfirmAsked(return_url):
            return _send(replace(attempt, return_url=return_url), now)
        case AuthenticationRequired(page_url=page_url):
            page = page_url or attempt.page_url
            return replace(attempt, page_url=page, due_at=now + PERSON_EVERY), ()
        case Declined(code=code):
            return _refuse(attempt, code)
        case Cancelled() | ClosedByOperator():
            return _close(attempt, State.CANCELLED, "not_authenticated"), ()
        case Told():
            return replace(attempt, due_at=now), ()
        case Withdrawn():
            return replace(attempt, withdrawn=True, due_at=now), ()
        case _:
            return attempt, ()


def _paid(  # noqa: PLR0911 - one arm per row
    attempt: Attempt, event: Event, now: datetime
) -> Step:
    """It was credited, and a refund of ours is not under way, or is known to be made."""
    match event:
        case RefundAsked(amount) if not attempt.refund_failed:
            refunding = replace(attempt, state=State.REFUNDING, refund=amount, due_at=now)
            return replace(refunding, sent_at=None, asked=0, by_look_up=False), (TakeOut(amount),)
        case RefundAsked():
            raise NotRefundable(attempt.payment_id, "refund failed before")
        case DisputeOpened() | DisputeClosed(won=False):
            return _charge_back(attempt, TakenBy.BANK, event.dispute_id, event.amount)
        case DisputeClosed():
            return _give_back(attempt, TakenBy.BANK, event.dispute_id)
        case Refunded() | RefundFailed() if _is_our_refund(attempt, event):
            return _our_refund_again(attempt, event)
        # At the processor's desk; or asked for by us, which a ledger that was restored forgot.
        case Refunded():
            return _charge_back(attempt, TakenBy.DESK, event.refund_id, event.amount)
        case RefundFailed():
            return _give_back(attempt, TakenBy.DESK, event.refund_id)
        case FraudWarning() if attempt.state is not State.DISPUTED:
            return attempt, (Pause(PauseReason.DISPUTE), Mail(NoticeKind.DISPUTE))
        case _:
            return attempt, ()


def _is_our_refund(attempt: Attempt, event: Refunded | RefundFailed) -> bool:
    """Not, where it was charged back: it was made after it had been looked for in vain."""
    if event.key != attempt.refund_key or _is_charged_back(attempt, event.refund_id):
        return False
    came_back = attempt.refund_failed and attempt.code not in {DISPUTED, NOT_SENT_BACK}
    return attempt.refund is not None or came_back


def _our_refund_again(attempt: Attempt, event: Refunded | RefundFailed) -> Step:
    """Told twice or late; or the bank sends it back after all."""
    if isinstance(event, RefundFailed) and attempt.refund is not None:
        return _restore(attempt, event.code)
    return attempt, ()


def _refunding(  # noqa: PLR0911 - one arm per row
    attempt: Attempt, event: Event, now: datetime
) -> Step:
    match event:
        case Due() if attempt.by_look_up or _since_sent(attempt, now) > KEY_GOOD_FOR:
            return replace(attempt, due_at=now + REFUND_EVERY), (LookUpRefund(),)
        case Due():
            sent_at = attempt.sent_at or now
            return replace(attempt, sent_at=sent_at, due_at=now + REPLY_WITHIN), (SendRefund(),)
        case Refunded(key=attempt.refund_key):
            refunded = _standing(replace(attempt, refund_id=event.refund_id, due_at=None))
            done = Mail(NoticeKind.REFUND_DONE, attempt.refund)
            return refunded, (*_notes(attempt, refunded), done)
        case RefundPending(key=attempt.refund_key):
            made = replace(attempt, refund_id=event.refund_id, by_look_up=True)
            return replace(made, due_at=now + REFUND_EVERY), ()
        case RefundFailed(key=attempt.refund_key) | Invalid():
            return _restore(attempt, event.code)
        case Unknown():
            pause = _pause(attempt)
            return replace(attempt, asked=attempt.asked + 1, due_at=now + pause), ()
        case NotThere():  # nor will it be: the bank was faster, or its key is forgotten
            return _restore(attempt, attempt.code if attempt.code == DISPUTED else NOT_SENT_BACK)
        case _ if attempt.refund_id or isinstance(event, FraudWarning):
            return _paid(attempt, event, now)  # our refund is made, so that the rest is the rest
        case DisputeOpened() | DisputeClosed(won=False):  # told again when this is known
            return replace(attempt, by_look_up=True, code=DISPUTED, due_at=now), ()
        case _:
            return attempt, ()


def _closed(attempt: Attempt, _event: Event, _now: datetime) -> Step:
    return attempt, ()


_ROWS: dict[State, Callable[[Attempt, Event, datetime], Step]] = {
    State.CLAIMED: _claimed,
    State.SENT: _sent,
    State.UNKNOWN: _sent,
    State.DECLINED: _declined,
    State.AUTHENTICATION: _authentication,
    State.REFUSED: _closed,
    State.CANCELLED: _closed,
    State.CREDITED: _paid,
    State.REFUNDING: _refunding,
    State.REFUNDED: _paid,
    State.DISPUTED: _paid,
}


def _send(attempt: Attempt, now: datetime) -> Step:
    """A try of its own, under a key of its own: a key replays its first answer, a decline too."""
    sent = replace(
        attempt,
        state=State.SENT,
        tries=attempt.tries + 1,
        asked=0,
        sent_at=now,
        due_at=now + REPLY_WITHIN,
        by_look_up=False,
    )
    return sent, (Confirm() if attempt.intent_id else Charge(),)


def _ask_again(attempt: Attempt, now: datetime) -> Step:
    """The same key is safe for 23 h; from then on, or where it may not be sent again, look up."""
    asking = replace(attempt, state=State.UNKNOWN, due_at=now + REPLY_WITHIN)
    if attempt.by_look_up or attempt.withdrawn or _since_sent(attempt, now) > KEY_GOOD_FOR:
        return asking, (LookUp(),)
    return asking, (Confirm() if attempt.intent_id else Charge(),)


def _unknown(attempt: Attempt, cause: str, now: datetime) -> Attempt:
    return replace(
        attempt,
        state=State.UNKNOWN,
        asked=attempt.asked + 1,
        due_at=now + _pause(attempt),
        code=cause,
    )


def _decline(attempt: Attempt, event: Declined, now: datetime) -> Step:
    known = replace(attempt, intent_id=event.intent_id or attempt.intent_id)
    again = attempt.kind is PaymentKind.REFILL and not event.final and not attempt.withdrawn
    if not again or attempt.declines >= len(DECLINE_RETRY):
        return _refuse(known, event.code)
    declined = replace(
        known,
        state=State.DECLINED,
        declines=attempt.declines + 1,
        due_at=now + DECLINE_RETRY[attempt.declines],
        code=event.code,
    )
    return declined, () if attempt.declines else (Mail(NoticeKind.REFILL_DECLINED),)


def _refuse(attempt: Attempt, code: str) -> Step:
    refused = replace(_close(attempt, State.REFUSED, code), declines=attempt.declines + 1)
    if attempt.kind is PaymentKind.TOP_UP:  # whoever bought it sees it
        return refused, ()
    return refused, (Pause(PauseReason.CARD), Mail(NoticeKind.REFILL_PAUSED))


def _wait_for_a_person(attempt: Attempt, event: AuthenticationRequired, now: datetime) -> Step:
    waiting = replace(
        attempt,
        state=State.AUTHENTICATION,
        intent_id=event.intent_id,
        page_url=event.page_url,
        due_at=now + PERSON_EVERY,
        code="authentication_required",
    )
    if attempt.kind is PaymentKind.TOP_UP or attempt.state is State.AUTHENTICATION:
        return waiting, ()
    paused = (Pause(PauseReason.AUTHENTICATION), Mail(NoticeKind.REFILL_PAUSED))
    return waiting, paused if attempt.tries == 1 or attempt.declines else ()


def _invalid(attempt: Attempt, code: str, now: datetime) -> Step:
    """The first request of all did nothing. Of any other it is still to be found what it did."""
    if attempt.state is State.SENT and not attempt.intent_id:
        told = (Pause(PauseReason.OPERATOR), Mail(NoticeKind.OPERATOR))
        return _close(attempt, State.REFUSED, code), told
    looking = replace(attempt, state=State.UNKNOWN, by_look_up=True, code=code)
    return replace(looking, asked=attempt.asked + 1, due_at=now + _pause(attempt)), ()


def _not_there(attempt: Attempt, now: datetime) -> Step:
    if _since_sent(attempt, now) < NOT_THERE_AFTER:
        return replace(attempt, due_at=now + PERSON_EVERY), ()
    if attempt.withdrawn:
        return _close(attempt, State.CANCELLED, "withdrawn"), ()
    lost = replace(attempt, state=State.UNKNOWN, due_at=None, code="not_found")
    return lost, (Pause(PauseReason.OPERATOR), Mail(NoticeKind.OPERATOR))


def _charge_back(attempt: Attempt, by: TakenBy, name: str, amount: Money) -> Step:
    """Each once, however often it is told."""
    if _is_charged_back(attempt, name):
        return attempt, ()
    charge_backs = (*attempt.charge_backs, ChargedBack(by, name, amount))
    after = _standing(replace(attempt, charge_backs=charge_backs))
    lost = after.lost - attempt.lost
    gone = (ChargeBack(lost, time=len(charge_backs)),) if lost else ()
    if by is TakenBy.BANK:
        return after, (*gone, Pause(PauseReason.DISPUTE), Mail(NoticeKind.DISPUTE, amount))
    return after, (*gone, *_notes(attempt, after), Mail(NoticeKind.REFUND_DONE, amount))


def _give_back(attempt: Attempt, by: TakenBy, name: str) -> Step:
    for time, each in enumerate(attempt.charge_backs, start=1):
        if each.name == name:
            charge_backs = list(attempt.charge_backs)
            charge_backs[time - 1] = replace(each, returned=True)
            after = _standing(replace(attempt, charge_backs=tuple(charge_backs)))
            back = attempt.lost - after.lost  # nothing, where others have taken that, too
            returned = (Return(back, time),) if back else ()
            return after, (*returned, *_notes(attempt, after))
    # Its beginning is still to come, and means nothing any more.
    ended = ChargedBack(by, name, Money(0, attempt.amount.currency), returned=True)
    return replace(attempt, charge_backs=(*attempt.charge_backs, ended)), ()


def _is_charged_back(attempt: Attempt, name: str) -> bool:
    return any(each.name == name for each in attempt.charge_backs)


def _standing(attempt: Attempt) -> Attempt:
    """What was credited stands as the gravest that happened to it; a refund that runs goes on."""
    taken_by = keepers(attempt.charge_backs)
    if attempt.state is State.REFUNDING and attempt.due_at is not None:
        return attempt
    if TakenBy.BANK in taken_by:
        return replace(attempt, state=State.DISPUTED)
    sent_back = attempt.refund is not None or taken_by
    return replace(attempt, state=State.REFUNDED if sent_back else State.CREDITED)


def _restore(attempt: Attempt, code: str) -> Step:
    amount = attempt.refund or attempt.amount
    restored = _standing(
        replace(attempt, due_at=None, refund=None, refund_id="", refund_failed=True, code=code)
    )
    back = amount - (restored.lost - attempt.lost)  # others may have taken it meanwhile
    return restored, (
        *((Restore(back),) if back else ()),
        *_notes(attempt, restored),
        Mail(NoticeKind.REFUND_FAILED, amount),
    )


def _notes(before: Attempt, after: Attempt) -> tuple[Note, ...]:
    """So that a payment's receipt less its notes is what was not refunded."""
    more, less = after.refunded - before.refunded, before.refunded - after.refunded
    if not more:
        return ()
    return (IssueCreditNote(more),) if more.micros > 0 else (IssueDebitNote(less),)


def _close(attempt: Attempt, state: State, code: str) -> Attempt:
    return replace(attempt, state=state, due_at=None, page_url="", code=code)


def _since_sent(attempt: Attempt, now: datetime) -> timedelta:
    return timedelta(0) if attempt.sent_at is None else now - attempt.sent_at


def _pause(attempt: Attempt) -> timedelta:
    """Twice as long each time, until it is the longest."""
    return min(FIRST_PAUSE * (1 << min(attempt.asked, 16)), LONGEST_PAUSE)
