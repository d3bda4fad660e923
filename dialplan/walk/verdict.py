"""What a context lets out: every leg to a carrier that nobody pays for, and a number that shows it.

Three results: gated, ungated with its witness, and what cannot be told, with its place and why.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dialplan.office_routes import is_ours
from dialplan.walk.garbage import none_left
from dialplan.walk.lookup import STACK_MAX, Dialplan, Extension, places_of
from dialplan.walk.reached import Doubt, Leg, Start, Walked
from dialplan.walk.values import is_known
from dialplan.walk.walker import Walker

FEW = 8  # witnesses are tried behind every pattern's own digits
WALKS = 800  # or fewer of them, where there are so many patterns that it would be more in all
HEARD_OF_EACH, HEARD_MAX = 4, 40  # numbers that are dialled on where a menu hears them
PREFIX_MAX = 6  # of a pattern's own digits before a number: 9 for a line, 1470 for the caller ID
PAID_MS = 60_000
NOT_ALONE_DIALLED = frozenset({"h", "i", "t", "T", "e", "s", "o", "a", "failed"})

IsPaid = Callable[[str], bool]  # of a number, as a carrier is told it


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """Which legs leave the office."""

    trunks: frozenset[str]  # endpoints of PJSIP
    is_paid: IsPaid

    def leaves(self, leg: Leg) -> bool:
        """A phone that is rung as itself stays; `PJSIP/1001/sip:…` goes wherever that says.

        So does an endpoint of PJSIP that does not exist, which rings nowhere.
        """
        is_pjsip = leg.technology.upper() == "PJSIP"
        return not is_pjsip or bool(leg.number) or leg.endpoint in self.trunks

    def costs(self, leg: Leg) -> bool:
        """A number that cannot be known may be one that costs."""
        return self.leaves(leg) and (not is_known(leg.number) or self.is_paid(leg.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ungated:
    """Dial `witness` in `context`, and `leg` is what nobody pays for."""

    context: str
    witness: str
    leg: Leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    context: str
    witness: str
    doubt: Doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Of one context. No ungated way and nothing unknown: gated."""

    ungated: tuple[Ungated, ...]
    unknown: tuple[Unknown, ...]


