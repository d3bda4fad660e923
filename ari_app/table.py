"""Makes docs/call-flow.md out of `flow.step` itself (`make docs`)."""

import sys

from ari_app.flow import Call, State, Talk, UnexpectedEventError, step
from ari_app.messages import (
    Authorised,
    AuthorisedUnmetered,
    ChannelEnded,
    DebitDue,
    DebitPostponed,
    Event,
    EventsLost,
    FoundTalking,
    FoundUnanswered,
    HangUpRequested,
    IntervalPostponed,
    IntervalRefused,
    IntervalReserved,
    KeyPressed,
    LegAnswered,
    LegDialled,
    LegFailed,
    MeteringSchedule,
    MoneyLasts,
    MoneyShort,
    PaidTimeOver,
    PromptFinished,
    RefillDue,
    RefillSettled,
    RefillUnderWay,
    Refused,
    ReserveDue,
    WarningDue,
    WhisperFinished,
    WhisperReady,
)
from charging.money import Money
from charging.state_table import NOTHING, lines_of, words_of

CALLER, LEG, SECOND_LEG = "caller", "leg", "second-leg"
DIALLED = {State.DIALLING, State.DIALLING_UNSEEN}
UNRESERVED = {State.AUTHORISING, State.REFILLING, State.REFUSING, State.PASSED}
SCHEDULE = MeteringSchedule(reserve_ahead_s=10, warn_ahead_s=60, refill_ahead_s=120)
BALANCE = Money(12_400_000, "GBP")

EVERY_EVENT: dict[str, Event] = {
    "authorised": Authorised(balance=BALANCE, dial_string="33140", funded_s=60, schedule=SCHEDULE),
    "authorised as included or free": AuthorisedUnmetered("33140"),
    "found talking": FoundTalking(
        leg=LEG, answered_ms=1_000, funded_s=60, schedule=SCHEDULE, next_interval=1, undebited=()
    ),
    "found waiting in Stasis": FoundUnanswered(
        dial_string="33140", funded_s=60, schedule=SCHEDULE, in_stasis=True
    ),
    "connection was away": EventsLost(),
    "refused": Refused("insufficient_balance"),
    "refused while a card is charged": RefillUnderWay(office_id="main", needed=BALANCE),
    "the refill has come to an end": RefillSettled(),
    "prompt finished": PromptFinished(),
    "key pressed": KeyPressed("1"),
    "a leg is dialled": LegDialled(SECOND_LEG),
    "a leg fails": LegFailed(LEG),
    "a leg answers": LegAnswered(leg=SECOND_LEG, at_ms=1_000),
    "the carrier leg ends": ChannelEnded(channel=LEG, at_ms=76_000, hangup_cause=16),
    "the caller leaves": ChannelEnded(channel=CALLER, at_ms=76_000, hangup_cause=16),
    "next increment to be reserved": ReserveDue(interval=1, at_talk_s=50),
    "next increment reserved": IntervalReserved(interval=1, funded_s=120),
    "next increment refused": IntervalRefused(interval=1, at_talk_s=50),
    "ledger could not say if there is money": IntervalPostponed(interval=1, at_talk_s=50),
    "increment begins": DebitDue(interval=1, at_talk_s=60),
    "first increment to be debited again": DebitDue(interval=0, at_talk_s=1),
    "debit could not be written": DebitPostponed(interval=1, at_talk_s=60),
    "money is seen to last no further": MoneyLasts(60),
    "refill due": RefillDue(60),
    "warning due": WarningDue(60),
    "money is short": MoneyShort(left_s=60, talk_s=60),
    "whisper channel open": WhisperReady("whisper"),
    "whisper over": WhisperFinished("whisper"),
    "paid time is over": PaidTimeOver(60),
    "somebody asks to hang up": HangUpRequested(),
}

HEADING = """# The life of a call

This table is `ari_app/flow.py`, run over every state and event: `make docs` writes it and a test
compares. An event that a state does not list changes nothing there. An `unexpected` one is a
defect: it is logged and changes nothing either, but a leg that it names and nobody pays for is hung
up.

The example call holds a reservation of 60 s; in *dialling* its carrier leg rings, in *talking* it
answered at 1 s.

| state | event | becomes | does |
|---|---|---|---|
"""


def example(state: State) -> Call:
    """A call as it stands when it has come to `state`."""
    reserved = state not in UNRESERVED
    answered = state in {State.TALKING, State.ENDED}
    return Call(
        call_id="c1",
        caller=CALLER,
        state=state,
        dial_string="33140" if reserved else "",
        funded_s=60 if reserved else 0,
        schedule=SCHEDULE,
        ringing=frozenset({LEG}) if state in DIALLED else frozenset(),
        talk=Talk(leg=LEG, answered_ms=1_000) if answered else None,
        refusal="insufficient_balance" if state is State.REFUSING else "",
    )


def rows() -> list[str]:
    return lines_of(State, EVERY_EVENT, outcome)


def outcome(state: State, event: Event) -> str:
    before = example(state)
    try:
        after, commands = step(before, event)
    except UnexpectedEventError:
        return "| *unexpected*"
    if after == before and not commands:
        return NOTHING
    becomes = "" if after.state is state else str(after.state)
    return f"{becomes} | {', '.join(map(words_of, commands)) or 'remember it'}"


def document() -> str:
    return HEADING + "\n".join(rows()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
