"""Prepaid activity: what changed an office's balance, newest first, and the attempts that did not.

A paid call is one row, at the last of its entries in the period that is asked for; what it changed
of the balance in that period is the row's amount. So the opening balance and the amounts of all
rows are the closing balance, for every period. Of a call that lies in it wholly, which is nearly
every one, the amount is its cost.

A page walks entries downwards from a number, as db.history does. Entries never change, so a list
that began at one entry stays the same list, whatever is posted while it is read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Row, select

from charging.entries import CALL_KINDS, EntryKind, PostedEntry
from charging.ledger import CallRecord
from charging.money import Money
from charging.unpaid_calls import UnpaidCall
from db.activity_entries import (
    AVAILABLE_AFTER,
    NO_DEBIT,
    TOUCHES_AVAILABLE,
    Found,
    Period,
    bounds_of,
    changes_of,
    currency_of,
    moments_of,
    numbers_of_calls,
)
from db.call_lists import REFUSED as REFUSED_OUTCOME
from db.call_lists import UNPAID_CALLS, CursorError, Place, WantedCalls, page_of
from db.call_rows import call_of
from db.entry_rows import POSTED, posted_from
from db.filtered_calls import walk_filtered
from db.history import of_seldom_kinds
from db.models import calls, entries, postings
from db.unpaid_calls import unpaid_call_of

CALL, REFUSED = "call", "refused"
MONEY_KINDS = frozenset(EntryKind) - CALL_KINDS
EVERY_KIND = frozenset({CALL, REFUSED, *MONEY_KINDS})
EXAMINED_MAX = 10_000  # entries of one page
_PER_ROW = 5  # entries of a call, debits aside, most often fewer
_AFTER_EVERY_ID = "z"  # in the order of ids, which are hexadecimal
_CURSOR = re.compile(r"(?P<top>[0-9]{1,18})\.(?P<before>[0-9]{1,18})(?:\.(?P<refused>.+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedActivity:
    """Which rows; what is None or empty does not matter. Only calls have a phone and a number."""

    kinds: frozenset[str] = frozenset()
    calls: WantedCalls = field(default_factory=WantedCalls)  # with the period

    @property
    def every_kind(self) -> frozenset[str]:
        kinds = self.kinds or EVERY_KIND
        return kinds & {CALL, REFUSED} if self.calls.of_a_call else kinds

    @property
    def money_kinds(self) -> frozenset[EntryKind]:
        return MONEY_KINDS & self.every_kind


class Cursor(NamedTuple):
    """Where the next page begins: below which entry of which list, and below which attempt."""

    top: int  # the list ends before this entry
    before: int
    refused: Place | None

    def __str__(self) -> str:
        refused = "" if self.refused is None else f".{self.refused}"
        return f"{self.top}.{self.before}{refused}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CursorError."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise CursorError(f"{text[:80]!r} is no place in a list of activity")
        refused = None if found["refused"] is None else Place.parse(found["refused"])
        return cls(int(found["top"]), int(found["before"]), refused)


def moment_of(reader: Connection, office_id: str, cursor: Cursor) -> datetime | None:
    """Down to when the pages before a cursor looked; None: down to the beginning."""
    of_entry = moments_of(reader, office_id, [cursor.before])
    reached = [*of_entry.values(), *([cursor.refused.at] if cursor.refused else [])]
    return max(reached, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidCallRow:
    number: int  # of its last entry in the period
    at: datetime
    call: CallRecord
    amount: Money  # what it changed of the balance in the period
    balance_after: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRow:
    number: int
    at: datetime
    posted: PostedEntry
    amount: Money
    balance_after: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    at: datetime
    call: UnpaidCall


ActivityRow = PaidCallRow | MoneyRow | RefusedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityPage:
    rows: Sequence[ActivityRow]  # newest first
    next: Cursor | None  # None: this was the last page


EVERYTHING = WantedActivity()


def activity(
    reader: Connection,
    *,
    office_id: str,
    limit: int,
    wanted: WantedActivity = EVERYTHING,
    cursor: Cursor | None = None,
) -> ActivityPage:
    """The last rows of an office's activity below a cursor, newest first.

    Args:
        reader: a connection in a transaction.
        office_id: whose activity.
        limit: how many rows at most.
        wanted: which of them. A page may hold fewer and still have a next one.
        cursor: what the page before gave; None: from the newest on.
    """
    first, end = bounds_of(reader, office_id, wanted.calls)
    place = cursor or Cursor(top=end, before=end, refused=None)
    period = Period(office_id, range(first, place.top))
    walk = _walk(reader, period, wanted, limit=limit, before=place.before)
    refused, refused_reached = _refused(reader, office_id, wanted, place, limit=limit)
    return _merged(walk, refused, refused_reached, place, limit=limit, first=first)


# --- the walk --------------------------------------------------------------------------------


class _Walk(NamedTuple):
    rows: Sequence[PaidCallRow | MoneyRow]
    reached: int  # the entries from here on were looked at
    reached_at: datetime | None  # when that one was posted; None: the list is at its end


def _walk(
    reader: Connection, period: Period, wanted: WantedActivity, *, limit: int, before: int
) -> _Walk:
    """Rows of the ledger below an entry, and down to which one was looked."""
    found: list[Found] = []
    of_calls: dict[str, Sequence[int]] = {}
    bottom = max(period.numbers.start, before - EXAMINED_MAX)
    reached = before
    if not wanted.every_kind - {REFUSED}:
        return _Walk((), period.numbers.start, None)
    if CALL not in wanted.every_kind:
        return _walk_money(reader, period, wanted, limit=limit, before=before)
    if wanted.calls.of_a_call:
        return _walk_calls(reader, period, wanted.calls, limit=limit, before=before)
    while len(found) < limit and reached > bottom:
        chunk = _candidates(
            reader, period.office_id, wanted, range(bottom, reached), _PER_ROW * limit
        )
        numbers = numbers_of_calls(reader, period, {row.call_id for row in chunk if row.call_id})
        of_calls |= numbers
        here = [
            row for row in chunk if row.call_id is None or numbers[row.call_id][-1] == row.number
        ]
        found += here[: limit - len(found)]
        whole_chunk = len(chunk) < _PER_ROW * limit
        reached = bottom if whole_chunk else chunk[-1].number
    if len(found) == limit:
        reached = found[-1].number
    rows = _rows(reader, period, found, of_calls)
    return _Walk(rows, reached, _moment_of(reader, period, reached))


def _walk_calls(
    reader: Connection, period: Period, wanted: WantedCalls, *, limit: int, before: int
) -> _Walk:
    walked = walk_filtered(reader, period, wanted, limit=limit, before=before)
    rows = _rows(reader, period, walked.found, walked.of_calls)
    return _Walk(rows, walked.reached, _moment_of(reader, period, walked.reached))


def _walk_money(
    reader: Connection, period: Period, wanted: WantedActivity, *, limit: int, before: int
) -> _Walk:
    numbers, reached = of_seldom_kinds(
        reader,
        period.office_id,
        wanted.money_kinds,
        limit=limit,
        places=range(period.numbers.start, before),
    )
    query = select(entries.c.number, entries.c.posted_at, entries.c.call_id).where(
        entries.c.office_id == period.office_id, entries.c.number.in_(numbers)
    )
    found = [Found(*row) for row in reader.execute(query.order_by(entries.c.number.desc()))]
    return _Walk(_rows(reader, period, found, {}), reached, _moment_of(reader, period, reached))


def _moment_of(reader: Connection, period: Period, reached: int) -> datetime | None:
    if reached <= period.numbers.start:
        return None
    return moments_of(reader, period.office_id, [reached])[reached]


def _candidates(
    reader: Connection, office_id: str, wanted: WantedActivity, places: range, count: int
) -> Sequence[Found]:
    """The next entries downwards at which a row may stand."""
    conditions = [*Period(office_id, places).conditions, NO_DEBIT]
    if wanted.money_kinds != MONEY_KINDS:
        shown = entries.c.kind.in_(sorted({*CALL_KINDS, *wanted.money_kinds}))
        conditions.append(shown)
    query = (
        select(entries.c.number, entries.c.posted_at, entries.c.call_id)
        .where(*conditions)
        .order_by(entries.c.number.desc())
        .limit(count)
    )
    return [Found(*row) for row in reader.execute(query)]


def _rows(
    reader: Connection,
    period: Period,
    found: Sequence[Found],
    of_calls: Mapping[str, Sequence[int]],
) -> Sequence[PaidCallRow | MoneyRow]:
    if not found:
        return ()
    numbers = [row.number for row in found]
    shown_calls = {row.call_id: of_calls[row.call_id] for row in found if row.call_id}
    changes = changes_of(reader, period, chain.from_iterable(shown_calls.values()))
    after = _balances_after(reader, period.office_id, numbers)
    records = _calls(reader, [row.call_id for row in found if row.call_id])
    money_numbers = [row.number for row in found if row.call_id is None]
    posted = {each.number: each for each in _posted(reader, period.office_id, money_numbers)}

    def row_of(row: Found) -> PaidCallRow | MoneyRow:
        balance = after[row.number]
        if row.call_id is None:
            entry = posted[row.number]
            amount = Money(_change_of(entry), balance.currency)
            return MoneyRow(
                number=row.number, at=row.at, posted=entry, amount=amount, balance_after=balance
            )
        return PaidCallRow(
            number=row.number,
            at=row.at,
            call=records[row.call_id],
            amount=Money(sum(changes[n] for n in shown_calls[row.call_id]), balance.currency),
            balance_after=balance,
        )

    return [row_of(row) for row in found]


def _calls(reader: Connection, call_ids: Sequence[str]) -> Mapping[str, CallRecord]:
    rows = reader.execute(select(calls).where(calls.c.call_id.in_(call_ids))) if call_ids else ()
    return {row.call_id: call_of(row) for row in rows}


def _posted(reader: Connection, office_id: str, numbers: Sequence[int]) -> list[PostedEntry]:
    if not numbers:
        return []
    query = POSTED.where(entries.c.office_id == office_id, entries.c.number.in_(numbers))
    return posted_from(reader.execute(query).all())


def _change_of(posted: PostedEntry) -> int:
    change = 0
    for posting in posted.entry.postings:
        change += posting.amount.micros if posting.target.endswith(":available") else 0
        change -= posting.amount.micros if posting.source.endswith(":available") else 0
    return change


# --- balances --------------------------------------------------------------------------------


def _last_available(below: ColumnElement[bool]) -> Any:
    """What the last posting left that changed what can be spent."""
    return (
        select(AVAILABLE_AFTER)
        .where(postings.c.office_id == entries.c.office_id, below, TOUCHES_AVAILABLE)
        .order_by(postings.c.entry_number.desc(), postings.c.line.desc())
        .limit(1)
        .correlate(entries)
        .scalar_subquery()
    )


def _balances_after(
    reader: Connection, office_id: str, numbers: Sequence[int]
) -> Mapping[int, Money]:
    currency = currency_of(reader, office_id)
    last = _last_available(postings.c.entry_number <= entries.c.number)
    query = select(entries.c.number, last).where(
        entries.c.office_id == office_id, entries.c.number.in_(numbers)
    )
    return {number: Money(micros or 0, currency) for number, micros in reader.execute(query)}


# --- refused attempts, and both together -----------------------------------------------------


def _refused(
    reader: Connection, office_id: str, wanted: WantedActivity, place: Cursor, *, limit: int
) -> tuple[Sequence[RefusedRow], Place | None]:
    if REFUSED not in wanted.every_kind:
        return (), None
    only = replace(wanted.calls, outcomes=frozenset({REFUSED_OUTCOME}))
    rows, reached = page_of(
        reader, UNPAID_CALLS, office_id, only, limit=limit, before=place.refused
    )
    return [_refused_row(row) for row in rows], reached


def _refused_row(row: Row[Any]) -> RefusedRow:
    call = unpaid_call_of(row)
    return RefusedRow(at=call.started_at, call=call)


def _merged(  # noqa: PLR0913 - two lists and how far each was looked at
    walk: _Walk,
    refused: Sequence[RefusedRow],
    refused_reached: Place | None,
    place: Cursor,
    *,
    limit: int,
    first: int,
) -> ActivityPage:
    """In the order of time, no further down than both lists were looked at."""
    oldest = [at for at in (walk.reached_at, refused_reached and refused_reached.at) if at]
    shown_from = max(oldest, default=None)
    rows: list[ActivityRow] = [
        row for row in _by_time(walk.rows, refused) if shown_from is None or row.at >= shown_from
    ]
    shown = rows[:limit]
    ledger_shown = [row for row in shown if not isinstance(row, RefusedRow)]
    all_ledger = len(ledger_shown) == len(walk.rows)
    all_refused = len(shown) - len(ledger_shown) == len(refused)
    if all_ledger and all_refused and walk.reached_at is None and refused_reached is None:
        return ActivityPage(rows=shown, next=None)
    before = ledger_shown[-1].number if ledger_shown else place.before
    if all_ledger:
        before = max(walk.reached, first)
    below = [p for p in (place.refused, *map(_place_of, shown)) if p is not None]
    if all_refused and refused_reached is not None:
        below.append(refused_reached)
    refused_from = min(below, default=None)
    return ActivityPage(rows=shown, next=Cursor(place.top, before, refused_from))


def _place_of(row: ActivityRow) -> Place:
    """An attempt that is told of late does not come before what has been shown."""
    return Place(row.at, row.call.call_id if isinstance(row, RefusedRow) else _AFTER_EVERY_ID)


def _by_time(
    ledger: Sequence[PaidCallRow | MoneyRow], refused: Sequence[RefusedRow]
) -> Iterator[ActivityRow]:
    """Each list keeps its own order."""
    waiting = list(reversed(refused))
    for row in ledger:
        while waiting and waiting[-1].at > row.at:
            yield waiting.pop()
        yield row
    yield from reversed(waiting)
