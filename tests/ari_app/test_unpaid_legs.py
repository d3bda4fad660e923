"""Included and free calls, told from Asterisk's log of legs."""

import json
from collections.abc import Sequence

import pytest

from ari_app.unpaid_legs import OPEN_MAX_MS, LegAttempt, LegAttempts

CALLER, LEG = "pbx-1795667115.660", "pbx-1795667115.662"
NUMBER = "442079460000"
BEGAN_S = 1_795_667_115

Event = dict[str, str]


def event(kind: str, channel: str, name: str, at_s: float, **fields: str) -> Event:
    return {
        "eventtype": kind,
        "eventtime": f"{BEGAN_S + at_s:.3f}",
        "uniqueid": channel,
        "linkedid": CALLER,
        "channame": name,
        "eventextra": "",
        "appdata": "",
        "dnid": "",
    } | fields


def dialled(at_s: float = 0, *, to: str = f"PJSIP/{NUMBER}@trunk,60,gi", **more: str) -> Event:
    fields = {"appdata": to, "dnid": "02079460000"} | more
    return event("APP_START", CALLER, "PJSIP/1001-00000294", at_s, **fields)


def answered(at_s: float, leg: str = LEG, **more: str) -> Event:
    fields = {"appdata": "(Outgoing Line)"} | more
    return event("ANSWER", leg, "PJSIP/trunk-00000296", at_s, **fields)


def ended(channel: str, at_s: float, cause: int = 16) -> Event:
    extra = json.dumps({"hangupcause": cause, "dialstatus": ""})
    return event("HANGUP", channel, "PJSIP/trunk-00000296", at_s, eventextra=extra)


def attempts_in(
    *events: Event, costs_nothing: bool = True
) -> tuple[LegAttempts, Sequence[LegAttempt]]:
    attempts = LegAttempts({"trunk", "second"}, lambda _: costs_nothing)
    return attempts, [over for each in events if (over := attempts.note(each)) is not None]


def ms(at_s: float) -> int:
    return round(1000 * (BEGAN_S + at_s))


def test_an_answered_call_is_over_with_its_leg() -> None:
    _, (call,) = attempts_in(dialled(), answered(2), ended(LEG, 9.5), ended(CALLER, 9.6))
    assert (call.endpoint, call.dialled, call.sent) == ("1001", "02079460000", NUMBER)
    assert (call.at_ms, call.answered_ms, call.ended_ms) == (ms(0), ms(2), ms(9.5))
    assert (call.leg, call.hangup_cause) == (LEG, 16)


def test_an_unanswered_call_is_over_with_its_caller_and_says_why() -> None:
    _, (call,) = attempts_in(dialled(), ended("pbx-leg", 3, 17), ended(CALLER, 3.1, 17))
    assert (call.answered_ms, call.ended_ms, call.hangup_cause) == (None, ms(3.1), 17)


def test_a_call_that_was_transferred_is_over_with_its_leg_and_not_its_caller() -> None:
    _, (call,) = attempts_in(dialled(), answered(1), ended(CALLER, 5), ended(LEG, 60))
    assert call.ended_ms == ms(60)


def test_a_failover_to_another_trunk_is_the_same_call() -> None:
    second = dialled(1, to=f"PJSIP/{NUMBER}@second")
    _, found = attempts_in(dialled(), second, answered(2), ended(LEG, 3))
    assert [(call.at_ms, call.answered_ms) for call in found] == [(ms(0), ms(2))]


def test_another_number_of_the_same_caller_is_another_call() -> None:
    other = dialled(5, to="PJSIP/442079461111@trunk")
    _, found = attempts_in(dialled(), answered(1), other, ended(CALLER, 9))
    assert [(call.sent, call.ended_ms) for call in found] == [
        (NUMBER, ms(5)),
        ("442079461111", ms(9)),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [dialled(to="PJSIP/1002/sip:1002@192.0.2.9,60,i"), ended(CALLER, 2)],  # another phone
        [dialled(to="PJSIP/999@emergency,,i"), ended(CALLER, 2)],
        [dialled(to="Local/5@office"), ended(CALLER, 2)],
        [dialled(to=""), {}, {"eventtype": "HANGUP"}, dialled(eventtime="inf")],
        [answered(1), ended(LEG, 2)],
        [dialled(), answered(1, dnid="5001"), {"eventtype": "HANGUP", "eventextra": "{"}],
    ],
)
def test_what_is_no_call_over_a_trunk_is_none(events: Sequence[Event]) -> None:
    assert not attempts_in(*events)[1]


def test_what_costs_something_is_not_followed() -> None:
    attempts, found = attempts_in(dialled(), ended(CALLER, 2), costs_nothing=False)
    assert not found
    assert attempts.position_ms == ms(2)


def test_the_log_is_read_again_from_the_oldest_call_that_goes_on() -> None:
    attempts, _ = attempts_in(dialled(), answered(2), event("HANGUP", "other", "x", 50))
    assert attempts.position_ms == ms(0)
    attempts.note(ended(LEG, 60))
    assert attempts.position_ms == ms(60)


def test_a_call_whose_end_was_never_written_is_given_up_after_a_day() -> None:
    attempts, _ = attempts_in(dialled(), answered(2))
    assert [*attempts.lost()] == []
    attempts.note(event("HANGUP", "other", "x", OPEN_MAX_MS / 1000 + 1))
    (lost,) = attempts.lost()
    assert (lost.answered_ms, lost.ended_ms) == (ms(2), None)
    assert [*attempts.lost()] == []


def refused_by_the_dialplan(cause: int = 34, source: str = "dialplan/builtin") -> Event:
    extra = json.dumps({"hangupcause": cause, "hangupsource": source, "dialstatus": ""})
    fields = {"eventextra": extra, "dnid": "0033612345678"}
    return event("HANGUP", CALLER, "PJSIP/1001-00000294", 6, **fields)


def test_who_was_told_that_the_application_is_away_was_refused() -> None:
    _, (refused,) = attempts_in(refused_by_the_dialplan())
    assert (refused.is_refused, refused.endpoint) == (True, "1001")
    assert (refused.dialled, refused.at_ms, refused.ended_ms) == ("0033612345678", ms(6), ms(6))


@pytest.mark.parametrize(
    "events",
    [
        [refused_by_the_dialplan(cause=21)],  # the application refused, and has told of it
        [refused_by_the_dialplan(source="PJSIP/1001-00000294")],  # the caller gave up
        [dialled(to="PJSIP/1002/sip:1002@192.0.2.9"), refused_by_the_dialplan()],  # a phone rang
        [{**refused_by_the_dialplan(), "dnid": ""}],
        [{**refused_by_the_dialplan(), "channame": "Local/5@office-00000001;2"}],
    ],
)
def test_whoever_else_did_not_get_through_was_not_refused(events: Sequence[Event]) -> None:
    assert not attempts_in(*events)[1]
