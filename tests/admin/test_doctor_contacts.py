"""What `tollgate doctor` says of phones whose Contact could lead to the carrier."""

from dataclasses import replace

import pytest

from admin.checks.contacts import (
    Registered,
    judge_dials,
    judge_phones,
    plain_dials,
    registered,
    walked_dials,
)
from admin.checks.findings import Status
from admin.checks.pjsip import Endpoint
from admin.checks.running import Running
from assembly.routes import own_asterisk
from dialplan.render import OUR_CONTEXTS, rendered_dialplan
from dialplan.walk.lookup import Context, Dialplan, Extension, Step
from settings import Settings
from tests.dialplan.walk.text import dialplan

SOUND = Registered(limited=True, redirect_method="user", contacts=("sip:1001@192.0.2.7:5060;ob",))


def test_phone_as_it_is_rendered_is_sound() -> None:
    assert list(judge_phones({"1001": SOUND})) == []


@pytest.mark.parametrize(
    ("phone", "said"),
    [
        (replace(SOUND, limited=False), "the phone may register a Contact that has the carrier's"),
        (replace(SOUND, redirect_method="uri_pjsip"), "goes wherever the phone forwards it"),
        (
            replace(SOUND, contacts=("sip:1001@192.0.2.7;maddr=198.51.100.1",)),
            "has registered sip:1001@192.0.2.7;maddr=198.51.100.1,",
        ),
        (replace(SOUND, contacts=("sip:1001@x\u202e",)), r"sip:1001@x\u202e"),
    ],
)
def test_phone_that_could_lead_elsewhere_is_a_problem(phone: Registered, said: str) -> None:
    (found,) = judge_phones({"1001": phone})
    assert found.status is Status.PROBLEM
    assert said in found.message
    assert found.remedy


@pytest.mark.parametrize(
    ("application", "data", "bad"),
    [
        ("Dial", "PJSIP/1001,30", True),
        ("Dial", "PJSIP/1001&PJSIP/1002,30,t", True),
        ("Dial", "PJSIP/${EXTEN},30", True),
        ("Dial", "PJSIP/${EXTEN:1}", True),
        ("Dial", "${PJSIP_DIAL_CONTACTS(1001)},30", True),
        ("Dial", "${GOSUB_RETVAL},30,i", False),
        ("Dial", "PJSIP/${TOLLGATE_DIAL}@trunk,60,gi", False),
        ("Dial", "PJSIP/999@emergency,,i", False),
        ("Dial", "PJSIP/fax,30", False),
        ("NoOp", "PJSIP/1001", False),
    ],
)
def test_dial_of_whatever_a_phone_registered_is_a_problem(
    application: str, data: str, *, bad: bool
) -> None:
    step = Step(number=1, application=application, data=data)
    context = Context(name="internal", extensions=(Extension(name="_1XXX", steps=(step,)),))
    found = list(
        judge_dials(plain_dials(Dialplan(contexts={"internal": context}), {"1001", "1002"}))
    )
    assert [finding.status for finding in found] == ([Status.PROBLEM] if bad else [])
    assert all("[internal] _1XXX" in finding.message for finding in found)


SAFE = "Dial(${GOSUB_RETVAL},20,i)"


@pytest.mark.parametrize(
    ("dial", "bad"),
    [
        ("Dial(PJSIP/${ARG1},20,i)", True),
        ("Set(TO=${ARG1})\nexten => s,n,Dial(PJSIP/${TO}&PJSIP/1001)", True),
        ("Dial(PJSIP/0033142685300@${ARG1})", False),
        (SAFE, False),
    ],
)
def test_phone_that_is_dialled_by_a_variable_is_found_by_walking_there(
    dial: str, *, bad: bool
) -> None:
    text = f"[office]\nexten => _1XXX,1,Gosub(ring,s,1(${{EXTEN}}))\n[ring]\nexten => s,1,{dial}\n"
    phones = [
        Endpoint(name=name, context="office", allow_transfer=False, is_trunk=False)
        for name in ("1001", "1002")
    ]
    found = Running(dialplan=dialplan(text), variables={}, endpoints=phones)
    places = walked_dials(found, Settings(), {"1001", "1002"})
    assert bool(places) is bad
    assert all(place.startswith("[ring] s") for place in places)


@pytest.mark.parametrize(
    ("dial", "places"),
    [
        ("Dial(${GOSUB_RETVAL},20,i)", frozenset()),
        ("Dial(PJSIP/${EXTEN:0},20,i)", frozenset({"[office] 1001"})),
    ],
)
def test_what_we_return_for_a_phone_may_be_dialled_and_the_phone_itself_not(
    dial: str, places: frozenset[str]
) -> None:
    rendered = rendered_dialplan(own_asterisk(Settings()))[OUR_CONTEXTS]
    text = (
        "[office]\nexten => _1XXX,1,Gosub(tollgate-phone-contacts,s,1(${EXTEN}))\n"
        f" same => n,{dial}\n"
    )
    phone = Endpoint(name="1001", context="office", allow_transfer=False, is_trunk=False)
    found = Running(dialplan=dialplan(text + rendered), variables={}, endpoints=[phone])
    assert walked_dials(found, Settings(), {"1001"}) == places


def test_phone_is_judged_by_what_asterisk_has_of_it() -> None:
    fields = {"contact_acl": "deny/permit", "redirect_method": "user"}
    phone = Endpoint(
        name="1001", context="office", allow_transfer=False, is_trunk=False, fields=fields
    )
    assert registered(phone) == Registered(limited=True, redirect_method="user")
    assert registered(replace(phone, contacts=SOUND.contacts)) == SOUND
    assert not registered(replace(phone, fields={"contact_acl": ""})).limited
