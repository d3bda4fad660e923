"""The life of one call as a table: state and event in, state and commands out.

No clock, no network, no ledger. docs/call-flow.md is made from this module by `ari_app.table`.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from ari_app.messages import (
    AuthoriseAgain,
    Authorised,
    AuthorisedUnmetered,
    AwaitRefill,
    ChannelEnded,
    CheckMoney,
    Command,
    ContinueInDialplan,
    CutOff,
    Debit,
    DebitDue,
    DebitFirst,
    DebitPostponed,
    Event,
    EventsLost,
    ExtendTimeout,
    FoundTalking,
    FoundUnanswered,
    HangUp,
    HangUpRequested,
    IntervalPostponed,
    IntervalRefused,
    IntervalReserved,
    KeyPressed,
    LegAnswered,
    LegDialled,
    LegFailed,
    LookForMissedEnd,
    MeteringSchedule,
    MoneyLasts,
    MoneyShort,
    NoteAnnounced,
    PaidTimeOver,
    PlayBalance,
    PlayOneMoment,
    PlayRefusal,
    PlayWhisper,
    PromptFinished,
    RefillDue,
    RefillSettled,
    RefillUnderWay,
    Refused,
    RefuseInDialplan,
    Remind,
    Reserve,
    ReserveDue,
    SayNext,
    Settle,
    StopOneMoment,
    StopPrompt,
    TellTopUp,
    WarnCaller,
    WarningDue,
    WhisperFinished,
    WhisperReady,
)

NO_SCHEDULE = MeteringSchedule(reserve_ahead_s=0, warn_ahead_s=0)
INSUFFICIENT = "insufficient_balance"  # charging.errors: InsufficientBalance.code
RETRY_EVERY_S = 1.0  # of what was refused or postponed: a top-up may land at any moment


class State(Enum):
    AUTHORISING = auto()
    REFILLING = auto()  # there may be enough money in a moment
    ANNOUNCING = auto()
    REFUSING = auto()
    PASSED = auto()  # included or free: the dialplan carries it and nothing is metered
    DIALLING = auto()
    DIALLING_UNSEEN = auto()  # the connection was away: an answer may have come unseen
    TALKING = auto()
    ENDED = auto()

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


class UnexpectedEventError(Exception):
    """The table has no row for this event in this state; it is logged and changes nothing."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{type(event).__name__} in state {state}")
        self.state = state
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """The carrier leg that answered, the one that is charged."""

    leg: str
    answered_ms: int
    warned_of_s: int | None = None  # the end of the money that the caller was warned of
    refilled_for_s: int | None = None  # the end of the money before which a refill was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as its own task knows it; its money lives in the ledger, not here."""

    call_id: str
    caller: str  # the caller's channel
    state: State = State.AUTHORISING
    dial_string: str = ""
    funded_s: int = 0  # talk time reserved so far, from answer
    schedule: MeteringSchedule = NO_SCHEDULE
    ringing: frozenset[str] = frozenset()  # carrier legs that were dialled and have not answered
    talk: Talk | None = None  # from answer on
    caller_left: bool = False
    refusal: str = ""

    @property
    def leg(self) -> str | None:
        """The carrier leg that answered."""
        return None if self.talk is None else self.talk.leg

    @property
    def over(self) -> bool:
        """Nothing more can happen to this call that would cost money."""
        if self.state is State.ENDED:
            return self.caller_left or bool(self.refusal)
        return self.state is State.PASSED


Step = tuple[Call, tuple[Command, ...]]


def step(call: Call, event: Event) -> Step:
    """Advance one call by one event: one function per state, one arm per row of call-flow.md.

    Raises:
        UnexpectedEventError: there is no such row. See `unpaid_leg`.
    """
    if isinstance(event, WhisperFinished):
        over = HangUp(event.channel)
        return call, (over, SayNext(event.channel)) if call.state is State.TALKING else (over,)
    if isinstance(event, HangUpRequested):
        return call, _hang_up(call)
    return _ROWS[call.state](call, event)


def _authorising(call: Call, event: Event) -> Step:  # noqa: PLR0911 - one arm per row
    match event:
        case Authorised():
            return _announce(call, event)
        case AuthorisedUnmetered(dial_string):
            dial = ContinueInDialplan(dial_string, funded_s=None)
            return replace(call, state=State.PASSED), (dial,)
        case Refused(code):
            return replace(call, state=State.REFUSING, refusal=code), (PlayRefusal(code),)
        case RefillUnderWay(office_id=office_id, needed=needed):
            wait = AwaitRefill(office_id=office_id, needed=needed)
            return replace(call, state=State.REFILLING), (PlayOneMoment(), wait)
        case FoundTalking():
            return _resume_talking(call, event)
        case FoundUnanswered():
            return _resume_unanswered(call, event)
        case ChannelEnded():
            return replace(call, state=State.ENDED, caller_left=True), ()
        case _:
            return _ignore(call, event)


