"""Small dialplans, and where a number gets to in them; a trial asks Asterisk itself."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from dialplan.walk.lookup import Extension, in_order
from dialplan.walk.reached import Start, Walked
from dialplan.walk.values import UNKNOWN, evaluate, expand
from dialplan.walk.walker import Walker
from tests.dialplan.walk.text import dialplan

NUMBER = "0033612345678"
GATE = """
[tollgate]
exten => _[+0-9]!,1,Goto(tollgate-ask,${EXTEN},1)
[tollgate-ask]
exten => _[+0-9]!,1,Stasis(tollgate,outbound,${CHANNEL(endpoint)},${EXTEN})
exten => _[+0-9]!,n,Hangup(21)
"""


@contextmanager
def collecting_on_request() -> Iterator[None]:
    """With nothing left of what ran before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def walked(text: str, dialled: str = NUMBER, context: str = "office") -> Walked:
    return Walker(dialplan(text)).walk(Start(context=context, dialled=dialled))


def rung(text: str, dialled: str = NUMBER) -> Sequence[str]:
    found = walked(text, dialled)
    assert not found.doubts
    return sorted({leg.resource for leg in found.legs})


def test_phones_are_known_whose_contacts_are_looked_up() -> None:
    text = """
[office]
exten => _1XXX,1,Gosub(ring,s,1(desk-${EXTEN}))
[ring]
exten => s,1,Gosub(tollgate-phone-contacts,s,1(${ARG1}))
exten => s,2,Dial(${GOSUB_RETVAL},20,i)
[tollgate-phone-contacts]
exten => s,1,Return(${PJSIP_AOR(${ARG1},contact)})
"""
    assert walked(text, "1001").phones == {"desk-1001"}
    assert walked(text, "2001").phones == frozenset()


def test_phones_that_are_walked_as_one_may_each_be_the_one_that_a_condition_lets_out() -> None:
    text = """
[office]
exten => _0X.,1,GotoIf($["${CHANNEL(endpoint)}" = "1002"]?out)
exten => _0X.,2,Hangup(21)
exten => _0X.,3(out),Dial(PJSIP/${EXTEN}@trunk)
"""
    assert rung(text) == [f"PJSIP/{NUMBER}@trunk"]


def test_our_gate_alone_lets_nothing_out() -> None:
    found = walked(f"[office]\ninclude => tollgate\n{GATE}")
    assert [str(place) for place in found.asked] == [f"[tollgate-ask] {NUMBER},1"]
    assert not found.legs
    assert not found.doubts


def test_first_include_wins_so_an_outbound_context_before_ours_is_free() -> None:
    out = "[out]\nexten => _0.,1,Dial(PJSIP/${EXTEN}@trunk)\n"
    before = f"[office]\ninclude => out\ninclude => tollgate\n{out}{GATE}"
    after = f"[office]\ninclude => tollgate\ninclude => out\n{out}{GATE}"
    assert rung(before) == [f"PJSIP/{NUMBER}@trunk"]
    assert rung(after) == []


def test_extension_that_ends_early_goes_on_in_the_next_priority_of_another_context() -> None:
    text = """
[office]
exten => 101,1,NoOp()
include => other
[other]
exten => _1XX,1,Hangup()
exten => _1XX,2,Dial(PJSIP/${EXTEN}@trunk)
"""
    assert rung(text, "101") == ["PJSIP/101@trunk"]
    assert rung(text, "102") == []


def test_narrower_pattern_of_one_context_is_tried_first_and_the_wider_one_goes_on() -> None:
    text = """
[office]
exten => _X.,1,Hangup()
exten => _X.,2,Dial(PJSIP/wide@trunk)
exten => _00.,1,Set(X=1)
"""
    assert rung(text) == ["PJSIP/wide@trunk"]


def test_what_is_dialled_after_the_caller_has_hung_up_is_not_sent() -> None:
    text = "[office]\nexten => 5,1,Hangup()\nexten => _[a-z],1,Dial(PJSIP/${EXTEN}@trunk)\n"
    assert rung(text, "5") == []
    assert rung(text, "x") == ["PJSIP/x@trunk"]


def test_labels_are_looked_up_across_includes_as_well() -> None:
    text = """
[office]
exten => _0.,1,Goto(there)
include => other
[other]
exten => _0.,1,Hangup()
exten => _0.,2(there),Dial(PJSIP/x@trunk)
"""
    assert rung(text) == ["PJSIP/x@trunk"]


