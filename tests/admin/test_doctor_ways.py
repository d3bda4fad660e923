"""What the doctor says of dialplans as admins write them, around ours as it is rendered."""

import asyncio
from collections.abc import Sequence

import pytest

from admin.checks.findings import Finding, Status
from admin.checks.pjsip import Endpoint
from admin.checks.running import Running
from admin.checks.ways import check_trunks, check_ways, judge_transfers, judge_trunks
from admin.checks.ways import judge_phones as judge
from admin.doctor import ASTERISK, carry_out
from assembly.offices import read_offices
from assembly.routes import own_asterisk
from dialplan.render import HOOK, Gate, rendered_dialplan
from dialplan.walk.lookup import Dialplan
from lab.freepbx import PHONES, SHAPE
from settings import Settings
from tests.admin.asterisk_stand_in import SOUND, AsteriskStandIn, running
from tests.admin.conftest import Site
from tests.dialplan.walk.text import dialplan, listed, written

(UK,) = read_offices(Settings())
OURS = "".join(rendered_dialplan(own_asterisk(Settings())).values())
OUTBOUND = "exten => _0.,1,Dial(PJSIP/${EXTEN}@trunk)\n"
OFFICE = f"{OURS}\n[office]\ninclude => tollgate\n"
TRANSFER = [Endpoint(name="1001", context="office", allow_transfer=True, is_trunk=False)]


def endpoints(*others: Endpoint) -> Sequence[Endpoint]:
    phone = Endpoint(name="1001", context="office", allow_transfer=False, is_trunk=False)
    trunks = [
        Endpoint(name=name, context="from-trunk", allow_transfer=False, is_trunk=True)
        for name in ("trunk", "emergency")
    ]
    return [phone, *trunks, *others]


def of(text: str, *others: Endpoint, **variables: str) -> Running:
    return Running(dialplan=dialplan(text), variables=variables, endpoints=endpoints(*others))


def said(text: str, **variables: str) -> Sequence[Finding]:
    return list(judge(of(text, **variables), [UK], Settings(), {}))


def problems(text: str, **variables: str) -> Sequence[str]:
    return [f.message for f in said(text, **variables) if f.status is Status.PROBLEM]


def test_include_of_ours_alone_is_sound() -> None:
    (finding,) = said(OFFICE)
    assert finding.status is Status.OK


def test_outbound_context_included_before_ours_is_free() -> None:
    (message,) = problems(
        f"{OURS}\n[out]\n{OUTBOUND}[office]\ninclude => tollgate-emergency\ninclude => out\n"
        "include => tollgate\n"
    )
    assert message.startswith("nobody pays when 1001 dials 0")
    assert "in [office]: [office] priority 1 dials PJSIP/0" in message


@pytest.mark.parametrize(
    "lines",
    [
        "exten => _9X.,1,Dial(PJSIP/${EXTEN:1}@trunk)",
        "exten => _9X.,1,Set(N=${EXTEN:1})\nexten => _9X.,n,Dial(PJSIP/${N}@trunk,60,L(60000))",
        "exten => _00.,1,Gosub(dialout,s,1(${EXTEN}))",
        "exten => _00.,1,Dial(${GLOBAL(OUT)}/${EXTEN})",
        "exten => 700,1,Dial(PJSIP/33142685300@trunk)",
        "exten => 700,1,Dial(PJSIP/1001/sip:0033142685300@203.0.113.1)",
        "exten => 700,1,Dial(DAHDI/g1/0033142685300)",
        "exten => 700,1,Background(menu)\nexten => 700,n,WaitExten(5)\n" + OUTBOUND,
        "exten => 700,1,DISA(no-password,dialout)",
        "exten => _1XX,1,NoOp()\nexten => _1XX,n,NoOp()\nexten => 101,3,Dial(PJSIP/901@trunk)",
        "exten => _0X.,1,Dial(Local/${EXTEN}@dialout)",
        "exten => _0X.,1,Stasis(tollgate)\nexten => _0X.,n,Dial(PJSIP/${EXTEN}@trunk)",
        "exten => _0X.,1,ExecIf($[${CALLERID(num)} = 1]?Goto(dialout,${EXTEN},1))",
    ],
)
def test_own_dial_is_named_with_a_number_that_shows_it(lines: str) -> None:
    text = f"""{OURS}
[dialout]
exten => s,1,Dial(PJSIP/${{ARG1}}@trunk)
exten => s,n,Return()
{OUTBOUND}
[office]
{lines}
include => tollgate
"""
    assert any("nobody pays when 1001 dials" in each for each in problems(text, OUT="PJSIP/trunk"))


