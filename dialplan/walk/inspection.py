"""Everything that a dialplan lets a phone do past the gate, with a number that shows it.

Pure: the dialplan, the phones and the numbers to try are given; `tollgate dialplan check` gets them
from the running Asterisk, or from files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from dialplan.office_routes import is_ours
from dialplan.walk import rules
from dialplan.walk.garbage import none_left
from dialplan.walk.lookup import Dialplan, Found
from dialplan.walk.reached import Doubt, Leg, Place, Ran, Start, Walked
from dialplan.walk.rules import Level, Rule
from dialplan.walk.targets import dial_options, targets_of
from dialplan.walk.values import split_arguments
from dialplan.walk.verdict import PAID_MS, Carriers, Tried, every_walk, trunk_faults
from dialplan.walk.walker import Walker

Key = tuple[str, str, int]  # context, extension as written, priority

INJECTED = "nobody-has-this-endpoint"
INJECTION = f"&PJSIP/0@{INJECTED}"
HOOK = "macro-dialout-trunk-predial-hook"  # FreePBX's
DIALS = frozenset({"dial", "retrydial"})
SPIES = frozenset({"chanspy", "extenspy", "spy", "incrementalspy"})
PARKS = frozenset({"park", "parkandannounce", "parkedcall"})
NAMED_MAX = 5


class Result(StrEnum):
    """What is known of one context."""

    GATED = "gated"
    UNGATED = "ungated"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Phones of one office in one context: the dialplan treats them alike."""

    context: str
    phones: tuple[str, ...]  # endpoints
    costs: tuple[str, ...]  # numbers that cost, as dialled there
    emergency: tuple[str, ...]
    carriers: Carriers
    variables: Mapping[str, str] = field(default_factory=dict)  # of the endpoint

    @property
    def who(self) -> str:
        rest = len(self.phones) - NAMED_MAX
        more = f" and {rest} more" if rest > 0 else ""
        return ", ".join(self.phones[:NAMED_MAX]) + more

    def start(self, dialled: str, *, digits: str = "", paid_ms: int = 0) -> Start:
        return Start(
            context=self.context,
            dialled=dialled,
            digits=digits,
            variables=self.variables,
            paid_ms=paid_ms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    rule: Rule
    message: str
    context: str  # the phones'; empty: of none in particular
    key: Key | None = None  # where it is written
    witness: str = ""  # what to dial to see it
    way: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One context, for the phones in it."""

    caller: Caller
    result: Result
    findings: tuple[Finding, ...]


@none_left()
def inspect(walker: Walker, caller: Caller, *, codes: Sequence[str] = ()) -> Inspected:
    """Walk every number that may matter; `codes` are the feature codes."""
    seen = _Seen(walker, caller)
    findings = [
        *_ungated(seen),
        *_unlimited(seen),
        *_emergencies(walker, caller),
        *_unfiltered(seen),
        *_feature_codes(walker.dialplan, caller, codes),
        *_escapes(seen),
        *_doubts(seen),
    ]
    found = {each.rule for each in findings}
    result = Result.GATED
    if rules.CANNOT_TELL in found:
        result = Result.CANNOT_TELL
    if found & {rules.UNGATED, rules.UNGATED_AWAY, rules.UNFILTERED}:
        result = Result.UNGATED
    return Inspected(caller=caller, result=result, findings=tuple(findings))


def past_the_hook(dialplan: Dialplan, trunks: frozenset[str]) -> Iterator[Finding]:
    """Where FreePBX's hook is: every Dial beside it, whoever may get there."""
    if HOOK not in dialplan.contexts:
        return
    for name, context in dialplan.contexts.items():
        if is_ours(name) or name in _SEEN_BY_THE_HOOK:
            continue
        for extension in context.extensions:
            for step in extension.steps:
                if step.application.lower() in DIALS and _names_a_trunk(step.data, trunks):
                    yield Finding(
                        rule=rules.PAST_THE_HOOK,
                        message=f"[{name}] {extension.name},{step.number} dials a trunk"
                        f" without the hook: {step.application}({step.data})",
                        context="",
                        key=(name, extension.name, step.number),
                    )


def worst(findings: Iterable[Finding]) -> Level | None:
    """The heaviest of them."""
    found = {each.rule.level for each in findings}
    return next((level for level in Level if level in found), None)


def written_at(dialplan: Dialplan, place: Place) -> Key | None:
    """Where the priority that a channel takes there is written."""
    for outcome in dialplan.find(place.context, place.extension, place.priority):
        if isinstance(outcome, Found):
            return outcome.context, outcome.extension.name, outcome.step.number
    return None


# --- the rules, one after the other ---------------------------------------------------------------

_SEEN_BY_THE_HOOK = frozenset({"macro-dialout-trunk", "trunk-dial-with-exten"})


class _Seen:
    """Every walk that the rules look at, made once."""

    def __init__(self, walker: Walker, caller: Caller) -> None:
        self.walker = walker
        self.caller = caller
        self.walks: Sequence[Tried] = [*every_walk(walker, caller.start(""), caller.costs)]

    def finding(self, rule: Rule, message: str, leg: Leg, witness: str) -> Finding:
        return Finding(
            rule=rule,
            message=message,
            context=self.caller.context,
            key=written_at(self.walker.dialplan, leg.place),
            witness=witness,
            way=leg.way,
        )


def _ungated(seen: _Seen) -> Iterator[Finding]:
    said: set[tuple[Key | None, bool]] = set()
    for tried in seen.walks:
        for leg in tried.found.legs:
            if not seen.caller.carriers.costs(leg):
                continue
            key = (written_at(seen.walker.dialplan, leg.place), leg.without_application)
            if key in said:
                continue
            said.add(key)
            away = leg.without_application
            witness = tried.witness(leg)
            rule = rules.UNGATED_AWAY if away else rules.UNGATED
            when = " while the application is away" if away else ""
            message = (
                f"nobody pays when {seen.caller.who} dials {witness}{when}:"
                f" {leg.place} dials {_shown(leg)}"
            )
            yield seen.finding(rule, message, leg, witness)


def _unlimited(seen: _Seen) -> Iterator[Finding]:
    """Legs that the application allows: walked on from where it sends the caller."""
    said: set[tuple[Key | None, str]] = set()
    for witness in seen.caller.costs[:1]:
        walked = seen.walker.walk(seen.caller.start(witness, paid_ms=PAID_MS))
        allowed = [leg for leg in walked.legs if leg.authorised and not leg.without_application]
        for fault in trunk_faults(allowed, endpoints=None, paid=True):
            key = (written_at(seen.walker.dialplan, fault.leg.place), fault.why)
            if key not in said:
                said.add(key)
                message = f"{fault.leg.place} dials {_shown(fault.leg)}: {fault.why}"
                yield seen.finding(rules.UNLIMITED, message, fault.leg, witness)


def _emergencies(walker: Walker, caller: Caller) -> Iterator[Finding]:
    wrong: dict[Rule, list[str]] = {}
    for dialled in caller.emergency:
        walked = walker.walk(caller.start(dialled))
        rule = _emergency_fault(walked, caller.carriers)
        if rule is not None:
            wrong.setdefault(rule, []).append(dialled)
    for rule, numbers in wrong.items():
        named = ", ".join(numbers[:NAMED_MAX])
        more = f" and {len(numbers) - NAMED_MAX} more" if len(numbers) > NAMED_MAX else ""
        place = Place(caller.context, numbers[0], 1)
        yield Finding(
            rule=rule,
            message=f"{caller.who} dials {named}{more}: {_UNLIKE_HELP[rule]}",
            context=caller.context,
            key=written_at(walker.dialplan, place),
            witness=numbers[0],
        )


_UNLIKE_HELP = {
    rules.EMERGENCY_GATED: "the call for help waits for the application",
    rules.EMERGENCY_NOWHERE: "the call for help reaches no carrier",
    rules.EMERGENCY_CHANGED: "the call for help is sent on as another number",
}


def _emergency_fault(walked: Walked, carriers: Carriers) -> Rule | None:
    out = [leg for leg in walked.legs if carriers.leaves(leg)]
    if walked.asked:
        return rules.EMERGENCY_GATED
    if not out:
        return rules.EMERGENCY_NOWHERE
    return rules.EMERGENCY_CHANGED if any(map(carriers.costs, out)) else None


def _unfiltered(seen: _Seen) -> Iterator[Finding]:
    """A number with a second one behind it: does the second one get dialled?"""
    said: set[Key | None] = set()
    dialplan = seen.walker.dialplan
    entered: set[tuple[Key, ...]] = set()
    for dialled in dict.fromkeys(tried.dialled for tried in seen.walks):
        witness = dialled + INJECTION
        taken = tuple(
            (found.context, found.extension.name, found.step.number)
            for found in dialplan.find(seen.caller.context, witness, 1)
            if isinstance(found, Found)
        )
        if not taken or taken in entered:
            continue  # one number for each extension that would take it
        entered.add(taken)
        walked = seen.walker.walk(seen.caller.start(witness))
        for leg in walked.legs:
            key = written_at(seen.walker.dialplan, leg.place)
            if INJECTED in leg.resource and key not in said:
                said.add(key)
                message = f"{leg.place.context}: Dial is told whatever {seen.caller.who} sends"
                yield seen.finding(rules.UNFILTERED, message, leg, witness)


def _feature_codes(dialplan: Dialplan, caller: Caller, codes: Sequence[str]) -> Iterator[Finding]:
    for code in codes:
        for outcome in dialplan.find(caller.context, code, 1):
            if isinstance(outcome, Found) and not is_ours(outcome.context):
                written = outcome.extension.name
                yield Finding(
                    rule=rules.FEATURE_CLASH,
                    message=f"{caller.who} dials {code}: [{outcome.context}] {written} answers it",
                    context=caller.context,
                    key=(outcome.context, written, 1),
                    witness=code,
                )


def _escapes(seen: _Seen) -> Iterator[Finding]:
    said: set[tuple[Rule, Key]] = set()
    for tried in seen.walks:
        for ran in tried.found.ran:
            rule = _escape(ran, seen.caller.carriers)
            if rule is None or is_ours(ran.context) or (rule, ran.key) in said:
                continue
            said.add((rule, ran.key))
            yield Finding(
                rule=rule,
                message=f"{ran.place}: {ran.application}({_plain(ran.data)})",
                context=seen.caller.context,
                key=ran.key,
                witness=tried.witness(),
            )


def _escape(ran: Ran, carriers: Carriers) -> Rule | None:
    name = ran.application.lower()
    if name in DIALS:
        options = dial_options([*split_arguments(ran.data), "", "", ""][2])
        leaves = any(
            target.endpoint in carriers.trunks
            or target.technology.upper() not in {"PJSIP", "LOCAL"}
            for target in targets_of(ran.data)
        )
        if leaves and not options.keys().isdisjoint("tT"):
            return rules.TRANSFER
        return rules.PARKING if not options.keys().isdisjoint("kK") else None
    if name == "disa":
        return rules.DISA
    if name in SPIES:
        return rules.SPY
    return rules.PARKING if name in PARKS else None


def _doubts(seen: _Seen) -> Iterator[Finding]:
    said: dict[str, tuple[str, Doubt]] = {}
    for tried in seen.walks:
        for doubt in tried.found.doubts:
            said.setdefault(doubt.why, (tried.witness(), doubt))
    for why, (witness, doubt) in said.items():
        yield Finding(
            rule=rules.CANNOT_TELL,
            message=f"when {seen.caller.who} dials {witness}: {_plain(why)} ({doubt.place})",
            context=seen.caller.context,
            key=written_at(seen.walker.dialplan, doubt.place),
            witness=witness,
        )


def _names_a_trunk(data: str, trunks: frozenset[str]) -> bool:
    first = split_arguments(data)[0]
    return (
        "${OUT_" in first
        or "TDIAL" in first
        or "TRYDIAL" in first
        or any(target.endpoint in trunks for target in targets_of(data))
    )


def _shown(leg: Leg) -> str:
    return _plain(leg.resource)


def _plain(text: str) -> str:
    """What only a call decides is shown as three dots."""
    return text.replace("\uffff", "…")
