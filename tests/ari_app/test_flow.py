"""The table of a call's life, row by row, and the rules that hold over all of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from ari_app.flow import Call, State, UnexpectedEventError, step, unpaid_leg
from ari_app.messages import (
    Authorised,
    AuthorisedUnmetered,
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
    PlayRefusal,
    PlayWhisper,
    PromptFinished,
    RefillDue,
    Refused,
    RefuseInDialplan,
    Remind,
    Reserve,
    ReserveDue,
    SayNext,
    Settle,
    TellTopUp,
    WarnCaller,
    WarningDue,
    WhisperFinished,
    WhisperReady,
)
from ari_app.table import CALLER, EVERY_EVENT, LEG, SCHEDULE, document, example
from charging.money import Money

BALANCE = Money(5_000_000, "EUR")
AUTHORISED = Authorised(balance=BALANCE, dial_string="33142685300", funded_s=60, schedule=SCHEDULE)
ANSWERED_MS = 1_000_000
SHORT_AT_60 = MoneyShort(left_s=60, talk_s=60)


def run(*events: Event) -> tuple[Call, list[Command]]:
    call = Call(call_id="c1", caller=CALLER)
    done: list[Command] = []
    for event in events:
        call, commands = step(call, event)
        done.extend(commands)
    return call, done


def ended(channel: str, *, talk_ms: int) -> ChannelEnded:
    return ChannelEnded(channel=channel, at_ms=ANSWERED_MS + talk_ms, hangup_cause=16)


def answered(leg: str = LEG) -> LegAnswered:
    return LegAnswered(leg=leg, at_ms=ANSWERED_MS)


def settlements(commands: list[Command]) -> list[int]:
    return [command.talk_s for command in commands if isinstance(command, Settle)]


def warned(call: Call) -> bool:
    return call.talk is not None and call.talk.warned_of_s is not None


def without_reminders(commands: list[Command]) -> list[Command]:
    return [command for command in commands if not isinstance(command, Remind)]


TALKING = (AUTHORISED, PromptFinished(), LegDialled(LEG), answered())


def test_answered_call_is_extended_each_increment_and_settled_once() -> None:
    call, commands = run(
        *TALKING,
        ReserveDue(interval=1, at_talk_s=50),
        IntervalReserved(interval=1, funded_s=120),
        DebitDue(interval=1, at_talk_s=60),
        ended(LEG, talk_ms=75_400),
        ended(CALLER, talk_ms=75_410),
    )
    assert without_reminders(commands) == [
        PlayBalance(BALANCE),
        NoteAnnounced(heard=True),
        ContinueInDialplan("33142685300", 60),
        DebitFirst(leg=LEG, answered_ms=ANSWERED_MS),
        Reserve(interval=1, at_talk_s=50),
        ExtendTimeout(LEG, 120),
        Debit(interval=1, at_talk_s=60),
        Settle(talk_s=76, ended_ms=ANSWERED_MS + 75_400, hangup_cause=16),
    ]
    assert call.state is State.ENDED
    assert call.over


def test_reminders_follow_the_paid_time() -> None:
    _, commands = run(*TALKING, IntervalReserved(interval=1, funded_s=120))
    assert [command for command in commands if isinstance(command, Remind)] == [
        Remind(50, ReserveDue(interval=1, at_talk_s=50)),
        Remind(60, PaidTimeOver(60)),
        Remind(60, DebitDue(interval=1, at_talk_s=60)),
        Remind(110, ReserveDue(interval=2, at_talk_s=110)),
        Remind(120, PaidTimeOver(120)),
    ]


def test_included_call_is_passed_on_without_a_word_and_then_forgotten() -> None:
    call, commands = run(AuthorisedUnmetered("442079460000"))
    assert commands == [ContinueInDialplan("442079460000", None)]
    assert call.over


def test_refusal_is_spoken_and_nothing_is_dialled() -> None:
    call, commands = run(Refused("insufficient_balance"), PromptFinished())
    assert commands == [
        PlayRefusal("insufficient_balance"),
        RefuseInDialplan("insufficient_balance"),
    ]
    assert call.over


def test_busy_number_costs_nothing() -> None:
    call, commands = run(
        *TALKING[:3], LegFailed(LEG), ended(LEG, talk_ms=0), ended(CALLER, talk_ms=10)
    )
    assert settlements(commands) == [0]
    assert call.over


def test_failover_trunk_is_still_charged_after_the_first_one_failed() -> None:
    _, commands = run(
        *TALKING[:3], LegFailed(LEG), LegDialled("leg-2"), answered("leg-2"),
        ended("leg-2", talk_ms=3_000), ended(CALLER, talk_ms=3_001),
    )  # fmt: skip
    assert settlements(commands) == [3]


def test_answer_that_crosses_the_hang_up_of_the_caller_is_charged() -> None:
    _, commands = run(*TALKING[:3], ended(CALLER, talk_ms=-5), answered(), ended(LEG, talk_ms=300))
    assert settlements(commands) == [1]


def test_caller_who_hangs_up_during_the_prompt_pays_nothing() -> None:
    call, commands = run(AUTHORISED, ended(CALLER, talk_ms=0))
    assert settlements(commands) == [0]
    assert call.over


def test_call_found_talking_is_metered_on_from_where_it_stands() -> None:
    call, commands = run(
        FoundTalking(
            leg=LEG,
            answered_ms=ANSWERED_MS,
            funded_s=120,
            schedule=SCHEDULE,
            next_interval=2,
            undebited=((1, 60),),
        ),
        ended(LEG, talk_ms=130_000),
    )
    assert commands == [
        DebitFirst(leg=LEG, answered_ms=ANSWERED_MS),
        ExtendTimeout(LEG, 120),
        Remind(60, DebitDue(interval=1, at_talk_s=60)),
        Remind(110, ReserveDue(interval=2, at_talk_s=110)),
        Remind(120, PaidTimeOver(120)),
        Settle(talk_s=130, ended_ms=ANSWERED_MS + 130_000, hangup_cause=16),
    ]
    assert call.state is State.ENDED


@pytest.mark.parametrize("in_stasis", [True, False])
def test_call_found_unanswered_goes_on_to_be_dialled(*, in_stasis: bool) -> None:
    call, commands = run(
        FoundUnanswered(dial_string="3314", funded_s=60, schedule=SCHEDULE, in_stasis=in_stasis),
        LegDialled(LEG),
        answered(),
    )
    dialled = [command for command in commands if isinstance(command, ContinueInDialplan)]
    assert dialled == ([ContinueInDialplan("3314", 60)] if in_stasis else [])
    assert call.state is State.TALKING


FOUND_DIALLING = FoundUnanswered(
    dial_string="3314", funded_s=60, schedule=SCHEDULE, in_stasis=False
)


@pytest.mark.parametrize(
    "unseen", [(FOUND_DIALLING,), (AUTHORISED, PromptFinished(), EventsLost())]
)
def test_call_whose_answer_may_have_come_unseen_is_left_for_asterisks_log_to_settle(
    unseen: tuple[Event, ...],
) -> None:
    call, commands = run(*unseen)
    assert call.state is State.DIALLING_UNSEEN
    call, commands = run(*unseen, ended(CALLER, talk_ms=700))
    assert settlements(commands) == []
    assert call.over
    call, commands = run(*unseen, answered(), ended(LEG, talk_ms=700))
    assert settlements(commands) == [1]
    assert call.state is State.ENDED


def test_authorisation_that_arrives_after_hang_up_is_given_back() -> None:
    _, commands = run(ended(CALLER, talk_ms=0), AUTHORISED)
    assert settlements(commands) == [0]


def test_transfer_that_replaces_the_caller_leaves_the_leg_charged() -> None:
    call, commands = run(*TALKING, ended(CALLER, talk_ms=5_000))
    assert commands[-1] == LookForMissedEnd()
    assert call.state is State.TALKING
    call, commands = run(*TALKING, ended(CALLER, talk_ms=5_000), ended(LEG, talk_ms=65_000))
    assert settlements(commands) == [65]
    assert call.over


def test_talk_time_is_every_second_begun_and_at_least_one() -> None:
    for talk_ms, talk_s in [(0, 1), (400, 1), (1_000, 1), (1_001, 2), (60_000, 60), (60_001, 61)]:
        _, commands = run(*TALKING, ended(LEG, talk_ms=talk_ms))
        assert settlements(commands) == [talk_s]


def test_caller_is_warned_once_and_money_is_asked_for_until_it_runs_out() -> None:
    refused = [IntervalRefused(interval=1, at_talk_s=50.0 + n) for n in range(10)]
    _, commands = run(*TALKING, *refused)
    assert [c for c in commands if isinstance(c, WarnCaller)] == [WarnCaller(10)]
    retries = [c.at_talk_s for c in commands if isinstance(c, Remind)][2:]
    assert retries == [51, 52, 53, 54, 55, 56, 57, 58, 59]


def test_ledger_that_cannot_be_asked_is_asked_again_and_nobody_is_told_that_money_is_short() -> (
    None
):
    postponed = [IntervalPostponed(interval=1, at_talk_s=50.0 + n) for n in range(10)]
    call, commands = run(*TALKING, *postponed)
    assert not [c for c in commands if isinstance(c, WarnCaller)]
    assert not warned(call)
    retries = [c.at_talk_s for c in commands if isinstance(c, Remind)][2:]
    assert retries == [51, 52, 53, 54, 55, 56, 57, 58, 59]


@pytest.mark.parametrize("interval", [0, 1])
def test_debit_that_could_not_be_written_is_repeated_until_it_is(interval: int) -> None:
    _, commands = run(*TALKING, DebitPostponed(interval=interval, at_talk_s=7))
    again = DebitDue(interval=interval, at_talk_s=8)
    assert commands[-1] == Remind(8, again)
    _, (*_, repeated) = run(*TALKING, again)
    assert repeated == (
        Debit(interval=1, at_talk_s=8)
        if interval
        else DebitFirst(leg=LEG, answered_ms=ANSWERED_MS, at_talk_s=8)
    )


def test_event_that_nobody_expected_ends_at_most_a_leg_that_nobody_pays_for() -> None:
    for state in State:
        for event in EVERY_EVENT.values():
            call = example(state)
            try:
                step(call, event)
            except UnexpectedEventError as error:
                for command in unpaid_leg(call, error.event):
                    assert command == HangUp("second-leg")


def test_caller_is_warned_a_minute_ahead_when_the_money_is_seen_to_end() -> None:
    _, commands = run(*TALKING, MoneyLasts(60), WarningDue(60), SHORT_AT_60)
    assert commands[-3:] == [
        Remind(0, WarningDue(60)),
        CheckMoney(talk_s=60, funded_s=60),
        WarnCaller(60),
    ]


def test_the_card_is_charged_two_minutes_before_the_money_ends_and_nobody_is_warned() -> None:
    schedule = MeteringSchedule(reserve_ahead_s=10, warn_ahead_s=60, refill_ahead_s=120)
    call, _ = run(*TALKING)
    talking = replace(call, funded_s=240, schedule=schedule)
    looked, commands = step(talking, MoneyLasts(300))
    assert commands == (Remind(180, RefillDue(300)),)
    asked, commands = step(looked, RefillDue(300))
    assert commands == (CheckMoney(300, funded_s=240, warns=False),)
    assert not warned(asked)
    assert step(asked, MoneyLasts(300)) == (asked, ())  # once for one end of the money
    assert step(asked, RefillDue(300)) == (asked, ())
    assert step(asked, MoneyLasts(290))[1] == (
        Remind(170, RefillDue(290)),
        Remind(230, WarningDue(290)),
    )


def test_caller_is_not_warned_while_the_next_increment_can_still_be_paid() -> None:
    call, commands = run(*TALKING)
    assert step(call, MoneyLasts(180)) == (call, ())
    assert step(call, MoneyLasts(120)) == (call, (Remind(0, RefillDue(120)),))
    assert WarnCaller(60) not in commands


def test_warning_is_whispered_on_a_channel_of_its_own_that_is_closed_again() -> None:
    _, commands = run(*TALKING, WhisperReady("w"), WhisperFinished("w"))
    assert commands[-3:] == [PlayWhisper("w"), HangUp("w"), SayNext("w")]


def test_warned_caller_is_not_told_of_a_top_up_when_the_warning_stays_true() -> None:
    """Billed by the second: each second is reserved up to the end of which the caller knows."""
    more = [IntervalReserved(interval=n, funded_s=60 + n) for n in range(1, 11)]
    call, commands = run(*TALKING, MoneyShort(left_s=10, talk_s=70), *more)
    assert TellTopUp() not in commands
    assert warned(call)
    _, (*_, later) = run(*TALKING, MoneyShort(left_s=10, talk_s=70), *more, WarningDue(70))
    assert not isinstance(later, CheckMoney)
    _, commands = run(
        *TALKING,
        MoneyShort(left_s=10, talk_s=70),
        *more,
        IntervalReserved(interval=11, funded_s=71),
    )
    assert commands.count(TellTopUp()) == 1


def test_warned_caller_is_told_of_a_top_up() -> None:
    _, commands = run(*TALKING, SHORT_AT_60, IntervalReserved(interval=1, funded_s=120))
    assert TellTopUp() in commands
    _, commands = run(*TALKING, IntervalReserved(interval=1, funded_s=120))
    assert TellTopUp() not in commands


def test_top_up_after_a_refusal_lengthens_the_call() -> None:
    call, commands = run(
        *TALKING,
        IntervalRefused(interval=1, at_talk_s=50),
        IntervalReserved(interval=1, funded_s=120),
        PaidTimeOver(60),
    )
    assert CutOff(LEG) not in commands
    assert call.funded_s == 120
    assert not warned(call)


def test_call_is_cut_off_when_the_last_paid_increment_ends() -> None:
    _, commands = run(*TALKING, IntervalRefused(interval=1, at_talk_s=50), PaidTimeOver(60))
    assert commands[-1] == CutOff(LEG)


def test_repeated_reservation_extends_nothing_twice() -> None:
    reserved = IntervalReserved(interval=1, funded_s=120)
    _, commands = run(*TALKING, reserved, reserved)
    assert commands.count(ExtendTimeout(LEG, 120)) == 1


def test_second_leg_of_a_paid_call_is_hung_up() -> None:
    for second in (LegDialled("leg-2"), answered("leg-2")):
        _, commands = run(*TALKING, second)
        assert commands[-1] == HangUp("leg-2")
    _, commands = run(*TALKING, ended(LEG, talk_ms=1_000), LegDialled("leg-2"))
    assert commands[-1] == HangUp("leg-2")


@pytest.mark.parametrize("state", [State.ANNOUNCING, State.DIALLING, State.TALKING], ids=str)
@pytest.mark.parametrize("name", list(EVERY_EVENT))
def test_no_call_that_holds_a_reservation_ends_without_settling(state: State, name: str) -> None:
    try:
        after, commands = step(example(state), EVERY_EVENT[name])
    except UnexpectedEventError:
        return
    if after.state in {State.ENDED, State.REFUSING, State.PASSED}:
        assert settlements(list(commands))


@pytest.mark.parametrize("state", State, ids=str)
def test_hang_ups_keys_and_late_reminders_are_never_a_defect(state: State) -> None:
    for event in EVERY_EVENT.values():
        if isinstance(event, ChannelEnded | LegFailed | KeyPressed | ReserveDue | PaidTimeOver):
            step(example(state), event)


def test_ended_call_asks_nothing_more_of_the_ledger() -> None:
    after_end = replace(example(State.ENDED), refusal="")
    for event in EVERY_EVENT.values():
        _, commands = step_or_nothing(after_end, event)
        assert not [c for c in commands if isinstance(c, Reserve | Debit | DebitFirst)]


def step_or_nothing(call: Call, event: Event) -> tuple[Call, tuple[Command, ...]]:
    try:
        return step(call, event)
    except UnexpectedEventError:
        return call, ()


def test_the_document_is_the_table() -> None:
    written = Path(__file__).parents[2] / "docs" / "call-flow.md"
    assert written.read_text(encoding="utf-8") == document(), "run `make docs`"


@pytest.mark.parametrize(
    ("state", "hung_up"),
    [
        (State.AUTHORISING, CALLER),
        (State.ANNOUNCING, CALLER),
        (State.REFUSING, CALLER),
        (State.DIALLING, CALLER),
        (State.DIALLING_UNSEEN, CALLER),
        (State.TALKING, LEG),  # what is charged; the caller may have been replaced
        (State.PASSED, None),
        (State.ENDED, None),
    ],
)
def test_a_call_that_somebody_asks_to_hang_up_ends_as_any_other(
    state: State, hung_up: str | None
) -> None:
    call, commands = step(example(state), HangUpRequested())
    assert call == example(state)
    assert commands == (() if hung_up is None else (HangUp(hung_up),))


def test_a_call_that_talks_on_no_leg_is_none() -> None:
    with pytest.raises(UnexpectedEventError):
        step(replace(example(State.TALKING), talk=None), EventsLost())