def test_own_dial_of_what_costs_nothing_is_no_problem() -> None:
    lines = (
        "exten => _0[12]XXXXXXXXX,1,Dial(PJSIP/${EXTEN}@trunk)\nexten => 1002,1,Dial(PJSIP/1001)"
    )
    assert problems(f"{OFFICE}{lines}\n") == []


def test_what_another_offices_plan_includes_is_paid_for() -> None:
    offices = Settings.model_validate({"offices": {"main": {}, "lyon": {"plan": "france"}}})
    ours = "".join(rendered_dialplan(own_asterisk(offices)).values())
    free = "exten => _0044740XXXXXXX,1,Dial(PJSIP/${EXTEN:2}@trunk)\n"
    text = f"{ours}\n[office]\ninclude => tollgate.main\n{free}[lyon]\ninclude => tollgate.lyon\n"
    phone = Endpoint(name="lyon-1001", context="lyon", allow_transfer=False, is_trunk=False)
    whose = {"1001": "main", "lyon-1001": "lyon"}

    def said_of(text: str) -> Sequence[str]:
        found = judge(of(text, phone), read_offices(offices), offices, whose)
        return [each.message for each in found if each.status is Status.PROBLEM]

    assert said_of(text) == []  # the UK plan includes mobiles of the UK
    (message,) = said_of(f"{text}{free}")
    assert message.startswith("nobody pays when lyon-1001 dials 0044740")
    (message,) = said_of(f"{text}exten => 15,1,Hangup()\n")
    assert message == "in [lyon] the emergency number 15 reaches no trunk"


def test_help_of_the_plans_country_is_tried_where_an_office_stands_in_another() -> None:
    abroad = Settings.model_validate({"offices": {"main": {"plan": "uk", "country": "FR"}}})
    ours = "".join(rendered_dialplan(own_asterisk(abroad)).values())
    office = f"{ours}\n[office]\ninclude => tollgate.main\n"

    def said_of(text: str) -> Sequence[str]:
        found = judge(of(text), read_offices(abroad), abroad, {"1001": "main"})
        return [each.message for each in found if each.status is not Status.OK]

    assert said_of(office) == []
    assert said_of(f"{office}exten => 999,1,Hangup()\n") == [
        "in [office] the emergency number 999 reaches no trunk"
    ]


def test_emergency_number_that_something_else_takes_is_a_problem() -> None:
    assert problems(f"{OFFICE}exten => 999,1,Dial(PJSIP/1001)\n") == [
        "in [office] the emergency number 999 reaches no trunk"
    ]
    (message,) = problems(f"{OURS}\n[office]\ninclude => tollgate-outbound\ninclude => tollgate\n")
    assert "emergency number 112, 18001112," in message
    assert "is held up by the application" in message


def test_what_cannot_be_told_is_a_warning_with_its_place_and_why() -> None:
    (finding,) = said(f"{OFFICE}exten => _00.,1,AGI(route.agi)\n")
    assert finding.status is Status.WARNING
    assert "cannot be told: what the script route.agi does is not known ([office] 00" in (
        finding.message
    )


def of_freepbx(text: str) -> Sequence[str]:
    """What the doctor says of one phone in FreePBX's shape, with our gate in its hook."""
    read = written(f"{OURS}\n{text}{HOOK}{SHAPE.read_text(encoding='utf-8')}")
    phone = Endpoint(name="1001", context=PHONES, allow_transfer=False, is_trunk=False)
    asterisk = Running(
        dialplan=read.dialplan, variables=read.variables, endpoints=[phone, *endpoints()[1:]]
    )
    found = judge(asterisk, [UK], Settings(), {})
    return [each.message for each in found if each.status is not Status.OK]


