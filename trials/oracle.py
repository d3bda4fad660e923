"""The judge: what carrier and callers saw against what the ledger says. Pure.

Never our own tables against each other: the carrier's and the callers' logs are written by another
program, and what was heard by the laboratory's own ears.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from charging.ledger import CallRecord
from lab.caller import PlacedCall
from lab.carrier import CarrierCall
from lab.ears import Stretch
from lab.instance import Suspension
from trials.numbers import TrialNumber

CLOCKS_MAY_DIFFER_S = 0.05  # the carrier's second and Asterisk's, at the edge of an increment
OUTLIVES_BY_S = 2.0
LATE_GOODBYE_S = 1.0  # a busy machine: between the end of a leg at Asterisk and its BYE here
ENDS_EARLY_BY_S = 0.4  # a timer of SIPp's, and a goodbye on its way
SILENCE_MAX_S = 8.0
READING_S = 0.5  # what ears and logs may be out by
CUT_EARLY_S = 0.15  # Asterisk ends a leg so much before its paid time is over
SHORTEST_PROMPT_S = 1.0
STOP_EDGE_S = 1.0  # a stop of a second is told from none, and so are its edges (docs/adr/0014)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leniency:
    """What a kind of breakage excuses: only what nobody could have known or done then."""

    asterisk_died: bool = False  # a call's last moments are on nobody's record but the carrier's
    less: bool = False  # charged for what is proved, which is less, where the record is marked so
    stops: tuple[Suspension, ...] = ()  # Asterisk did not run: charged for less, and a second more
    paid_time: bool = False  # nobody could lengthen a leg: it ends when its paid time is over
    early_s: float = 0.0  # or so much earlier, where what AMI was told may be read late
    unspoken: bool = False  # who was to speak died, or could not be reached: counted, no more

    @property
    def stopped_s(self) -> float:
        """The longest stop; 0 where there was none."""
        return max((stop.to_s - stop.from_s for stop in self.stops), default=0.0)

    def unproved_s(self, call: CarrierCall) -> float:
        """How much of a call's length lies in stops in which it was answered or ended."""
        if call.answered_at_s is None or call.ended_at_s is None:
            return 0.0
        answered_s, ended_s = call.answered_at_s, call.ended_at_s
        return sum(
            max(0.0, stop.to_s - answered_s) * _is_in(answered_s, stop)
            + max(0.0, ended_s - stop.from_s) * _is_in(ended_s, stop)
            for stop in self.stops
        )


def _is_in(at_s: float, stop: Suspension) -> bool:
    return stop.from_s - STOP_EDGE_S <= at_s <= stop.to_s + STOP_EDGE_S


NONE = Leniency()


@dataclass(frozen=True, slots=True)
class Verdict:
    answered: int
    unanswered: int
    increments: int
    problems: tuple[str, ...]
    unproved: int = 0  # calls that were marked: charged for what is proved
    ended_at_paid_time: int = 0
    unheard: int = 0  # prompts that were due
    longest_silence_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The callers' side of a trial, by what was dialled."""

    placed: Mapping[str, PlacedCall] = field(default_factory=dict)
    heard: Mapping[str, tuple[Stretch, ...]] = field(default_factory=dict)
    wish_s: Mapping[str, float] = field(default_factory=dict)  # how long they would talk


def judge(
    carrier: Iterable[CarrierCall],
    ledger: Iterable[CallRecord],
    callers: Callers | None = None,
    *,
    lenient: Leniency = NONE,
) -> Verdict:
    """Compare every call. The numbers are unique, so a number names a call on every side."""
    recorded = {call.number: call for call in ledger}
    seen = list(carrier)
    callers = Callers() if callers is None else callers
    problems = [*_twice(seen)]
    problems += [p for call in seen for p in _charged(call, recorded, lenient)]
    problems += [p for call in seen for p in _lasted(call, recorded, callers, lenient)]
    problems += _charged_without_a_call(recorded, {call.dialled for call in seen if call.answered})
    at_carrier = {call.dialled: call for call in seen}
    silences = {d: silence_s(placed, callers) for d, placed in callers.placed.items()}
    problems += _waited(silences, lenient)
    unheard = list(_unheard(at_carrier, callers))
    problems += [] if lenient.unspoken else unheard
    return Verdict(
        answered=sum(call.answered for call in seen),
        unanswered=sum(not call.answered for call in seen),
        increments=sum(call.debited_intervals for call in recorded.values()),
        problems=tuple(problems),
        unproved=sum(call.end_unproved is not None for call in recorded.values()),
        ended_at_paid_time=sum(_ended_at_paid_time(call, callers, lenient) for call in seen),
        unheard=len(unheard),
        longest_silence_s=max(silences.values(), default=0.0),
    )