def _refilling(call: Call, event: Event) -> Step:
    """Asked once more when the waiting is over; whoever still lacks money then is refused."""
    match event:
        case RefillSettled():
            return call, (AuthoriseAgain(),)
        case Authorised():
            announcing, commands = _announce(call, event)
            return announcing, (StopOneMoment(), *commands)
        case RefillUnderWay():
            return _refuse_after_waiting(call, INSUFFICIENT)
        case Refused(code):
            return _refuse_after_waiting(call, code)
        case ChannelEnded():
            return replace(call, state=State.ENDED, caller_left=True), ()
        case _:
            return _ignore(call, event)


def _refuse_after_waiting(call: Call, code: str) -> Step:
    refusing = replace(call, state=State.REFUSING, refusal=code)
    return refusing, (StopOneMoment(), PlayRefusal(code))


def _announcing(call: Call, event: Event) -> Step:
    match event:
        case KeyPressed():
            return call, (StopPrompt(),)
        case PromptFinished(heard):
            dial = ContinueInDialplan(call.dial_string, call.funded_s)
            return replace(call, state=State.DIALLING), (NoteAnnounced(heard), dial)
        case ChannelEnded():
            ended = replace(call, state=State.ENDED, caller_left=True)
            return ended, (_nothing_talked(event),)
        case _:
            return _ignore(call, event)


def _refusing(call: Call, event: Event) -> Step:
    match event:
        case KeyPressed():
            return call, (StopPrompt(),)
        case PromptFinished():
            return replace(call, state=State.ENDED), (RefuseInDialplan(call.refusal),)
        case ChannelEnded():
            return replace(call, state=State.ENDED, caller_left=True), ()
        case _:
            return _ignore(call, event)


def _passed(call: Call, _event: Event) -> Step:
    return call, ()


def _dialling(call: Call, event: Event) -> Step:
    match event:
        case LegDialled(leg):
            return replace(call, ringing=call.ringing | {leg}), ()
        case LegAnswered():
            return _answer(call, event)
        case LegFailed(gone) | ChannelEnded(channel=gone):
            return _end_unanswered(call, event, gone)
        case EventsLost():
            return replace(call, state=State.DIALLING_UNSEEN), ()
        case _:
            return _ignore(call, event)


def _talking(call: Call, event: Event) -> Step:  # noqa: PLR0911 - one arm per row
    talk = call.talk
    if talk is None:
        raise UnexpectedEventError(call.state, event)
    match event:
        case LegDialled(leg) | LegAnswered(leg=leg):
            return call, _refuse_second_leg(call, leg)
        case ChannelEnded(channel=channel) if channel == talk.leg:
            return replace(call, state=State.ENDED), (_settlement(talk, event),)
        case ChannelEnded(channel=channel) if channel == call.caller:
            # A transfer replaces the caller and leaves the leg, which is what is charged.
            return replace(call, caller_left=True), (LookForMissedEnd(),)
        case ReserveDue() | IntervalReserved() | IntervalRefused() | IntervalPostponed():
            return _reserve(call, talk, event)
        case DebitDue() | DebitPostponed() | PaidTimeOver():
            return _meter(call, talk, event)
        case MoneyLasts() | RefillDue() | WarningDue() | MoneyShort() | WhisperReady():
            return _warn(call, talk, event)
        case _:
            return _ignore(call, event)


def _ended(call: Call, event: Event) -> Step:
    match event:
        case Authorised():
            return call, (_nothing_talked(),)  # hung up while we asked: release the money
        case AuthorisedUnmetered() | Refused() | RefillUnderWay():
            return call, ()
        case LegDialled(leg) | LegAnswered(leg=leg):
            return call, _refuse_second_leg(call, leg)
        case ChannelEnded(channel=channel) if channel == call.caller:
            return replace(call, caller_left=True), ()
        case _:
            return _ignore(call, event)


def _hang_up(call: Call) -> tuple[Command, ...]:
    """The leg that is charged, or else its caller; the end then comes as any other does."""
    if call.talk is not None and call.state is State.TALKING:
        return (HangUp(call.talk.leg),)
    if call.state in {State.PASSED, State.ENDED}:
        return ()
    return (HangUp(call.caller),)


_ROWS = {
    State.AUTHORISING: _authorising,
    State.REFILLING: _refilling,
    State.ANNOUNCING: _announcing,
    State.REFUSING: _refusing,
    State.PASSED: _passed,
    State.DIALLING: _dialling,
    State.DIALLING_UNSEEN: _dialling,
    State.TALKING: _talking,
    State.ENDED: _ended,
}