@pytest.mark.long
def test_freepbx_with_the_gate_in_its_hook_is_sound_and_a_way_past_it_is_named() -> None:
    """Its whole dialplan is walked for every number, which takes some seconds."""
    assert of_freepbx("") == []
    past = "[from-internal-custom]\nexten => _*99X.,1,Dial(PJSIP/${EXTEN:3}@trunk)\n"
    assert any("nobody pays when 1001 dials *99" in each for each in of_freepbx(past))


def test_caller_from_outside_may_not_dial_out() -> None:
    inbound = f"[from-trunk]\nexten => 5001,1,DISA(no-password,out)\n[out]\n{OUTBOUND}"
    (message,) = problems(f"{OFFICE}{inbound}")
    assert message.startswith(
        "nobody pays when a caller from outside (trunk, emergency) dials 5001"
    )


def test_transfers_that_the_settings_do_not_allow_are_told() -> None:
    allowed = Running(dialplan=Dialplan(), variables={}, endpoints=TRANSFER)
    (finding,) = judge_transfers(allowed, Settings())
    assert "lets 1001 transfer calls" in finding.message
    assert not list(
        judge_transfers(allowed, Settings.model_validate({"call": {"allow_transfer": True}}))
    )


# --- the trunks' own contexts ---------------------------------------------------------------------

TRUNK = "[tollgate-trunk]\n"
LIMITED = "Dial(PJSIP/${TOLLGATE_DIAL}@trunk,60,giL(${TOLLGATE_PAID_MS}))"
AGAIN = (
    'Dial(PJSIP/${TOLLGATE_DIAL}@trunk,60,giL(${IF($["${DIALSTATUS}" = "ANSWER"]?0'
    ":${TOLLGATE_PAID_MS})}))"
)
WITHOUT_TRUNK = OURS.replace(OURS[OURS.index(TRUNK) : OURS.index("[tollgate-emergency-trunk]")], "")


def trunks(lines: str) -> Sequence[str]:
    written = "".join(f"exten => s,{n},{line}\n" for n, line in enumerate(lines.split("\n"), 1))
    return wrong(f"{WITHOUT_TRUNK}\n{TRUNK}{written}", Settings())


def test_the_trunk_of_every_office_is_looked_at() -> None:
    lyon = Settings.model_validate({"offices": {"main": {}, "lyon": {"plan": "france"}}})
    theirs = """exten => s,1,GotoIf($["${TOLLGATE_OFFICE}" = "lyon"]?lyon,1)
exten => lyon,1,Dial(PJSIP/${TOLLGATE_DIAL}@trunk,60,gi)
exten => lyon,2,Return()
"""
    sound = f"exten => s,2,{LIMITED}\nexten => s,3,Return()\n"
    text = f"{WITHOUT_TRUNK}\n{TRUNK}{theirs}"
    (message,) = wrong(text + sound, lyon)
    assert message.startswith("[tollgate-trunk] priority 1 dials PJSIP/33142685300@trunk")
    assert message.endswith("it does not end when the paid time is over")
    assert wrong(text.replace(",gi)", ",giL(${TOLLGATE_PAID_MS}))") + sound, lyon) == []
    assert wrong(f"{WITHOUT_TRUNK}\n{TRUNK}{theirs.replace(',gi)', ',giL(1))')}", lyon) == [
        "[tollgate-trunk] dials nowhere, so no paid call of no office in particular, main connects"
    ]


def wrong(text: str, settings: Settings) -> Sequence[str]:
    found = judge_trunks(of(text), settings)
    return [each.message for each in found if each.status is not Status.OK]


def test_trunks_as_rendered_are_sound() -> None:
    (finding,) = judge_trunks(of(OFFICE), Settings())
    assert finding.status is Status.OK


def test_trunk_that_the_admin_names_before_the_gate_at_the_exit_is_each_of_them() -> None:
    ours = "".join(rendered_dialplan(own_asterisk(Settings()), Gate.EXIT).values())
    assert wrong(ours, Settings()) == []
    forgotten = ours.replace("giL(", "gi(")
    said = wrong(forgotten, Settings())
    assert said
    assert all("does not end when the paid time is over" in each for each in said)