def _charged(
    call: CarrierCall, recorded: Mapping[str, CallRecord], lenient: Leniency
) -> Iterator[str]:
    record = recorded.get(call.dialled)
    if record is None:
        yield f"{call.dialled}: reached the carrier and is not in the ledger"
        return
    if record.settled_at is None:
        yield f"{call.dialled}: its reservation is still open"
        return
    if not call.ended:
        if not lenient.asterisk_died:  # a carrier whose partner died without a word waits for it
            yield f"{call.dialled}: is still up at the carrier"
        return
    if record.end_unproved and not (lenient.less or lenient.asterisk_died or lenient.stopped_s):
        yield f"{call.dialled}: its end is unproved, though all of it was on record"
    number = TrialNumber(call.dialled)
    charged, rest = divmod(record.debited.micros, number.increment_micros)
    if rest or not _right(charged, call, record, number, lenient):
        yield (
            f"{call.dialled}: {call.talk_s:.3f} s at the carrier, {charged} increments of"
            f" {number.increment_s} s charged"
        )
    paid_s = charged * number.increment_s
    less = lenient.asterisk_died or lenient.stopped_s or record.end_unproved
    if call.answered and not less and call.talk_s > paid_s + OUTLIVES_BY_S:
        yield f"{call.dialled}: talked {call.talk_s:.3f} s and {paid_s} s were paid"


def _right(
    charged: int,
    call: CarrierCall,
    record: CallRecord,
    number: TrialNumber,
    lenient: Leniency,
) -> bool:
    due = increments_due(call.talk_s, number.increment_s)
    if lenient.stops and call.answered:
        latest = max(increments_due(call.talk_s + STOP_EDGE_S, number.increment_s))
        earliest_s = max(0.001, call.talk_s - lenient.unproved_s(call) - STOP_EDGE_S)
        return min(increments_due(earliest_s, number.increment_s)) <= charged <= latest
    if lenient.asterisk_died or (lenient.less and record.end_unproved):
        return charged <= max(due)
    return charged_rightly(call, charged, number.increment_s, reserved=record.reserved_intervals)


def charged_rightly(
    call: CarrierCall, charged: int, increment_s: int, *, reserved: int | None = None
) -> bool:
    """Every increment begun, but for one that was begun by a late goodbye of Asterisk's alone."""
    if charged in increments_due(call.talk_s, increment_s):
        return True
    return 0 < charged == reserved and ended_with_its_money(call, charged * increment_s)


def ended_with_its_money(call: CarrierCall, paid_s: float) -> bool:
    """By Asterisk, when what was reserved was used up; its goodbye may be late, and no more."""
    over_s = call.talk_s - paid_s
    return call.ended_by == "office" and -ENDS_EARLY_BY_S < over_s <= LATE_GOODBYE_S


def _lasted(
    call: CarrierCall,
    recorded: Mapping[str, CallRecord],
    callers: Callers,
    lenient: Leniency,
) -> Iterator[str]:
    """As long as caller, carrier and money wanted."""
    wish_s = callers.wish_s.get(call.dialled)
    if wish_s is None or not call.answered or not call.ended or lenient.asterisk_died:
        return
    over_s = OUTLIVES_BY_S + lenient.stopped_s
    if call.talk_s > wish_s + over_s:
        yield f"{call.dialled}: lasted {call.talk_s:.3f} s, and {wish_s:.3f} were wanted"
    if call.talk_s >= wish_s - ENDS_EARLY_BY_S:
        return
    record = recorded.get(call.dialled)
    if lenient.paid_time and _ended_when_it_was_over(call, record, callers, lenient):
        return
    why = "" if record is None else f", {record.reserved_intervals} intervals were reserved"
    yield (
        f"{call.dialled}: was cut after {call.talk_s:.3f} s by the {call.ended_by}, and"
        f" {wish_s:.3f} were wanted{why}"
    )


