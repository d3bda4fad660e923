"""Entries of the ledger as activity sees them: what a call's are, and what each changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, or_, select

from charging.entries import EntryKind
from db.call_lists import WantedCalls
from db.history import Wanted, bounds
from db.models import balances, entries, postings

# An entry may be posted later than its moment says, where the clock of the one before it was ahead.
EDGE: Final = timedelta(hours=1)
_AT_ONCE: Final = 5_000  # entries


class Period(NamedTuple):
    office_id: str
    numbers: range

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        return (
            entries.c.office_id == self.office_id,
            entries.c.number >= self.numbers.start,
            entries.c.number < self.numbers.stop,
        )


class Found(NamedTuple):
    """An entry at which a row stands."""

    number: int
    at: datetime
    call_id: str | None


# What a posting changed of what can be spent.
CHANGE = case(
    (postings.c.target == "available", postings.c.micros),
    (postings.c.source == "available", -postings.c.micros),
    else_=0,
)
# What a debit moves was set aside before: it changes nothing that could still be spent.
NO_DEBIT = entries.c.kind != EntryKind.DEBIT.value


def moments_of(
    reader: Connection, office_id: str, numbers: Iterable[int]
) -> Mapping[int, datetime]:
    """When entries were posted; of those that there are."""
    found: dict[int, datetime] = {}
    wanted = sorted(numbers)
    for first in range(0, len(wanted), _AT_ONCE):
        query = select(entries.c.number, entries.c.posted_at).where(
            entries.c.office_id == office_id,
            entries.c.number.in_(wanted[first : first + _AT_ONCE]),
        )
        found.update((number, posted_at) for number, posted_at in reader.execute(query))
    return found


def numbers_of_calls(
    reader: Connection, period: Period, call_ids: Iterable[str]
) -> Mapping[str, Sequence[int]]:
    """Of each call, its entries in the period, debits aside, in their order."""
    found: dict[str, list[int]] = {}
    ids = sorted(call_ids)
    for first in range(0, len(ids), _RANGES):
        some = ids[first : first + _RANGES]
        ranges = {}
        for place in range(_RANGES):
            call_id = some[min(place, len(some) - 1)]
            ranges[f"low_{place}"], ranges[f"high_{place}"] = f"call:{call_id}:", f"call:{call_id};"
        for call_id, number in reader.execute(_IN_RANGES, ranges):
            if number in period.numbers:
                found.setdefault(call_id, []).append(number)
    return {call_id: sorted(numbers) for call_id, numbers in found.items()}


# The name space of a call's keys holds its entries and no others (";" comes after ":"). So many
# calls at once, as plain ranges: a join by an expression tempts both databases to read everything.
_RANGES = 64
_IN_RANGES = select(entries.c.call_id, entries.c.number).where(
    or_(
        *(
            and_(
                entries.c.key > bindparam(f"low_{place}", type_=entries.c.key.type),
                entries.c.key < bindparam(f"high_{place}", type_=entries.c.key.type),
            )
            for place in range(_RANGES)
        )
    ),
    NO_DEBIT,
)


def changes_of(reader: Connection, period: Period, numbers: Iterable[int]) -> Mapping[int, int]:
    """What entries changed of what can be spent."""
    changes: dict[int, int] = {}
    wanted = sorted(numbers)
    for first in range(0, len(wanted), _AT_ONCE):
        query = select(postings.c.entry_number, CHANGE).where(
            postings.c.office_id == period.office_id,
            postings.c.entry_number.in_(wanted[first : first + _AT_ONCE]),
        )
        for number, change in reader.execute(query):
            changes[number] = changes.get(number, 0) + change
    return changes


AVAILABLE_AFTER = case(
    (postings.c.source == "available", postings.c.source_after_micros),
    else_=postings.c.target_after_micros,
)
TOUCHES_AVAILABLE = or_(postings.c.source == "available", postings.c.target == "available")


def bounds_of(reader: Connection, office_id: str, wanted: WantedCalls) -> tuple[int, int]:
    """The first number of the period, and the one after its last."""
    return bounds(reader, office_id, Wanted(since=wanted.since, until=wanted.until))


def currency_of(reader: Connection, office_id: str) -> str:
    """Of the office; an office that never had money has none yet."""
    query = select(balances.c.currency).where(balances.c.office_id == office_id).limit(1)
    return reader.scalar(query) or "---"
