"""The judge: what the carrier saw against what the ledger says. Pure.

Never our own tables against each other: the carrier's log is written by another program.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from charging.ledger import CallRecord
from lab.carrier import CarrierCall
from trials.numbers import TrialNumber

CLOCKS_MAY_DIFFER_S = 0.05  # the carrier's second and Asterisk's, at the edge of an increment
OUTLIVES_BY_S = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    answered: int
    unanswered: int
    increments: int
    problems: tuple[str, ...]


def judge(
    carrier: Iterable[CarrierCall], ledger: Iterable[CallRecord], *, asterisk_died: bool = False
) -> Verdict:
    """Compare every call. The numbers are unique, so a number names a call on both sides.

    `asterisk_died`: a call's last moments may be on nobody's record but the carrier's, so it may
    be charged for less than it talked, and never for more.
    """
    recorded = {call.number: call for call in ledger}
    seen = list(carrier)
    problems = [*_twice(seen)]
    problems += [p for call in seen for p in _problems(call, recorded, lenient=asterisk_died)]
    problems += _charged_without_a_call(recorded, {call.dialled for call in seen if call.answered})
    return Verdict(
        answered=sum(call.answered for call in seen),
        unanswered=sum(not call.answered for call in seen),
        increments=sum(call.debited_intervals for call in recorded.values()),
        problems=tuple(problems),
    )


def _problems(
    call: CarrierCall, recorded: Mapping[str, CallRecord], *, lenient: bool
) -> Iterator[str]:
    record = recorded.get(call.dialled)
    if record is None:
        yield f"{call.dialled}: reached the carrier and is not in the ledger"
        return
    if record.settled_at is None:
        yield f"{call.dialled}: its reservation is still open"
        return
    if not call.ended:
        if not lenient:  # a carrier whose partner died without a word waits for it
            yield f"{call.dialled}: is still up at the carrier"
        return
    number = TrialNumber(call.dialled)
    charged, rest = divmod(record.debited.micros, number.increment_micros)
    due = increments_due(call.talk_s, number.increment_s)
    wrong = charged > max(due) if lenient else charged not in due
    if rest or wrong:
        yield (
            f"{call.dialled}: {call.talk_s:.3f} s at the carrier, {charged} increments of"
            f" {number.increment_s} s charged"
        )
    paid_s = charged * number.increment_s
    if call.answered and not lenient and call.talk_s > paid_s + OUTLIVES_BY_S:
        yield f"{call.dialled}: talked {call.talk_s:.3f} s and {paid_s} s were paid"


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
