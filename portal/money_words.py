"""Money in, in sentences: how a refill stands, and what became of a payment."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from charging.money_in import RefillStatus
from charging.money_state import Payment
from charging.refill import PauseReason, PaymentKind, State
from charging.refill_rules import PolicyState
from portal.languages import marked
from portal.words import Words


class Said(NamedTuple):
    """A state: its tint, a word for it, and what it means."""

    tint: str
    title: str
    text: str


PAUSED: Final[Mapping[PauseReason, str]] = {
    PauseReason.CARD: marked("The card was declined. Replace the card, or try again."),
    PauseReason.AUTHENTICATION: marked(
        "Your bank wants to hear from you. Open the payment below and answer your bank."
    ),
    PauseReason.DISPUTE: marked(
        "A payment is disputed at the bank. Your operator has to settle that first."
    ),
    PauseReason.OPERATOR: marked("Your operator has to look at a payment first."),
}


def refill_said(words: Words, status: RefillStatus) -> Said:
    """Never "on" while it is not: why not, and what to do."""
    policy = status.policy
    match policy.state:
        case PolicyState.PAUSED:
            why = PAUSED[policy.paused_for or PauseReason.OPERATOR]
            return Said("bad", words.say(marked("Paused.")), words.say(why))
        case PolicyState.HELD:
            until = "" if policy.look_at is None else words.moment(policy.look_at)
            text = words.say(
                marked("The ceiling is reached. It goes on by itself on %(until)s."), until=until
            )
            return Said("warn", words.say(marked("Waiting.")), text)
        case PolicyState.ARMED if status.card is None:
            text = words.say(marked("There is no card to charge. Enter one."))
            return Said("bad", words.say(marked("Cannot refill.")), text)
        case PolicyState.ARMED:
            text = words.say(marked("Your balance is refilled before it runs out."))
            return Said("good", words.say(marked("On.")), text)
        case PolicyState.OFF:
            text = words.say(marked("Calls end when the balance is used up."))
            return Said("", words.say(marked("Off.")), text)


_STATES: Final[Mapping[State, tuple[str, str, str]]] = {
    State.CLAIMED: ("", marked("Under way"), marked("The card is being charged.")),
    State.SENT: ("", marked("Under way"), marked("The card is being charged.")),
    State.UNKNOWN: (
        "warn",
        marked("Not known yet"),
        marked("The card processor has not answered. It is asked again until it says what it did."),
    ),
    State.DECLINED: (
        "warn",
        marked("Declined"),
        marked("The card was declined, and is tried again later."),
    ),
    State.AUTHENTICATION: (
        "warn",
        marked("Your bank asks"),
        marked("Your bank wants you to confirm this payment."),
    ),
    State.REFUSED: (
        "bad",
        marked("Declined"),
        marked("The card was declined. Nothing was charged."),
    ),
    State.CANCELLED: ("", marked("Cancelled"), marked("Nothing was charged.")),
    State.CREDITED: ("good", marked("Credited"), marked("The money is in your account.")),
    State.REFUNDING: (
        "warn",
        marked("Being refunded"),
        marked("What was unspent is on its way back to the card."),
    ),
    State.REFUNDED: ("", marked("Refunded"), marked("What was unspent went back to the card.")),
    State.DISPUTED: (
        "bad",
        marked("Disputed"),
        marked("The bank took this payment back."),
    ),
}
KINDS: Final[Mapping[PaymentKind, str]] = {
    PaymentKind.TOP_UP: marked("Top-up"),
    PaymentKind.REFILL: marked("Automatic refill"),
}


def state_title(state: State) -> str:
    """The marked word for a state of a payment."""
    return _STATES[state][1]


def payment_said(words: Words, payment: Payment) -> Said:
    tint, title, text = _STATES[payment.state]
    return Said(tint, words.say(title), words.say(text))
