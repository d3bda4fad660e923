"""Nothing of ours is entered in the middle, whatever an admin's own dialplan includes of it.

Asterisk looks up (extension, next priority) afresh across includes, so an extension of the admin's
that ends early goes on with the next priority of whatever else matches.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from charging.numbering import Site
from dialplan.office_routes import OfficeRoutes, context_of
from dialplan.patterns import DirectPattern, emergency_dialled
from dialplan.phones import Phone
from dialplan.render import AsteriskConfig, rendered, rendered_dialplan
from tests.dialplan.test_render import config
from tests.dialplan.written import Context, contexts, includable, matches

# The phones' context, the one that an admin includes, and the carrier's.
ENTERED = (
    *("office.main", "office.lyon", "tollgate.main", "tollgate.lyon", "tollgate", "from-trunk"),
    *("tollgate-exit.main", "tollgate-exit.lyon", "tollgate-exit"),
)
# Where a number is looked up once more, when nothing but its digits is left: they only include.
LOOKED_UP = frozenset({"tollgate-number", "tollgate-number.main", "tollgate-number.lyon"})
# Asterisk looks for these by itself, in the context in which a caller happens to be.
SPECIAL = ("a", "e", "failed", "fax", "h", "i", "o", "s", "t", "T", "talk")
JUMP = re.compile(r"(?P<context>[\w.-]+),(?P<extension>[^,]+|\$\{FILTER\(\+0-9,\$\{EXTEN\}\)\}),1")
FILTERED = "${FILTER(+0-9,${EXTEN})}"


def everything() -> AsteriskConfig:
    """A configuration in which every loop of the dialplan has something to write."""
    main = OfficeRoutes(
        name="main",
        emergency=emergency_dialled([Site(country="GB", outside_line_prefix="9")]),
        free=(DirectPattern(pattern="_0800!", strip=1, prepend="44"), DirectPattern(pattern="101")),
        fallback=(DirectPattern(pattern="_020XXXXXXXX", strip=1, prepend="44"),),
    )
    phone = Phone(endpoint="lyon-1", number="1001", name="Lyon", office="lyon")
    lyon = replace(main, name="lyon", emergency=emergency_dialled([Site(country="FR")]))
    return replace(
        config(),
        offices=(main, lyon),
        phones=(*config().phones, phone),
        secrets=replace(config().secrets, phones=dict.fromkeys(("1001", "1002", "lyon-1"), "x")),
        features=(("*80", "balance"), ("*83", "language")),
        balance_script=Path("/opt/tollgate/agi/balance_script.py"),
        allow_transfer=True,
    )


def own_asterisks(site: AsteriskConfig) -> str:
    return "".join(rendered_dialplan(site).values())


DIALPLANS = {
    "ours": contexts(rendered(everything())["extensions.conf"]),
    "an admin's": contexts(own_asterisks(everything())),
}
dialplans = pytest.mark.parametrize("dialplan", DIALPLANS.values(), ids=DIALPLANS.keys())


def jumps(application: str, data: str) -> Iterator[str]:
    """Where a line leads; a GotoIf leads somewhere both ways, or it would go on with priority 2."""
    if application == "Goto":
        yield data
        return
    assert application == "GotoIf", f"{application} goes on with priority 2"
    _condition, _, both = data.rpartition("?")
    ways = both.split(":")
    assert len(ways) == 2, data
    yield from ways


@dialplans
def test_every_context_that_can_be_included_holds_one_priority(
    dialplan: Mapping[str, Context],
) -> None:
    entered = includable(dialplan, ENTERED)
    assert len(entered) > 4
    assert sum(len(dialplan[name].lines) for name in entered) > 20
    for name in entered:
        extensions = [line.extension for line in dialplan[name].lines]
        assert len(extensions) == len(set(extensions)), name
        assert {line.priority for line in dialplan[name].lines} <= {"1"}, name


@dialplans
def test_its_one_priority_always_leads_to_a_context_that_nobody_includes(
    dialplan: Mapping[str, Context],
) -> None:
    entered = includable(dialplan, ENTERED)
    for name in entered:
        for line in dialplan[name].lines:
            for jump in jumps(line.application, line.data):
                target = JUMP.fullmatch(jump)
                assert target, f"[{name}] {line.data}"
                assert target["context"] in dialplan.keys() - entered
                known = [each.extension for each in dialplan[target["context"]].lines]
                wanted = target["extension"]
                same = line.extension.replace("(", "")  # which no filtered number has
                assert (same if wanted == FILTERED else wanted) in known


@dialplans
def test_no_target_of_a_jump_is_included_by_any_context(dialplan: Mapping[str, Context]) -> None:
    entered = includable(dialplan, ENTERED)
    targets = {
        match
        for context in dialplan.values()
        for line in context.lines
        if line.application in {"Goto", "GotoIf", "Gosub", "Set"}
        for match in re.findall(r"(?:^|[?:]|_SUB=)(tollgate-[\w.-]+),", line.data)
    }
    assert len(targets) > 8
    assert not targets & entered
    for name in dialplan.keys() - entered - LOOKED_UP:
        assert not dialplan[name].includes, f"[{name}] takes part in no lookup but its own"


@dialplans
def test_digits_of_a_written_number_are_looked_up_in_contexts_of_one_priority(
    dialplan: Mapping[str, Context],
) -> None:
    for name in LOOKED_UP:
        assert not dialplan[name].lines
        assert set(dialplan[name].includes) <= includable(dialplan, ENTERED)
        assert dialplan[name].includes[0] == f"tollgate-emergency{name[len('tollgate-number') :]}"
        assert all(name not in context.includes for context in dialplan.values())


@dialplans
@pytest.mark.parametrize("extension", SPECIAL)
def test_what_asterisk_itself_looks_for_is_never_found_in_ours(
    dialplan: Mapping[str, Context], extension: str
) -> None:
    for name in includable(dialplan, ENTERED):
        for line in dialplan[name].lines:
            assert not matches(line.extension, extension), f"[{name}] {line.extension}"


@pytest.mark.parametrize(
    "dialled", ["abc", "fly", "tea", "tx", "5&PJSIP/x@trunk", "*8", "~~", "ff"]
)
def test_what_is_no_number_is_still_told_so(dialled: str) -> None:
    patterns = [line.extension for line in DIALPLANS["ours"]["tollgate-unknown"].lines]
    assert any(matches(pattern, dialled) for pattern in patterns)


@dialplans
@pytest.mark.parametrize("office", ["main", "lyon", ""])
def test_nothing_but_the_trunk_stands_between_a_caller_and_help(
    dialplan: Mapping[str, Context], office: str
) -> None:
    """No application, no variable of a phone's, nothing that could fail."""
    entered, placed = context_of("emergency", office), context_of("emergency-call", office)
    sent = {line.extension: line for line in dialplan[placed].lines}
    assert dialplan[entered].lines
    for line in dialplan[entered].lines:
        assert line.application == "Goto"
        context, number, priority = line.data.split(",")
        assert (context, priority) == (placed, "1")
        assert number in sent
    steps = [(each.application, each.data) for each in dialplan[placed].lines]
    assert steps == [
        step
        for number in sent
        for step in (
            ("Set", f"TOLLGATE_OFFICE={office}"),
            # For Dial, when it has dialled.
            ("Set", "CONNECTED_LINE_SEND_SUB=tollgate-ringing,s,1"),
            ("Gosub", f"tollgate-emergency-trunk,s,1({number})"),
            ("Goto", "tollgate-not-answered,s,1"),
        )
    ]


def test_reader_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="what is"):
        contexts("[a]\nswitch => Realtime/x\n")
    with pytest.raises(ValueError, match="what does"):
        contexts("[a]\nexten => 1,1,Hangup\n")
