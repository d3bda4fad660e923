"""The life of a paid call as a drawing: moments on a line, and what each moved. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from charging.call_price import CallState, state_of
from charging.entries import EntryKind, PostedEntry
from charging.money import Money
from db.one_call import PaidCallLife
from portal.languages import marked

HEIGHT, RAIL = 32, 16
LEFT, RIGHT = 2.0, 98.0  # in hundredths of the width, so that it fits any

_STEPS: Final[Mapping[EntryKind, str]] = {
    EntryKind.RESERVE: marked("Set aside for the time that follows"),
    EntryKind.DEBIT: marked("The time began: what was set aside is charged"),
    EntryKind.SETTLE: marked("Settled: the rest of the price"),
    EntryKind.CORRECT: marked("Corrected: time that had not begun after all"),
    EntryKind.RELEASE: marked("Released: set aside and not used"),
}
AUTHORISED = marked("Dialled")
ANSWERED = marked("Answered: from now on time is charged")
ENDED = marked("Ended")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table."""

    at: datetime
    what: str
    amount: Money | None = None  # signed, as it changes what can be spent; None: it does not
    spent: Money | None = None  # what is charged for good


@dataclass(frozen=True, slots=True)
class Timeline:
    height: int
    rail: int
    start: float
    end: float
    talk: tuple[float, float] | None
    dots: Sequence[float]
    first: datetime
    last: datetime
    steps: Sequence[Step]


def timeline(life: PaidCallLife, now: datetime) -> Timeline:
    call = life.call
    end = call.ended_at or call.settled_at or now
    steps = sorted(_steps(life), key=lambda step: step.at)
    moments = sorted({call.authorised_at, *(step.at for step in steps), end})
    first, last = moments[0], max(moments[-1], end)
    span_s = max(1.0, (last - first).total_seconds())

    def place(at: datetime) -> float:
        return round(LEFT + (at - first).total_seconds() / span_s * (RIGHT - LEFT), 2)

    talk = None if call.answered_at is None else (place(call.answered_at), place(end))
    return Timeline(
        height=HEIGHT,
        rail=RAIL,
        start=LEFT,
        end=RIGHT,
        talk=talk,
        dots=[place(at) for at in moments],
        first=first,
        last=last,
        steps=steps,
    )


def _steps(life: PaidCallLife) -> Iterator[Step]:
    call = life.call
    yield Step(call.authorised_at, AUTHORISED)
    if call.answered_at is not None:
        yield Step(call.answered_at, ANSWERED)
    for posted in life.entries:
        yield _step(posted)
    if call.ended_at is not None and state_of(call) in {CallState.ENDED, CallState.UNANSWERED}:
        yield Step(call.ended_at, ENDED)


def _step(posted: PostedEntry) -> Step:
    entry = posted.entry
    change, spent = 0, 0
    for posting in entry.postings:
        micros = posting.amount.micros
        change += micros if posting.target.endswith(":available") else 0
        change -= micros if posting.source.endswith(":available") else 0
        spent += micros if posting.target == "operator:revenue" else 0
        spent -= micros if posting.source == "operator:revenue" else 0
    currency = entry.postings[0].amount.currency
    return Step(
        at=posted.posted_at,
        what=_STEPS[entry.kind],
        amount=Money(change, currency) if change else None,
        spent=Money(spent, currency) if spent else None,
    )