def test_extension_that_does_not_exist_is_sent_to_i_by_a_goto_and_not_by_a_phone() -> None:
    text = """
[office]
exten => i,1,Dial(PJSIP/${INVALID}x@trunk)
exten => 5,1,Hangup()
exten => 6,1,Goto(7,1)
"""
    assert rung(text, "6") == [f"PJSIP/{UNKNOWN}x@trunk"]
    assert rung(text, "5") == []
    assert rung(text) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GotoIf($[1 = 2]?out:in)", ["PJSIP/in@t"]),
        ("GotoIf($[${LEN(${EXTEN})} > 5]?out:in)", ["PJSIP/out@t"]),
        ("GotoIf($[${CALLERID(num)} = 1]?out:in)", ["PJSIP/in@t", "PJSIP/out@t"]),
        ("GotoIfTime(9:00-17:00,*,*,*?out:in)", ["PJSIP/in@t", "PJSIP/out@t"]),
        ("GosubIf($[1]?sub,s,1(a))", ["PJSIP/a@t", "PJSIP/in@t"]),
        ("Gosub(sub,s,1(${EXTEN:0:2}))", ["PJSIP/00@t", "PJSIP/in@t"]),
        ("ExecIf($[0]?Dial(PJSIP/x@t):Dial(PJSIP/y@t))", ["PJSIP/in@t", "PJSIP/y@t"]),
        ("Macro(old,q)", ["PJSIP/in@t", "PJSIP/q@t"]),
        ("Dial(Local/7@other)", ["PJSIP/7@t", "PJSIP/in@t"]),
        ("Dial(PJSIP/1002&PJSIP/1003,20)", ["PJSIP/1002", "PJSIP/1003", "PJSIP/in@t"]),
        ("Dial(PJSIP/1002,20,gG(other^8^1))", ["PJSIP/1002", "PJSIP/8@t", "PJSIP/in@t"]),
        ("While($[${I} < 3])", ["PJSIP/in@t"]),
        ("Originate(Local/9@other,exten,other,7,1)", ["PJSIP/7@t", "PJSIP/9@t", "PJSIP/in@t"]),
        ("Goto(other,4,1)", ["PJSIP/4@t"]),
        ("Goto(other,${SET(W=${REPLACE(EXTEN,0123,4)}):0:1},1)", ["PJSIP/4@t"]),
        (
            "ExecIf($[${LEN(${SET(W=ab)})} = 2]?Dial(PJSIP/${STRREPLACE(W,a,c)}@t))",
            ["PJSIP/cb@t", "PJSIP/in@t"],
        ),
        (r"GotoIf($[${FIELDQTY(EXTEN,\x33)} = 4]?out:in)", ["PJSIP/out@t"]),
        ("Hangup()", []),
        ("Return()", []),
    ],
)  # fmt: skip
def test_applications_that_say_where_it_goes_on(line: str, expected: Sequence[str]) -> None:
    text = f"""
[office]
exten => _0.,1,{line}
exten => _0.,n(in),Dial(PJSIP/in@t)
exten => _0.,n,Hangup()
exten => _0.,n(out),Dial(PJSIP/out@t)
exten => _0.,n,Hangup()
[sub]
exten => s,1,Dial(PJSIP/${{ARG1}}@t)
exten => s,n,Return()
[macro-old]
exten => s,1,Dial(PJSIP/${{ARG1}}@t)
exten => s,n,MacroExit()
[other]
exten => _X,1,Dial(PJSIP/${{EXTEN}}@t)
exten => _X,n,Hangup()
"""
    assert rung(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "AGI(route.agi)",
        "Queue(sales)",
        "Stasis(other)",
        "Goto(${CALLERID(name)},1,1)",
        "Dial(${CALLERID(name)})",
        "Dial(PJSIP/${CALLERID(name)})",
        "Whatever()",
        "Exec(${CALLERID(name)}(1))",
    ],
)
def test_what_cannot_be_followed_is_a_doubt_with_its_place(line: str) -> None:
    found = walked(f"[office]\nexten => _0.,1,{line}\n")
    assert [str(doubt.place) for doubt in found.doubts] == [f"[office] {NUMBER},1"]


def test_switch_is_a_doubt_and_what_comes_after_is_walked_as_well() -> None:
    text = (
        "[office]\nswitch => Realtime/office\ninclude => b\n[b]\nexten => _0.,1,Dial(PJSIP/1@t)\n"
    )
    found = walked(text)
    assert [doubt.why for doubt in found.doubts] == ["[office] asks the switch Realtime/office"]
    assert [leg.resource for leg in found.legs] == ["PJSIP/1@t"]


def test_include_of_office_hours_is_walked_both_ways() -> None:
    text = """
[office]
include => day,09:00-17:00,mon-fri,*,*
include => night
[day]
exten => _0.,1,Dial(PJSIP/day@t)
[night]
exten => _0.,1,Dial(PJSIP/night@t)
"""
    assert rung(text) == ["PJSIP/day@t", "PJSIP/night@t"]