def test_sound_trunks_of_an_admins_own() -> None:
    assert trunks(LIMITED) == []
    assert trunks(f"{AGAIN}\n{AGAIN}\nReturn()") == []


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        (f"{AGAIN}\nDial(PJSIP/${{TOLLGATE_DIAL}}@trunk,60,gi)", "does not end when the paid time"),
        (f"{LIMITED}\n{LIMITED}", "does not end when the paid time"),
        (LIMITED.replace("giL", "giS"), "does not end when the paid time"),
        (LIMITED.replace("giL(${TOLLGATE_PAID_MS})", "giL(9000000)"), "does not end when the paid"),
        (LIMITED.replace("giL", "gL"), "without the option i"),
        (LIMITED.replace("@trunk", "@trnk"), "there is no endpoint trnk"),
        ("NoOp()", "[tollgate-trunk] dials nowhere"),
        ("Dial(${CALLERID(name)})", "in a way that cannot be followed"),
    ],
)
def test_every_dial_of_a_paid_call_counts(lines: str, wrong: str) -> None:
    assert any(wrong in each for each in trunks(lines))


def test_emergency_trunk_must_exist_and_have_no_limit() -> None:
    text = OFFICE.replace("@emergency,,i)", "@gone,,L(60000)i)")
    first, second = [each.message for each in judge_trunks(of(text), Settings())]
    assert first.endswith("dials PJSIP/112@gone: there is no endpoint gone")
    assert second.endswith("dials PJSIP/112@gone: an emergency call must have no limit (L, S)")


def test_asterisk_without_our_contexts_is_told_of_elsewhere_and_called_sound_nowhere() -> None:
    running = of("[office]\nexten => 1,1,NoOp()\n")
    assert [*judge_trunks(running, Settings()), *judge(running, [UK], Settings(), {})] == []


def test_office_without_the_trunks_contexts_is_told() -> None:
    (finding,) = judge_trunks(of(OFFICE.replace(TRUNK, "[trunk]\n")), Settings())
    assert "only emergency calls connect" in finding.message


def test_emergency_number_that_ours_lack_is_no_matter_of_the_includes() -> None:
    """It is said once, with what helps: render the contexts again."""
    assert (
        problems(
            OFFICE.replace("exten => 999,1,Goto(tollgate-emergency-call", "exten => 998,1,Goto(x")
        )
        == []
    )


# --- asking Asterisk ------------------------------------------------------------------------------


async def test_what_asterisk_says_of_itself_is_what_is_judged(site: Site) -> None:
    async with running(AsteriskStandIn(listing=listed(OFFICE), endpoints=SOUND)) as asterisk:
        site.add(asterisk.settings)
        for check in (check_ways, check_trunks):
            said = await asyncio.to_thread(site.said, check)
            assert [status for status, _ in said] == [Status.OK], check


async def test_dialplan_is_asked_for_once_by_all_checks_together(site: Site) -> None:
    """It may be a grown one, and Asterisk carries calls meanwhile."""
    async with running(AsteriskStandIn(listing=listed(OFFICE), endpoints=SOUND)) as asterisk:
        site.add(asterisk.settings)
        await asyncio.to_thread(carry_out, ASTERISK, site.settings)
    assert asterisk.whole_dialplans_told == 1


async def test_variable_that_only_a_call_for_help_reads_is_asked_for(site: Site) -> None:
    """`${OUT_${N}}` is named nowhere: only a walk that gets there says which one is read.

    `${PREFIX_${N}}` is empty or not set, which AMI tells alike, and is no unknown number.
    """
    help_ = "\n".join(
        f"exten => {number},1,Set(N=7)\n same => n,"
        f"Dial(${{OUT_${{N}}}}/${{PREFIX_${{N}}}}{number}@trunk,,i)"
        for number in ("112", "999")
    )
    text = f"{OURS}\n[office]\n{help_}\ninclude => tollgate\n"
    asterisk = AsteriskStandIn(listing=listed(text), endpoints=SOUND, variables={"OUT_7": "PJSIP"})
    async with running(asterisk):
        site.add(asterisk.settings)
        said = await asyncio.to_thread(site.said, check_ways)
    assert [status for status, _ in said] == [Status.OK]
