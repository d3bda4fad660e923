"""What the doctor says of when legs are given up, and of a dialplan that Asterisk has not read."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from admin.checks.findings import Status
from admin.checks.loaded import check_loaded, judge_loaded
from admin.checks.trunks import (
    Dialled,
    Limits,
    check_dead_legs,
    dialled_in,
    judge_limits,
    judge_options,
    limits_of,
)
from assembly.routes import own_asterisk
from dialplan.render import rendered_dialplan
from settings import Settings
from tests.admin.asterisk_stand_in import SOUND, AsteriskStandIn, running
from tests.admin.conftest import Site
from tests.dialplan.walk.text import dialplan, listed

OK, WARNING, PROBLEM = Status.OK, Status.WARNING, Status.PROBLEM
OURS = "".join(rendered_dialplan(own_asterisk(Settings())).values())
DIALLED = Dialled(paid=("trunk",), emergency=(("emergency", "trunk"),))
Fields = Mapping[str, Mapping[str, str]]


def said(changes: Fields, settings: Settings | None = None) -> Sequence[tuple[Status, str]]:
    """Of sound endpoints with these changes."""
    names = [*SOUND, *(name for name in changes if name not in SOUND)]
    fields = {name: {**SOUND.get(name, {}), **changes.get(name, {})} for name in names}
    endpoints = {
        name: limits_of(given) for name, given in fields.items() if given.get("type") != "gone"
    }
    found = list(judge_limits(endpoints, DIALLED, settings or Settings(), {"1001"}))
    assert all(each.remedy for each in found)
    return [(each.status, each.message) for each in found]


def test_endpoints_as_they_are_rendered_are_sound() -> None:
    assert said({}) == []
    assert dialled_in(dialplan(OURS)) == DIALLED


def test_endpoints_are_found_however_an_admin_dials_them() -> None:
    text = """
[tollgate-trunk]
exten => s,1,Dial(PJSIP/${TOLLGATE_DIAL}@first&PJSIP/second/sip:${TOLLGATE_DIAL}@192.0.2.1,60,gi)
exten => s,n,Dial(PJSIP/${FILTER(0-9,${TOLLGATE_DIAL})}@third.example,60,gi)
"""
    found = dialled_in(dialplan(text))
    assert found.paid == ("first", "second", "third.example")
    assert found.emergency == ()


@pytest.mark.parametrize(
    ("name", "fields", "status", "message"),
    [
        ("emergency", {"rtp_timeout": "30"}, PROBLEM, "cut after 30 s without sound"),
        ("emergency", {"rtp_timeout_hold": "300"}, PROBLEM, "cut after 300 s without sound"),
        ("emergency", {"timers": "always"}, PROBLEM, "an emergency call, which dials [emergency]"),
        ("emergency", {"timers": "required"}, PROBLEM, "timers = required"),
        ("emergency", {"timers": "yes"}, WARNING, "refuses to refresh the session"),
        ("trunk", {"timers": "always"}, PROBLEM, "[trunk] has timers = always"),
        ("trunk", {"timers": "required"}, PROBLEM, "[trunk] has timers = required"),
        ("trunk", {"rtp_timeout": "0"}, WARNING, "nothing ends a leg to [trunk] whose BYE is lost"),
        ("trunk", {"rtp_timeout": "20"}, WARNING, "after 20 s without sound, and the settings say"),
        ("1001", {"timers": "always"}, PROBLEM, "calls of 1001 are cut, emergency calls too"),
        ("1001", {"rtp_timeout": "60"}, WARNING, "when the phone sends no sound for 60 s"),
    ],
)
def test_a_limit_that_cuts_a_good_call_or_lets_a_dead_one_live_is_named(
    name: str, fields: Mapping[str, str], status: Status, message: str
) -> None:
    ((found, text),) = said({name: fields})
    assert found is status
    assert message in text


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("trunk", {"timers": "yes"}),
        ("1001", {"rtp_timeout": "600"}),
        ("1001", {"rtp_timeout": "900", "timers": "yes"}),
    ],
)
def test_what_an_admin_may_choose_is_well(name: str, fields: Mapping[str, str]) -> None:
    assert said({name: fields}) == []


def test_emergency_calls_that_share_the_trunk_are_told_its_limits() -> None:
    ((status, message),) = said({"emergency": {"type": "gone"}})
    assert status is PROBLEM
    assert message.startswith("an emergency call, which dials [trunk], is cut after 60 s")


def test_every_office_s_emergency_calls_are_looked_at() -> None:
    text = """
