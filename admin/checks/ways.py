"""What each phone's context really does: the running Asterisk's dialplan, walked."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from admin.checks.asked import OfRunning
from admin.checks.asterisk import OURS, RENDER
from admin.checks.findings import Finding, listed, ok, problem, warning
from admin.checks.pjsip import Endpoint, phones_of
from admin.checks.running import SENT, Running, walker_of
from assembly.offices import read_offices
from charging.offices import Office
from charging.plan import Category
from charging.unpaid import costs_nothing
from dialplan.contexts import INCLUDED, PAID, paid_extension
from dialplan.office_routes import context_of, is_ours
from dialplan.patterns import emergency_dialled
from dialplan.walk.lookup import Dialplan
from dialplan.walk.reached import Leg, Start, Walked
from dialplan.walk.verdict import PAID_MS, Carriers, Fault, Judged, Ungated, judge, trunk_faults
from dialplan.walk.walker import Walker
from dialplan.witnesses import Witness, witnesses
from settings import Settings

TRUNK = "tollgate-trunk"
NAMED_TRUNK = "TOLLGATE_TRUNK"  # see docs/gate-placement.md
AS_RENDERED = "each Dial as in the file that `tollgate dialplan render` writes"
FIRST = "put `include => tollgate` before every other include, and no number of your own beside it"


@OfRunning
def check_ways(settings: Settings, running: Running) -> Iterator[Finding]:
    """Whatever an admin's own dialplan does before, after and beside ours."""
    offices = read_offices(settings)
    whose = {phone.endpoint: phone.office for phone in phones_of(settings)}
    yield from judge_phones(running, offices, settings, whose)
    yield from judge_transfers(running, settings)


@OfRunning
def check_trunks(settings: Settings, running: Running) -> Iterator[Finding]:
    """The trunks' contexts are their owner's: an option that went missing costs money unseen."""
    yield from judge_trunks(running, settings)


# --- pure -----------------------------------------------------------------------------------------


