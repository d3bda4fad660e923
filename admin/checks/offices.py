"""Whether each phone is in the dialplan of its own office, and rings nobody of another one."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from admin.checks.asked import OfRunning
from admin.checks.asterisk import RENDER
from admin.checks.findings import Finding, listed, ok, problem, warning
from admin.checks.running import SENT, Running, walker_of
from dialplan.office_routes import context_of, office_of
from dialplan.phones import EXAMPLE, Phone, load_phones
from dialplan.walk.lookup import STACK_MAX, Dialplan
from dialplan.walk.reached import Start, Walked
from dialplan.walk.walker import Walker
from settings import Settings

HELP = "112"  # an emergency number everywhere
NUMBERS_MAX = 40  # an office's phones are dialled alike


@OfRunning
def check_offices(settings: Settings, running: Running) -> Iterator[Finding]:
    phones = load_phones(settings.site.phones_file or EXAMPLE)
    enabled = [phone for phone in phones if phone.enabled]
    found = [
        *judge_contexts(running, enabled, settings),
        *judge_incoming(running, enabled, settings),
    ]
    yield from found or [ok("each phone is in the dialplan of its own office")]


# --- pure -----------------------------------------------------------------------------------------


def judge_contexts(
    running: Running, phones: Sequence[Phone], settings: Settings
) -> Iterator[Finding]:
    """Of phones that one office has in one context one is walked for all."""
    walker = walker_of(running, settings)
    by_endpoint = {phone.endpoint: phone for phone in phones}
    together: dict[tuple[str, str], list[str]] = {}
    for endpoint in running.endpoints:
        phone = by_endpoint.get(endpoint.name)
        if phone is not None and not endpoint.is_trunk:
            together.setdefault((endpoint.context, phone.office), []).append(phone.endpoint)
    for (context, office), endpoints in together.items():
        whose = _whose(walker, context, phones)
        mixed = [*_mixed(whose, context, office, endpoints, several=len(settings.offices) > 1)]
        yield from mixed or _colleagues(walker, context, office, phones)


def judge_incoming(
    running: Running, phones: Sequence[Phone], settings: Settings
) -> Iterator[Finding]:
    """What the carrier delivers for one office's phone must not ring another office's."""
    yield from _given_twice(phones)
    walker = walker_of(running, settings)
    contexts = {each.context for each in running.endpoints if each.is_trunk}
    for context in sorted(contexts & running.dialplan.contexts.keys()):
        for phone in phones:
            for number in phone.incoming:
                found = walker.walk(Start(context=context, dialled=number))
                yield from _crossed(found, context, number, phone.office, phones)


def _given_twice(phones: Sequence[Phone]) -> Iterator[Finding]:
    """The file itself may hold one number once; a plus sign makes it no other one."""
    owners: dict[str, Phone] = {}
    for phone in phones:
        for number in phone.incoming:
            other = owners.setdefault(number.lstrip("+"), phone)
            if other is not phone:
                yield problem(
                    f"the number {number} is incoming for {other.endpoint} and for"
                    f" {phone.endpoint}, once with + and once without: one of them rings",
                    "take it from one of them",
                )


def _whose(walker: Walker, context: str, phones: Sequence[Phone]) -> frozenset[str]:
    """Of which offices it has contexts; empty for those of no office in particular."""
    numbers = dict.fromkeys(phone.number for phone in phones)
    walks = [
        walker.walk(Start(context=context, dialled=dialled))
        for dialled in (HELP, f"00{SENT}", *list(numbers)[:NUMBERS_MAX])
    ]
    entered = {place.context for walked in walks for place in walked.places}
    whose = map(office_of, entered | included_by(walker.dialplan, context))
    return frozenset(office for office in whose if office is not None)


def included_by(dialplan: Dialplan, context: str) -> frozenset[str]:
    """The context, and everything that it includes."""
    seen: set[str] = set()
    waiting = [context]
    while waiting and len(seen) < STACK_MAX:
        name = waiting.pop()
        if name not in seen and name in dialplan.contexts:
            seen.add(name)
            waiting += [include.context for include in dialplan.contexts[name].includes]
    return frozenset(seen)


def _mixed(
    whose: Collection[str], context: str, office: str, endpoints: Sequence[str], *, several: bool
) -> Iterator[Finding]:
    others = sorted({*whose} - {office, ""})
    whole = context_of("", office)
    include = f"`include => {whole}`"
    serves = f"[{context}] serves {listed(endpoints)} of the office {office}"
    if others and office in whose:
        yield problem(
            f"{serves} and has contexts of {listed(others)} too: what is dialled there may be the"
            " other office's",
            f"a context for the phones of each office; in this one {include} alone",
        )
    elif others:
        yield problem(
            f"{serves} and has the contexts of {listed(others)}: that office's emergency numbers,"
            " free numbers and phones",
            f"{include} in a context for the phones of {office}, and context = that one in"
            " pjsip.conf",
        )
    elif several and "" in whose:
        yield warning(
            f"{serves} and has contexts of no office in particular: every office's emergency"
            " numbers connect, and without the application only what is free or included for all of"
            " them",
            f"{include} in its place",
        )


def _colleagues(
    walker: Walker, context: str, office: str, phones: Sequence[Phone]
) -> Iterator[Finding]:
    """Whom numbers ring there; the rings of another office's phone, and what ours lacks."""
    for number in list(dict.fromkeys(phone.number for phone in phones))[:NUMBERS_MAX]:
        found = walker.walk(Start(context=context, dialled=number))
        yield from _crossed(found, context, number, office, phones)
    ours = context_of("phones", office)
    if ours not in included_by(walker.dialplan, context):
        return  # they are dialled in a context of the admin's
    known = {extension.name for extension in walker.dialplan.contexts[ours].extensions}
    lacking = [p.number for p in phones if p.office == office and p.number not in known]
    if lacking:
        yield warning(f"[{ours}] lacks {listed(lacking)}: no colleague can dial them", RENDER)


def _crossed(
    found: Walked, context: str, number: str, office: str, phones: Sequence[Phone]
) -> Iterator[Finding]:
    others: Mapping[str, str] = {p.endpoint: p.office for p in phones if p.office != office}
    plainly = {leg.endpoint for leg in found.legs if leg.technology == "PJSIP" and not leg.number}
    for endpoint in sorted((found.phones | plainly) & others.keys()):
        yield problem(
            f"in [{context}] the number {number} of the office {office} rings {endpoint}, of the"
            f" office {others[endpoint]}",
            "dial by endpoint, in a context of one office: see docs/offices.md",
        )