def unpaid_leg(call: Call, event: Event) -> tuple[Command, ...]:
    """What is done about an event that the table has no row for: only a leg nobody pays for ends.

    A call that is paid for goes on: hanging it up because of a defect of ours comes last.
    """
    if isinstance(event, LegDialled | LegAnswered):
        return _refuse_second_leg(call, event.leg)
    return ()


def _reserve(
    call: Call,
    talk: Talk,
    event: ReserveDue | IntervalReserved | IntervalRefused | IntervalPostponed,
) -> Step:
    match event:
        case ReserveDue(interval=interval, at_talk_s=at_talk_s):
            return call, (Reserve(interval=interval, at_talk_s=at_talk_s),)
        case IntervalReserved():
            return _extend(call, talk, event)
        case IntervalRefused():
            return _warn_and_keep_trying(call, talk, event)
        case IntervalPostponed():
            return call, _keep_trying(call, event)


def _meter(call: Call, talk: Talk, event: DebitDue | DebitPostponed | PaidTimeOver) -> Step:
    match event:
        case DebitDue(interval=0, at_talk_s=at_talk_s):
            return call, (_debit_first(talk, at_talk_s),)
        case DebitDue(interval=interval, at_talk_s=at_talk_s):
            return call, (Debit(interval=interval, at_talk_s=at_talk_s),)
        case DebitPostponed(interval=interval, at_talk_s=at_talk_s):
            return call, (_debit_at(interval, at_talk_s + RETRY_EVERY_S),)
        case PaidTimeOver(funded_s):  # Asterisk should have ended it a moment ago
            return call, (CutOff(talk.leg),) if funded_s == call.funded_s else ()


def _warn(
    call: Call, talk: Talk, event: MoneyLasts | RefillDue | WarningDue | MoneyShort | WhisperReady
) -> Step:
    match event:
        case MoneyLasts(talk_s):
            return call, (*_refill_ahead(call, talk, talk_s), *_warning(call, talk_s))
        case RefillDue(talk_s):
            if talk.refilled_for_s == talk_s:
                return call, ()
            asked = replace(call, talk=replace(talk, refilled_for_s=talk_s))
            return asked, (CheckMoney(talk_s, funded_s=call.funded_s, warns=False),)
        case WarningDue(talk_s):
            warned = talk.warned_of_s is not None
            return call, () if warned else (CheckMoney(talk_s, funded_s=call.funded_s),)
        case MoneyShort(left_s, talk_s):
            return replace(call, talk=replace(talk, warned_of_s=talk_s)), (WarnCaller(left_s),)
        case WhisperReady(channel):
            return call, (PlayWhisper(channel),)


def _refuse_second_leg(call: Call, leg: str) -> tuple[Command, ...]:
    """A second Dial(): nothing was reserved for this leg."""
    return (HangUp(leg),) if leg != call.leg else ()


def _ignore(call: Call, event: Event) -> Step:
    """What may come late in any state and then matters to nobody; all else is a defect."""
    match event:
        case WhisperReady(channel):
            return call, (HangUp(channel),)
        case (
            EventsLost()
            | RefillSettled()
            | PromptFinished()
            | KeyPressed()
            | LegFailed()
            | ChannelEnded()
            | ReserveDue()
            | IntervalReserved()
            | IntervalRefused()
            | IntervalPostponed()
            | DebitDue()
            | DebitPostponed()
            | PaidTimeOver()
            | MoneyLasts()
            | RefillDue()
            | WarningDue()
            | MoneyShort()
        ):
            return call, ()
        case _:
            raise UnexpectedEventError(call.state, event)


def _announce(call: Call, event: Authorised) -> Step:
    announcing = replace(
        call,
        state=State.ANNOUNCING,
        dial_string=event.dial_string,
        funded_s=event.funded_s,
        schedule=event.schedule,
    )
    return announcing, (PlayBalance(event.balance),)


def _resume_talking(call: Call, event: FoundTalking) -> Step:
    """Asterisk is told the paid time again: the extension of an earlier run may have been lost."""
    talk = Talk(leg=event.leg, answered_ms=event.answered_ms)
    talking = replace(
        call, state=State.TALKING, talk=talk, funded_s=event.funded_s, schedule=event.schedule
    )
    return talking, (
        _debit_first(talk),  # changes nothing twice
        ExtendTimeout(event.leg, event.funded_s),
        *(_debit_at(interval, start_s) for interval, start_s in event.undebited),
        *_reminders(talking, next_interval=event.next_interval),
    )


def _resume_unanswered(call: Call, event: FoundUnanswered) -> Step:
    dialling = replace(
        call,
        state=State.DIALLING if event.in_stasis else State.DIALLING_UNSEEN,
        dial_string=event.dial_string,
        funded_s=event.funded_s,
        schedule=event.schedule,
    )
    dial = ContinueInDialplan(event.dial_string, event.funded_s)
    return dialling, (dial,) if event.in_stasis else ()


