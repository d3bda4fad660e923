"""What can happen to a call, and what can be done about it: the words `flow` is written in.

Times inside events are milliseconds since 1970 by Asterisk's clock; `talk_s` counts from answer.
"""

from dataclasses import dataclass

from charging.evidence import EndUnproved
from charging.money import Money

# --- events: what happened -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringSchedule:
    """How early a call looks ahead, by its billing increment."""

    reserve_ahead_s: float  # before an increment begins, it is reserved
    warn_ahead_s: float  # before the money ends, the caller is warned
    refill_ahead_s: float = 0  # before the money ends, the account's card is charged


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """A paid call: its first increment is reserved."""

    balance: Money
    dial_string: str
    funded_s: int
    schedule: MeteringSchedule


@dataclass(frozen=True, slots=True)
class AuthorisedUnmetered:
    """An included or free call: nothing is reserved, nothing will be charged."""

    dial_string: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTalking:
    """A call that no task carries, as after a restart, and whose carrier leg is up."""

    leg: str
    answered_ms: int
    funded_s: int
    schedule: MeteringSchedule
    next_interval: int
    undebited: tuple[tuple[int, float], ...]  # reserved intervals, and the talk time they begin at


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUnanswered:
    """Such a call whose caller is still there, waiting in Stasis or for an answer."""

    dial_string: str
    funded_s: int
    schedule: MeteringSchedule
    in_stasis: bool


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The connection was away for a time: an answer may have come unseen."""


@dataclass(frozen=True, slots=True)
class Refused:
    code: str  # charging.errors: Refusal.code; or "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefillUnderWay:
    """There is not enough money, and a card is being charged: a little later there may be."""

    office_id: str
    needed: Money


@dataclass(frozen=True, slots=True)
class RefillSettled:
    """The money came in, or will not, or took too long."""


@dataclass(frozen=True, slots=True)
class PromptFinished:
    heard: bool = True  # False: Asterisk could not play it, or nobody knows


@dataclass(frozen=True, slots=True)
class KeyPressed:
    digit: str


@dataclass(frozen=True, slots=True)
class LegDialled:
    leg: str


@dataclass(frozen=True, slots=True)
class LegFailed:
    """Busy, unanswered, refused or cancelled: Dial() gave this leg up."""

    leg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered:
    leg: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEnded:
    """The caller's channel or a carrier leg is gone."""

    channel: str
    at_ms: int
    hangup_cause: int  # Q.850; 0 when Asterisk does not know
    unproved: EndUnproved | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveDue:
    interval: int
    at_talk_s: float  # when it is due, so that a retry knows where it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitDue:
    interval: int
    at_talk_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitPostponed:
    """The ledger could not be written; the interval is reserved, so the call is paid for."""

    interval: int
    at_talk_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalReserved:
    interval: int
    funded_s: int  # paid talk time from answer, this increment included


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRefused:
    interval: int
    at_talk_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalPostponed:
    """The ledger could not be asked: whether there is money, nobody knows."""

    interval: int
    at_talk_s: float


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """Somebody who may asked that this call be ended now."""


@dataclass(frozen=True, slots=True)
class PaidTimeOver:
    funded_s: int


@dataclass(frozen=True, slots=True)
class MoneyLasts:
    """As things stand the office can pay this call up to `talk_s` from answer."""

    talk_s: int


@dataclass(frozen=True, slots=True)
class RefillDue:
    """It is time to charge the account's card, unless money came in since."""

    talk_s: int


@dataclass(frozen=True, slots=True)
class WarningDue:
    """It is time to warn, unless money came in since."""

    talk_s: int


@dataclass(frozen=True, slots=True)
class MoneyShort:
    """It did not: the call will have to end at `talk_s` from answer, which is in `left_s`."""

    left_s: int
    talk_s: int


@dataclass(frozen=True, slots=True)
class WhisperReady:
    """A channel that only the caller hears is open."""

    channel: str


@dataclass(frozen=True, slots=True)
class WhisperFinished:
    channel: str


