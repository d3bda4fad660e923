"""What the doctor says of two offices on one Asterisk, whose phones have the same numbers."""

from collections.abc import Sequence

import pytest

from admin.checks.findings import Finding, Status
from admin.checks.offices import judge_contexts, judge_incoming
from admin.checks.pjsip import Endpoint
from admin.checks.running import Running
from dialplan.phones import Phone
from dialplan.render import rendered_dialplan
from settings import Settings
from tests.dialplan.test_office_contexts import PHONES, two_offices
from tests.dialplan.walk.text import dialplan

OURS = "".join(rendered_dialplan(two_offices()).values())
OWN = "\n[london]\ninclude => tollgate.london\n[lyon]\ninclude => tollgate.lyon\n"
IN = "[from-trunk]\nexten => 4420,1,Goto(tollgate-ring.london,1001,1)\n"
OFFICES = Settings.model_validate(
    {"offices": {"london": {"plan": "uk"}, "lyon": {"plan": "france"}}}
)
RING = """
[ring]
exten => _1XXX,1,Gosub(tollgate-phone-contacts,s,1(${EXTEN}))
exten => _1XXX,n,Dial(${GOSUB_RETVAL},30,i)
"""


def running(text: str, **contexts: str) -> Running:
    """Of the phones, in the contexts of their offices or in others."""
    wanted = {phone.endpoint: contexts.get(phone.office, phone.office) for phone in PHONES}
    phones = [
        Endpoint(name=name, context=context, allow_transfer=False, is_trunk=False)
        for name, context in wanted.items()
    ]
    trunk = Endpoint(name="trunk", context="from-trunk", allow_transfer=False, is_trunk=True)
    return Running(dialplan=dialplan(text), variables={}, endpoints=[*phones, trunk])


def said(text: str, **contexts: str) -> Sequence[Finding]:
    asterisk = running(text, **contexts)
    return [
        *judge_contexts(asterisk, PHONES, OFFICES),
        *judge_incoming(asterisk, PHONES, OFFICES),
    ]


def only(found: Sequence[Finding], status: Status = Status.PROBLEM) -> str:
    (finding,) = found
    assert finding.status is status
    assert finding.remedy
    return finding.message


def test_each_phone_in_its_own_offices_context_is_sound() -> None:
    assert said(f"{OURS}{OWN}{IN}") == []


def test_phones_in_the_context_of_another_office_are_named() -> None:
    message = only(said(f"{OURS}{OWN}", lyon="london"))
    assert message == (
        "[london] serves lyon-1001, lyon-1002, lyon-1003 of the office lyon and has the contexts of"
        " london: that office's emergency numbers, free numbers and phones"
    )


@pytest.mark.parametrize("part", ["", "-emergency", "-phones", "-free", "-outbound"])
def test_a_part_of_another_offices_contexts_is_named(part: str) -> None:
    mixed = f"[lyon]\ninclude => tollgate.lyon\ninclude => tollgate{part}.london\n"
    message = only(said(f"{OURS}[london]\ninclude => tollgate.london\n{mixed}"))
    assert message.startswith("[lyon] serves lyon-1001,")
    assert "has contexts of london too" in message


def test_a_jump_into_another_offices_context_is_named() -> None:
    text = OWN.replace("[lyon]\n", "[lyon]\nexten => _00.,1,Goto(tollgate.london,${EXTEN},1)\n")
    assert "has contexts of london too" in only(said(f"{OURS}{text}"))


def test_phones_of_which_the_context_does_not_say_whose_they_are_are_a_warning() -> None:
    text = f"{OURS}[london]\ninclude => tollgate.london\n[lyon]\ninclude => tollgate\n"
    assert "contexts of no office in particular" in only(said(text), Status.WARNING)
    one = Settings.model_validate({"offices": {"lyon": {"plan": "france"}}})
    lyon = [phone for phone in PHONES if phone.office == "lyon"]
    assert list(judge_contexts(running(text), lyon, one)) == []


def test_a_number_that_rings_another_offices_phone_is_named() -> None:
    """As where an admin dials by number what has to be dialled by endpoint."""
    mine = "[london]\ninclude => ring\ninclude => tollgate.london\n"
    theirs = "[lyon]\ninclude => ring\ninclude => tollgate.lyon\n"
    first, second = said(f"{OURS}{RING}{mine}{theirs}")
    assert first.message == (
        "in [lyon] the number 1001 of the office lyon rings 1001, of the office london"
    )
    assert "the number 1002" in second.message


def test_a_phone_that_its_contexts_do_not_know_yet_is_a_warning() -> None:
    before = OURS.replace("exten => 1003,1,Goto(tollgate-ring.lyon,1003,1)\n", "")
    assert only(said(before + OWN), Status.WARNING) == (
        "[tollgate-phones.lyon] lacks 1003: no colleague can dial them"
    )
    own = "[london]\ninclude => tollgate.london\n[lyon]\ninclude => tollgate-outbound.lyon\n"
    assert said(before + own) == []  # an admin dials them


def test_a_call_from_outside_that_rings_another_offices_phone_is_named() -> None:
    wrong = IN.replace("tollgate-ring.london", "tollgate-ring.lyon")
    assert only(said(f"{OURS}{OWN}{wrong}")) == (
        "in [from-trunk] the number 4420 of the office london rings lyon-1001, of the office lyon"
    )


def test_an_incoming_number_given_twice_is_named_whatever_it_begins_with() -> None:
    again = Phone(endpoint="2001", number="2001", name="Again", office="lyon", incoming=("+4420",))
    found = judge_incoming(running(f"{OURS}{OWN}"), [*PHONES, again], OFFICES)
    assert only(list(found)) == (
        "the number +4420 is incoming for 1001 and for 2001, once with + and once without: one of"
        " them rings"
    )