def _answer(call: Call, event: LegAnswered) -> Step:
    talk = Talk(leg=event.leg, answered_ms=event.at_ms)
    ringing = call.ringing - {event.leg}
    talking = replace(call, state=State.TALKING, talk=talk, ringing=ringing)
    return talking, (_debit_first(talk), *_reminders(talking, next_interval=1))


def _end_unanswered(call: Call, event: LegFailed | ChannelEnded, gone: str) -> Step:
    """A failover trunk may follow a leg that failed, so only the caller's end ends the call."""
    caller_left = call.caller_left or gone == call.caller
    after = replace(call, caller_left=caller_left, ringing=call.ringing - {gone})
    if not caller_left or after.ringing:  # a 200 may still cross our CANCEL
        return after, ()
    if call.state is State.DIALLING_UNSEEN:  # the sweep settles it, by Asterisk's log
        return replace(after, state=State.ENDED), ()
    hung_up = event if isinstance(event, ChannelEnded) else None
    return replace(after, state=State.ENDED), (_nothing_talked(hung_up),)


def _extend(call: Call, talk: Talk, event: IntervalReserved) -> Step:
    if event.funded_s <= call.funded_s:
        return call, ()  # a retry of what is already counted
    topped_up = talk.warned_of_s is not None and event.funded_s > talk.warned_of_s
    told = replace(talk, warned_of_s=None) if topped_up else talk
    extended = replace(call, funded_s=event.funded_s, talk=told)
    return extended, (
        *((TellTopUp(),) if topped_up else ()),
        ExtendTimeout(talk.leg, event.funded_s),
        _debit_at(event.interval, call.funded_s),
        *_reminders(extended, next_interval=event.interval + 1),
    )


def _debit_first(talk: Talk, at_talk_s: float = 0.0) -> DebitFirst:
    return DebitFirst(leg=talk.leg, answered_ms=talk.answered_ms, at_talk_s=at_talk_s)


def _debit_at(interval: int, at_talk_s: float) -> Remind:
    return Remind(at_talk_s, DebitDue(interval=interval, at_talk_s=at_talk_s))


def _reminders(call: Call, *, next_interval: int) -> tuple[Command, ...]:
    reserve_s = max(0.0, call.funded_s - call.schedule.reserve_ahead_s)
    return (
        Remind(reserve_s, ReserveDue(interval=next_interval, at_talk_s=reserve_s)),
        Remind(call.funded_s, PaidTimeOver(call.funded_s)),
    )


def _refill_ahead(call: Call, talk: Talk, talk_s: int) -> tuple[Command, ...]:
    """Long enough before a warning that the caller need not hear one."""
    refill_s = talk_s - call.schedule.refill_ahead_s
    if refill_s >= call.funded_s or talk.refilled_for_s == talk_s:
        return ()
    return (Remind(max(0.0, refill_s), RefillDue(talk_s)),)


def _warning(call: Call, talk_s: int) -> tuple[Command, ...]:
    """Before the next increment begins the question is asked again, so look no further."""
    warn_s = talk_s - call.schedule.warn_ahead_s
    if warn_s >= call.funded_s:
        return ()
    return (Remind(max(0.0, warn_s), WarningDue(talk_s)),)


def _warn_and_keep_trying(call: Call, talk: Talk, event: IntervalRefused) -> Step:
    left_s = max(0, int(call.funded_s - event.at_talk_s))
    warning = () if talk.warned_of_s is not None else (WarnCaller(left_s),)
    warned = replace(call, talk=replace(talk, warned_of_s=call.funded_s))
    return warned, (*warning, *_keep_trying(call, event))


def _keep_trying(call: Call, event: IntervalRefused | IntervalPostponed) -> tuple[Command, ...]:
    retry_s = event.at_talk_s + RETRY_EVERY_S
    if retry_s >= call.funded_s:
        return ()
    return (Remind(retry_s, ReserveDue(interval=event.interval, at_talk_s=retry_s)),)


def _settlement(talk: Talk, event: ChannelEnded) -> Settle:
    talk_s = talk_seconds(answered_ms=talk.answered_ms, ended_ms=event.at_ms)
    return Settle(
        talk_s=talk_s,
        ended_ms=event.at_ms,
        hangup_cause=event.hangup_cause,
        unproved=event.unproved,
    )


def talk_seconds(*, answered_ms: int, ended_ms: int) -> int:
    """Every second that was begun, as carriers count; an answered call has at least one."""
    return max(1, -(-(ended_ms - answered_ms) // 1000))


def _nothing_talked(event: ChannelEnded | None = None) -> Settle:
    if event is None:
        return Settle(talk_s=0, ended_ms=None, hangup_cause=0)
    return Settle(talk_s=0, ended_ms=event.at_ms, hangup_cause=event.hangup_cause)