@none_left()
def judge(
    walker: Walker,
    context: str,
    witnesses: Sequence[str],
    carriers: Carriers,
    *,
    variables: Mapping[str, str] | None = None,
) -> Judged:
    """Dial the witnesses, and whatever else the context's own patterns suggest.

    The first witness of every Dial and of every doubt is kept.
    """
    ungated: dict[tuple[str, str, int], Ungated] = {}
    unknown: dict[str, Unknown] = {}
    known = frozenset(witnesses)
    start = Start(context=context, dialled="", variables=variables or {})
    for tried in every_walk(walker, start, witnesses):
        for leg in tried.found.legs:
            if carriers.costs(leg):
                key = (leg.place.context, leg.endpoint, leg.place.priority)
                named = Ungated(context=context, witness=tried.witness(leg), leg=leg)
                ungated.setdefault(key, named)
        for doubt in tried.found.doubts:
            if tried.dialled in known:
                told = Unknown(context=context, witness=tried.witness(), doubt=doubt)
                unknown.setdefault(doubt.why, told)
    return Judged(ungated=tuple(ungated.values()), unknown=tuple(unknown.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What becomes of one number, and of what the caller dials on where a menu lets him."""

    dialled: str
    digits: str
    found: Walked

    def witness(self, leg: Leg | None = None) -> str:
        """What to dial to see `leg`; to see anything else, the number is enough."""
        dialled_on = (
            leg is not None
            and self.digits != self.dialled
            and any(place.extension == self.digits for place in leg.way)
        )
        return f"{self.dialled}, then {self.digits}" if dialled_on else self.dialled


def every_walk(walker: Walker, start: Start, witnesses: Sequence[str]) -> Iterator[Tried]:
    """Every number worth trying; where the caller may dial on, every one that is heard there."""
    known = frozenset(witnesses)
    first = witnesses[0] if witnesses else ""
    heard: set[tuple[str, str, int]] = set()
    for dialled in suggested(walker.dialplan, start.context, witnesses):
        digits = dialled if dialled in known else first
        found = walker.walk(replace(start, dialled=dialled, digits=digits))
        yield Tried(dialled=dialled, digits=digits, found=found)
        new = found.hears - heard
        heard |= new
        for more in _heard_on(walker.dialplan, sorted({each[0] for each in new}), witnesses):
            if more != digits:
                found_on = walker.walk(replace(start, dialled=dialled, digits=more))
                yield Tried(dialled=dialled, digits=more, found=found_on)


def _heard_on(
    dialplan: Dialplan, contexts: Collection[str], witnesses: Sequence[str]
) -> Sequence[str]:
    """What a caller may dial on in these contexts: a few of what each of their extensions takes."""
    if not contexts:
        return ()
    few = witnesses[:: max(1, len(witnesses) // FEW)]
    found = dict.fromkeys(few)
    for context in contexts:
        found |= dict.fromkeys(
            number
            for extension in dialled_extensions(dialplan, context)
            for number in [*_taken_by(extension, few)][:HEARD_OF_EACH]
        )
    return [*found][:HEARD_MAX]


# --- what to dial ---------------------------------------------------------------------------------


def suggested(dialplan: Dialplan, context: str, witnesses: Sequence[str]) -> Sequence[str]:
    """The witnesses, and for every extension that can be dialled there, numbers that it takes.

    Ours are left out: they hold nothing but jumps into contexts that the witnesses go through.
    """
    found = dict.fromkeys(witnesses)
    extensions = tuple(dialled_extensions(dialplan, context))
    patterns = sum(extension.pattern.startswith("_") for extension in extensions)
    count = max(1, min(FEW, WALKS // max(1, patterns)))
    few = witnesses[:: max(1, len(witnesses) // count)][:count]
    for extension in extensions:
        found |= dict.fromkeys(_taken_by(extension, few))
    return tuple(found)


def dialled_extensions(dialplan: Dialplan, context: str) -> Iterator[Extension]:
    """Of the context and of everything it includes."""
    seen: set[str] = set()
    waiting = [context]
    while waiting and len(seen) < STACK_MAX:
        name = waiting.pop(0)
        if name in seen or name not in dialplan.contexts:
            continue
        seen.add(name)
        if not is_ours(name):
            yield from dialplan.contexts[name].extensions
        waiting += [include.context for include in dialplan.contexts[name].includes]


def _taken_by(extension: Extension, witnesses: Sequence[str]) -> Iterator[str]:
    pattern = extension.pattern
    if not pattern.startswith("_"):
        if pattern not in NOT_ALONE_DIALLED:
            yield pattern
        return
    allowed = [each for each in places_of(pattern[1:]) if each is not None]
    open_ended = bool(allowed) and allowed[-1] in {".", "!"}
    own = allowed[:-1] if open_ended else allowed
    begins = dict.fromkeys(("".join(map(min, own)), "".join(map(max, own))))
    for begin in begins if len(witnesses) > 1 else [*begins][:1]:
        if not open_ended:
            yield begin
            continue
        if len(own) <= PREFIX_MAX:
            yield from (begin + witness for witness in witnesses)
        for witness in witnesses:
            rest = witness[len(own) :]
            if rest and extension.matches(begin + rest):
                yield begin + rest


# --- the admin's own contexts of trunks -----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong with one Dial of what we send to a trunk."""

    leg: Leg
    why: str


def trunk_faults(
    legs: Iterable[Leg], *, endpoints: frozenset[str] | None, paid: bool, emergency: bool = False
) -> Sequence[Fault]:
    """Every Dial that was reached counts; `endpoints` None: it is not known which there are."""
    found: dict[tuple[str, str, int, str], Fault] = {}
    for leg in legs:
        for why in _wrong(leg, endpoints, paid=paid, emergency=emergency):
            key = (why, leg.endpoint, leg.place.priority, leg.place.context)
            found.setdefault(key, Fault(leg=leg, why=why))
    return tuple(found.values())


def _wrong(
    leg: Leg, endpoints: frozenset[str] | None, *, paid: bool, emergency: bool
) -> Iterator[str]:
    is_pjsip = leg.technology.upper() == "PJSIP"
    if endpoints is not None and is_pjsip and leg.endpoint not in endpoints:
        yield f"there is no endpoint {leg.endpoint}"
    if "i" not in leg.options:
        yield "without the option i the far end can forward the call to a number nobody pays for"
    if emergency and not leg.options.keys().isdisjoint("LS"):
        yield "an emergency call must have no limit (L, S)"
    if paid and not _is_limited(leg):
        yield "it does not end when the paid time is over"


def _is_limited(leg: Leg) -> bool:
    """By L, to no more than was paid for; to nothing after a leg that was answered already."""
    limit = leg.options.get("L", "").partition(":")[0]
    allowed_ms = 0 if leg.after_an_answer else PAID_MS
    return limit.isdigit() and int(limit) <= allowed_ms