def test_caller_id_in_an_extension_is_walked_both_ways() -> None:
    text = "[office]\nexten => _0./1001,1,Dial(PJSIP/a@t)\nexten => _0.,1,Dial(PJSIP/b@t)\n"
    assert rung(text) == ["PJSIP/a@t", "PJSIP/b@t"]


def test_loop_that_counts_ends() -> None:
    text = """
[office]
exten => _0.,1,Set(I=0)
exten => _0.,n(again),Set(I=$[${I} + 1])
exten => _0.,n,GotoIf($[${I} < 1000000]?again)
exten => _0.,n,Dial(PJSIP/after@t)
"""
    assert rung(text) == ["PJSIP/after@t"]


def test_application_away_is_told_from_a_gate_that_was_never_met() -> None:
    text = """
[office]
exten => _0.,1,Stasis(tollgate)
exten => _0.,n,Dial(PJSIP/${STASISSTATUS}@t)
"""
    (leg,) = walked(text).legs
    assert leg.without_application
    assert leg.number == "FAILED"


def test_caller_who_may_dial_on_dials_the_number_again() -> None:
    """An IVR in the phones' own context, or DISA, is a way out like any other."""
    out = "[out]\nexten => _0.,1,Dial(PJSIP/${EXTEN}@t)\n"
    for line in ("DISA(no-password,out)", "Background(menu,,,out)", "VoiceMail(1)"):
        context = "out" if line.startswith("Voice") else "office"
        text = f"[{context}]\nexten => 8,1,{line}\n{out if context == 'office' else ''}"
        if context == "out":
            text += "exten => _0.,1,Dial(PJSIP/${EXTEN}@t)\n"
        walker = Walker(dialplan(text))
        found = walker.walk(Start(context=context, dialled="8", digits=NUMBER))
        assert [leg.number for leg in found.legs] == [NUMBER], line


def test_way_to_a_leg_names_every_step() -> None:
    text = """
[office]
exten => _0.,1,Goto(out,9,1)
[out]
exten => 9,1,NoOp()
exten => 9,2,Dial(PJSIP/1@t)
"""
    (leg,) = walked(text).legs
    assert [str(place) for place in leg.way] == [f"[office] {NUMBER},1", "[out] 9,1", "[out] 9,2"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$[1 + 2 * 3]", "7"),
        ('$["" = ""]', "1"),
        ('$["a" != "b" & 1 < 2]', "1"),
        ("$[!1]", "0"),
        ("$[0 | 5]", "5"),
        ('$["${NOBODY_KNOWS}" = "x"]', UNKNOWN),
        ('$["a${NOBODY_KNOWS}" = "b"]', "0"),
        ("$[0 & ${NOBODY_KNOWS}]", "0"),
        ("$[1 ? 2 :: 3]", "2"),
        ("${X:1}", "23456"),
        ("${X:-2}", "56"),
        ("${X:1:2}", "23"),
        ("${X:0:-2}", "1234"),
        ("${NO${X:0:1}}", UNKNOWN),
        ("a${X}b$[1]c", "a123456b1c"),
    ],
)
def test_expressions(text: str, value: str) -> None:
    known = {"X": "123456"}
    assert expand(text, lambda name: known.get(name, UNKNOWN)) == value


def test_expression_that_is_not_understood_is_unknown() -> None:
    assert evaluate('"a" =~ "[a-z"') == UNKNOWN
    assert evaluate("(1") == UNKNOWN


def test_patterns_are_sorted_as_asterisk_sorts_them() -> None:
    """By hand from ext_cmp: exact first, then the smaller set; `.` before `!` before the end."""
    names = ["_X!", "_X.", "_X", "_N", "_[12]", "_1", "2", "10", "1", "_XX", "_Z"]
    ordered = in_order(Extension(name=name, steps=()) for name in names)
    assert [extension.name for extension in ordered] == [
        "1", "10", "2", "_1", "_[12]", "_N", "_Z", "_XX", "_X.", "_X!", "_X",
    ]  # fmt: skip


def test_a_walk_leaves_nothing_that_only_the_garbage_collector_frees() -> None:
    text = """
[office]
exten => _0X.,1,Set(N=${FILTER(0-9,${EXTEN})})
exten => _0X.,2,Gosub(out,s,1(${N}))
exten => _0X.,3,GotoIf($["${DIALSTATUS}" = "BUSY"]?2)
[out]
exten => s,1,Dial(PJSIP/${ARG1}@trunk,20,g)
exten => s,2,Return()
"""
    walker = Walker(dialplan(text))
    start = Start(context="office", dialled=NUMBER)
    with collecting_on_request():
        found = walker.walk(start)
        assert gc.collect() == 0
    assert found.legs