def _ended_when_it_was_over(
    call: CarrierCall, record: CallRecord | None, callers: Callers, lenient: Leniency
) -> bool:
    """When what was reserved was used up, or what Asterisk had last been told of it."""
    if _ended_at_paid_time(call, callers, lenient):
        return True
    paid_s = TrialNumber(call.dialled).increment_s * (record.reserved_intervals if record else 0)
    return paid_s > 0 and ended_with_its_money(call, paid_s)


def _ended_at_paid_time(call: CarrierCall, callers: Callers, lenient: Leniency) -> bool:
    """By Asterisk, at the end of an increment, before anybody wished it."""
    wish_s = callers.wish_s.get(call.dialled, 0.0)
    if not call.answered or not call.ended or call.talk_s >= wish_s - ENDS_EARLY_BY_S:
        return False
    increment_s = TrialNumber(call.dialled).increment_s
    if lenient.stopped_s:  # and its timers ran only when it ran again
        return call.ended_by == "office" and call.talk_s > increment_s - ENDS_EARLY_BY_S
    into_s = (call.talk_s + CUT_EARLY_S) % increment_s
    at_edge = into_s < ENDS_EARLY_BY_S
    before_it = increment_s - into_s < max(ENDS_EARLY_BY_S, lenient.early_s)
    return call.ended_by == "office" and (at_edge or before_it)


def _waited(silences: Mapping[str, float], lenient: Leniency) -> Iterator[str]:
    if lenient.asterisk_died:
        return
    for dialled, silent_s in silences.items():
        if silent_s > SILENCE_MAX_S + lenient.stopped_s + READING_S:
            yield f"{dialled}: waited {silent_s:.1f} s in silence"


def silence_s(placed: PlacedCall, callers: Callers) -> float:
    """The longest stretch before answer, refusal or end in which a caller heard nothing at all.

    A phone that is told of ringing rings by itself, until the answer.
    """
    until = [placed.answered_at_s, placed.ended_at_s, placed.ringing_at_s]
    end_s = min((at_s for at_s in until if at_s is not None), default=math.inf)
    if end_s == math.inf:
        return 0.0  # it was given up: said where calls are counted
    silent_s, since_s = 0.0, placed.placed_at_s
    for stretch in callers.heard.get(placed.dialled, ()):
        silent_s = max(silent_s, min(stretch.from_s, end_s) - since_s)
        since_s = max(since_s, min(stretch.to_s, end_s))
    return max(silent_s, end_s - since_s)


def _unheard(at_carrier: Mapping[str, CarrierCall], callers: Callers) -> Iterator[str]:
    """The balance before a paid call is dialled, and the reason of a refusal."""
    for dialled, placed in callers.placed.items():
        call = at_carrier.get(dialled.removeprefix("00"))
        refused = placed.refused_with is not None and placed.early_at_s is not None
        if call is None and not refused:
            continue
        until_s = math.inf if call is None else call.invited_at_s + READING_S
        heard = callers.heard.get(dialled, ())
        spoken_s = sum(min(s.to_s, until_s) - s.from_s for s in heard if s.from_s < until_s)
        if spoken_s < SHORTEST_PROMPT_S:
            what = "why it was refused" if call is None else "the balance"
            yield f"{dialled}: heard {spoken_s:.1f} s of {what}"


def increments_due(talk_s: float, increment_s: int) -> set[int]:
    """Every increment begun; both answers where the clocks may differ about the last one."""
    if talk_s == 0:
        return {0}
    edges = (max(0.001, talk_s - CLOCKS_MAY_DIFFER_S), talk_s + CLOCKS_MAY_DIFFER_S)
    return {math.ceil(edge / increment_s) for edge in edges}


def _twice(seen: Iterable[CarrierCall]) -> Iterator[str]:
    counted: dict[str, int] = {}
    for call in seen:
        counted[call.dialled] = counted.get(call.dialled, 0) + 1
    for number, count in counted.items():
        if count > 1:
            yield f"{number}: reached the carrier {count} times"


def _charged_without_a_call(recorded: Mapping[str, CallRecord], answered: set[str]) -> list[str]:
    return [
        f"{number}: {call.debited} charged, and the carrier had no such call"
        for number, call in recorded.items()
        if call.debited.micros and number not in answered
    ]