[tollgate-emergency-trunk]
exten => s,1,GotoIf($["${TOLLGATE_OFFICE}" = "lyon"]?lyon,1)
exten => s,2,Dial(PJSIP/${ARG1}@emergency,,i)
exten => lyon,1,Dial(PJSIP/${ARG1}@french,,i)
"""
    dialled = dialled_in(dialplan(text))
    assert dialled.emergency == (("french",), ("emergency",))
    limits = {name: Limits(rtp_timeout_s=0, rtp_timeout_hold_s=0, timers="no") for name in SOUND}
    limits["french"] = Limits(rtp_timeout_s=9, rtp_timeout_hold_s=0, timers="no")
    (found,) = [
        finding
        for finding in judge_limits(limits, dialled, Settings(), ())
        if finding.status is PROBLEM
    ]
    assert found.message.startswith("an emergency call, which dials [french], is cut after 9 s")


def test_a_trunk_without_sound_is_settled_in_the_settings() -> None:
    timers = {"trunk": {"rtp_timeout": "0", "timers": "yes"}}
    silent = Settings.model_validate({"trunks": {"trunk": {"rtp_timeout_s": 0, "timers": "yes"}}})
    assert said(timers, silent) == []
    assert [status for status, _ in said(timers)] == [WARNING]
    nothing = {"trunk": {"rtp_timeout": "0", "timers": "no"}}
    assert [status for status, _ in said(nothing, silent)] == [WARNING]


def test_every_trunk_of_the_settings_is_looked_at() -> None:
    settings = Settings.model_validate({"trunks": {"other": {"rtp_timeout_s": 30}}})
    ((status, message),) = said({"other": {"rtp_timeout": "31", "timers": "no"}}, settings)
    assert status is WARNING
    assert "a leg to [other] ends after 31 s" in message


def test_options_that_keep_ringing_or_the_carriers_words_from_the_caller_are_named() -> None:
    assert list(judge_options(dialplan(OURS))) == []
    text = """
[tollgate-trunk]
exten => s,1,Dial(PJSIP/${TOLLGATE_DIAL}@trunk,60,grL(${TOLLGATE_PAID_MS}))
exten => s,n,Dial(PJSIP/${TOLLGATE_DIAL}@trunk,60,giA(rm)L(${TOLLGATE_PAID_MS}))
[tollgate-emergency-trunk]
exten => s,1,Dial(PJSIP/${ARG1}@emergency,,iI)
exten => s,n,Dial(PJSIP/${ARG1}@trunk,,m(ring)i)
"""
    found = list(judge_options(dialplan(text)))
    assert {each.status for each in found} == {WARNING}
    assert [each.message.split(":")[0] for each in found] == [
        "a Dial of [tollgate-trunk] has the option r",
        "a Dial of [tollgate-emergency-trunk] has the option I",
        "a Dial of [tollgate-emergency-trunk] has the option m",
    ]
    assert all(each.remedy for each in found)


def test_a_dialplan_that_was_not_read_is_told_with_what_helps_then() -> None:
    assert judge_loaded(running=True, known=True).status is OK
    assert judge_loaded(running=False, known=True).status is OK  # a dialplan in AEL
    unread = judge_loaded(running=False, known=False)
    assert unread.status is PROBLEM
    assert "module load pbx_config.so" in unread.remedy
    assert "reload" not in unread.remedy  # there is no such command then
    without = judge_loaded(running=True, known=False)
    assert without.status is PROBLEM
    assert "dialplan reload" in without.remedy


async def test_asterisk_is_asked_for_both(site: Site) -> None:
    asterisk = AsteriskStandIn(
        listing=listed(OURS), endpoints=SOUND, dialplan={"tollgate-emergency": frozenset({"999"})}
    )
    async with running(asterisk):
        site.add(asterisk.settings)
        for check in (check_dead_legs, check_loaded):
            assert [status for status, _ in await asyncio.to_thread(site.said, check)] == [OK]
        asterisk.dialplan, asterisk.modules = {}, {"pbx_config.so": "Not Running"}
        ((status, message),) = await asyncio.to_thread(site.said, check_loaded)
    assert status is PROBLEM
    assert "pbx_config.so is not running" in message