Event = (
    Authorised
    | AuthorisedUnmetered
    | FoundTalking
    | FoundUnanswered
    | EventsLost
    | Refused
    | RefillUnderWay
    | RefillSettled
    | PromptFinished
    | KeyPressed
    | LegDialled
    | LegFailed
    | LegAnswered
    | ChannelEnded
    | ReserveDue
    | DebitDue
    | DebitPostponed
    | IntervalReserved
    | IntervalRefused
    | IntervalPostponed
    | PaidTimeOver
    | HangUpRequested
    | MoneyLasts
    | RefillDue
    | WarningDue
    | MoneyShort
    | WhisperReady
    | WhisperFinished
)


# --- commands: what to do ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlayBalance:
    balance: Money


@dataclass(frozen=True, slots=True)
class PlayRefusal:
    code: str


@dataclass(frozen=True, slots=True)
class PlayOneMoment:
    """Tell the caller that the account is being refilled."""


@dataclass(frozen=True, slots=True)
class StopOneMoment:
    """Whatever is said next is said at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRefill:
    """Beside everything else, until the office has what is needed, or waiting would not help."""

    office_id: str
    needed: Money


@dataclass(frozen=True, slots=True)
class AuthoriseAgain:
    pass


@dataclass(frozen=True, slots=True)
class NoteAnnounced:
    """Write down whether the caller heard the balance."""

    heard: bool


@dataclass(frozen=True, slots=True)
class StopPrompt:
    pass


@dataclass(frozen=True, slots=True)
class ContinueInDialplan:
    """The caller continues in the dialplan, which dials. `funded_s` None: no time limit."""

    dial_string: str
    funded_s: int | None


@dataclass(frozen=True, slots=True)
class RefuseInDialplan:
    """The caller continues in the dialplan, which hangs up."""

    code: str


@dataclass(frozen=True, slots=True)
class LookForMissedEnd:
    """The caller has left and the leg should have ended before: perhaps its event was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebitFirst:
    """Interval 0, with the leg that answered and when it did."""

    leg: str
    answered_ms: int
    at_talk_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Debit:
    interval: int
    at_talk_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    interval: int
    at_talk_s: float


@dataclass(frozen=True, slots=True)
class ExtendTimeout:
    leg: str
    funded_s: int


@dataclass(frozen=True, slots=True)
class Remind:
    """Give the call this event when it has talked for so long."""

    at_talk_s: float
    event: "Reminder"


Reminder = ReserveDue | DebitDue | PaidTimeOver | RefillDue | WarningDue


@dataclass(frozen=True, slots=True)
class CheckMoney:
    """Does the money still end at `talk_s`? Then refill. Up to `funded_s` it is reserved."""

    talk_s: int
    funded_s: int
    warns: bool = True  # whether it is also time to tell the caller


@dataclass(frozen=True, slots=True)
class WarnCaller:
    """Whisper it: the far end hears nothing."""

    left_s: int


@dataclass(frozen=True, slots=True)
class TellTopUp:
    """Whisper to a caller who was warned that the call may go on."""


@dataclass(frozen=True, slots=True)
class PlayWhisper:
    channel: str


@dataclass(frozen=True, slots=True)
class SayNext:
    """The sentence on this channel is over: whatever else is to be whispered comes now."""

    channel: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """End the leg that Asterisk should have ended, and let the caller hear why."""

    leg: str


@dataclass(frozen=True, slots=True)
class HangUp:
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Price the whole call and release what is left. Does nothing when nothing is reserved."""

    talk_s: int
    ended_ms: int | None  # None: the driver says "now"
    hangup_cause: int
    unproved: EndUnproved | None = None  # it is charged for what can be proved


Command = (
    PlayBalance
    | PlayRefusal
    | PlayOneMoment
    | StopOneMoment
    | AwaitRefill
    | AuthoriseAgain
    | NoteAnnounced
    | StopPrompt
    | ContinueInDialplan
    | RefuseInDialplan
    | LookForMissedEnd
    | DebitFirst
    | Debit
    | Reserve
    | ExtendTimeout
    | Remind
    | CheckMoney
    | WarnCaller
    | TellTopUp
    | PlayWhisper
    | SayNext
    | CutOff
    | HangUp
    | Settle
)