def judge_phones(
    running: Running, offices: Sequence[Office], settings: Settings, whose: Mapping[str, str]
) -> Iterator[Finding]:
    """Each by the plan of its own office; `whose` has the phones' offices."""
    walker = walker_of(running, settings)
    loaded = OURS in running.dialplan.contexts  # else said by check_loaded
    parties = parties_of(running.endpoints, offices, whose)
    sound = loaded
    for party in parties:
        findings = [*_judge_party(party, walker, running.trunks(), loaded=loaded)]
        sound = sound and not findings
        yield from findings
    if sound and parties:
        tried = {each.dialled for party in parties for each in party.tried}
        contexts = sorted({party.context for party in parties})
        yield ok(f"{len(tried)} numbers and more were tried in {listed(contexts)}: none is free"
                 " that costs, and emergency calls get out")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who is in one context for one office: its phones, or for all of them whoever is not known."""

    context: str
    endpoints: Sequence[Endpoint]
    offices: Sequence[Office]

    @property
    def tried(self) -> Sequence[Witness]:
        return witnesses(self.offices[0].plan, self.offices[0].site)


def parties_of(
    endpoints: Iterable[Endpoint], offices: Sequence[Office], whose: Mapping[str, str]
) -> Sequence[Party]:
    """Alike to the dialplan: of one context, one office, and with the same variables."""
    together: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[Endpoint]] = {}
    for endpoint in endpoints:
        office = whose.get(endpoint.name, "") if len(offices) > 1 else offices[0].id
        given = tuple(sorted(endpoint.variables.items()))
        together.setdefault((endpoint.context, office, given), []).append(endpoint)
    return [
        Party(
            context=context,
            endpoints=alike,
            offices=[each for each in offices if each.id == office] or offices,
        )
        for (context, office, _), alike in together.items()
    ]


def _judge_party(
    party: Party, walker: Walker, trunks: frozenset[str], *, loaded: bool
) -> Iterator[Finding]:
    carriers = Carriers(trunks=trunks, is_paid=lambda sent: not costs_nothing(sent, party.offices))
    judged = judge(
        walker,
        party.context,
        _paid(party.tried),
        carriers,
        variables=party.endpoints[0].variables,
    )
    yield from _said(judged, party.endpoints)
    if loaded and not all(each.is_trunk for each in party.endpoints):
        yield from _emergency(walker, party, carriers)


def judge_transfers(running: Running, settings: Settings) -> Iterator[Finding]:
    allowed = [each.name for each in running.endpoints if each.allow_transfer and not each.is_trunk]
    if allowed and not settings.call.allow_transfer:
        yield warning(
            f"Asterisk lets {listed(allowed)} transfer calls, and the settings do not allow it",
            "allow_transfer = no for them in pjsip.conf; or [call] allow_transfer = true, knowing"
            " that a transfer replaces the party who pays",
        )


def judge_trunks(running: Running, settings: Settings) -> Iterator[Finding]:
    walker = walker_of(running, settings)
    if OURS not in running.dialplan.contexts:
        return  # said by check_loaded
    if TRUNK not in running.dialplan.contexts:
        yield problem(f"Asterisk has no [{TRUNK}]: only emergency calls connect", RENDER)
        return
    found = {  # "": of no office in particular
        name: _trunk_walks(walker, name, _trunks_named(running)) for name in ("", *settings.offices)
    }
    endpoints = frozenset(each.name for each in running.endpoints)
    faults = [fault for walks in found.values() for fault in walks.faults(endpoints)]
    said = {(str(f.leg.place), f.leg.endpoint, f.why): f for f in reversed(faults)}
    for fault in reversed(said.values()):
        yield problem(f"{_dial(fault.leg)}: {fault.why}", AS_RENDERED)
    paid = {name: [*walks.paid] for name, walks in found.items()}
    doubts = {doubt: None for each in paid.values() for walked in each for doubt in walked.doubts}
    for doubt in doubts:
        yield warning(
            f"[{TRUNK}] dials in a way that cannot be followed: {doubt.why} ({doubt.place})",
            "see that each Dial of a paid call has the option L(${TOLLGATE_PAID_MS})",
        )
    nowhere = [name for name, each in paid.items() if not any(walked.legs for walked in each)]
    if nowhere and not doubts:
        names = [name or "no office in particular" for name in nowhere]
        whose = "" if len(nowhere) == len(found) else f" of {listed(names)}"
        yield problem(f"[{TRUNK}] dials nowhere, so no paid call{whose} connects", AS_RENDERED)
    elif not said and not doubts:
        yield ok("Asterisk itself ends a call whose paid time is over")


@dataclass(frozen=True, slots=True, kw_only=True)
class _TrunkWalks:
    """What the trunks' contexts do with one office's calls."""

    paid: Sequence[Walked]
    included: Sequence[Walked]
    emergency: Sequence[Walked]

    def faults(self, endpoints: frozenset[str]) -> Iterator[Fault]:
        for walked in self.paid:
            yield from trunk_faults(walked.legs, endpoints=endpoints, paid=True)
        for walked in self.included:
            yield from trunk_faults(walked.legs, endpoints=endpoints, paid=False)
        for walked in self.emergency:
            yield from trunk_faults(walked.legs, endpoints=endpoints, paid=False, emergency=True)


def _trunks_named(running: Running) -> Collection[str]:
    """What an admin may have named before the gate at the exit; "" where trunks name themselves."""
    steps = [
        step
        for extension in running.dialplan.contexts[TRUNK].extensions
        for step in extension.steps
    ]
    is_named = any(f"${{{NAMED_TRUNK}}}" in step.data for step in steps)
    return sorted(running.trunks()) if is_named else [""]


def _trunk_walks(walker: Walker, office: str, trunks: Collection[str]) -> _TrunkWalks:
    help_ = context_of("emergency", office)

    def walks(context: str, dialled: str) -> Sequence[Walked]:
        given = [{"TOLLGATE_OFFICE": office, NAMED_TRUNK: trunk} for trunk in trunks]
        starts = [Start(context=context, dialled=dialled, variables=each) for each in given]
        return [walker.walk(start) for start in starts]

    return _TrunkWalks(
        paid=walks(PAID, paid_extension(SENT, PAID_MS)),
        included=walks(INCLUDED, SENT),
        emergency=[
            walker.walk(Start(context=help_, dialled=dialled))
            for dialled in _extensions(walker.dialplan, help_)
        ],
    )


def _extensions(dialplan: Dialplan, context: str) -> Sequence[str]:
    known = dialplan.contexts.get(context)
    return [] if known is None else [extension.name for extension in known.extensions]


def _said(judged: Judged, endpoints: Sequence[Endpoint]) -> Iterator[Finding]:
    who = _who(endpoints)
    for ungated in judged.ungated:
        yield problem(_unpaid(ungated, who), FIRST)
    for unknown in judged.unknown:
        yield warning(
            f"what happens when {who} dials {unknown.witness} in [{unknown.context}] cannot be"
            f" told: {unknown.doubt.why} ({unknown.doubt.place})",
            "see for yourself that no trunk is dialled there",
        )


def _unpaid(ungated: Ungated, who: str) -> str:
    away = " while the application is away" if ungated.leg.without_application else ""
    return (
        f"nobody pays when {who} dials {ungated.witness} in [{ungated.context}]{away}:"
        f" {_dial(ungated.leg)}"
    )


def _who(endpoints: Sequence[Endpoint]) -> str:
    if all(each.is_trunk for each in endpoints):
        return f"a caller from outside ({listed([each.name for each in endpoints])})"
    return listed([each.name for each in endpoints if not each.is_trunk])


def _emergency(walker: Walker, party: Party, carriers: Carriers) -> Sequence[Finding]:
    """For every phone's context; the first number that fails, and how many more."""
    wrong: dict[str, list[str]] = {}
    known = _extensions(walker.dialplan, OURS)  # what ours lacks is said by check_dialplan
    for dialled, _ in emergency_dialled(party.offices[0].emergency_sites):
        if dialled not in known or not _is_dialled_so(walker.dialplan, party.context, dialled):
            continue
        found = walker.walk(Start(context=party.context, dialled=dialled))
        out = [leg for leg in found.legs if carriers.leaves(leg)]
        if found.asked:
            wrong.setdefault("is held up by the application", []).append(dialled)
        elif not out:
            wrong.setdefault("reaches no trunk", []).append(dialled)
        elif any(carriers.costs(leg) for leg in out):
            wrong.setdefault("is sent on as another number", []).append(dialled)
    return [
        problem(f"in [{party.context}] the emergency number {listed(numbers)} {why}", FIRST)
        for why, numbers in wrong.items()
    ]


def _is_dialled_so(dialplan: Dialplan, context: str, dialled: str) -> bool:
    """A # behind the number is for phones that send one, and is read by our own contexts alone."""
    if not dialled.endswith("#"):
        return True
    found = dialplan.find(context, dialled.rstrip("#"), 1)
    return any(is_ours(outcome.context) for outcome in found)


def _paid(tried: Sequence[Witness]) -> Sequence[str]:
    wanted = {Category.PAID, Category.BARRED}
    return [witness.dialled for witness in tried if witness.category in wanted]


def _dial(leg: Leg) -> str:
    return f"[{leg.place.context}] priority {leg.place.priority} dials {shown(leg)}"


def shown(leg: Leg) -> str:
    return leg.resource.replace("\uffff", "…")
