"""Prepaid activity: what changed an office's balance, newest first, and the attempts that did not.

A paid call is one row, at the last of its entries in the period that is asked for; what it changed
of the balance in that period is the row's amount. So the opening balance and the amounts of all
rows are the closing balance, for every period. Of a call that lies in it wholly, which is nearly
every one, the amount is its cost.

A page walks entries downwards from a number, as db.history does. Entries never change, so a list
that began at one entry stays the same list, whatever is posted while it is read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    case,
    func,
    not_,
    or_,
    select,
    text,
    union_all,
)

from charging.entries import CALL_KINDS, EntryKind, PostedEntry, extension_actor
from charging.ledger import CallRecord
from charging.money import Money
from charging.unpaid_calls import UnpaidCall
from db.call_lists import REFUSED as REFUSED_OUTCOME
from db.call_lists import UNPAID_CALLS, CursorError, Place, WantedCalls, filters_of, page_of
from db.call_rows import call_of
from db.entry_rows import POSTED, posted_from
from db.history import Wanted, bounds, of_seldom_kinds
from db.models import SELDOM, balances, calls, entries, postings
from db.unpaid_calls import unpaid_call_of

CALL, REFUSED = "call", "refused"
MONEY_KINDS = frozenset(EntryKind) - CALL_KINDS
EVERY_KIND = frozenset({CALL, REFUSED, *MONEY_KINDS})
EXAMINED_MAX = 10_000  # entries of one page
_CHANGES_AT_ONCE = 5_000
_PER_ROW = 5  # entries of a call, debits aside, most often fewer
_BEGINNING, _END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Of a period, whatever else is filtered: opening + money + calls = closing."""

    opening: Money
    money: Mapping[EntryKind, Money]  # of each kind that there was, signed
    calls: Money  # zero or below, but for corrections of earlier calls
    closing: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredSum:
    """Of the rows that a filter lets through, refused attempts aside."""

    calls: int
    amount: Money  # of calls
    money: Money  # of the other rows


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
    first, end = _bounds(reader, office_id, wanted)
    place = cursor or Cursor(top=end, before=end, refused=None)
    period = _Period(office_id, range(first, place.top))
    walk = _walk(reader, period, wanted, limit=limit, before=place.before)
    refused, refused_reached = _refused(reader, office_id, wanted, place, limit=limit)
    return _merged(walk, refused, refused_reached, place, limit=limit, first=first)


def totals(reader: Connection, *, office_id: str, wanted: WantedActivity = EVERYTHING) -> Totals:
    """How the balance came from where it was at the beginning to where it was at the end.

    What calls took is the rest, so that this costs no more in a ledger of a million calls.
    """
    first, end = _bounds(reader, office_id, wanted)
    currency = _currency(reader, office_id)
    opening = Money(_available_before(reader, office_id, first), currency)
    closing = Money(_available_before(reader, office_id, end), currency)
    money = _money_in_period(reader, _Period(office_id, range(first, end)), MONEY_KINDS)
    of_calls = closing - opening
    for amount in money.values():
        of_calls -= Money(amount, currency)
    return Totals(
        opening=opening,
        money={kind: Money(amount, currency) for kind, amount in money.items()},
        calls=of_calls,
        closing=closing,
    )


def filtered_sum(reader: Connection, *, office_id: str, wanted: WantedActivity) -> FilteredSum:
    """Add up what a filter lets through.

    Of a call that lies in the period wholly, its own row says what it took; entries are read only
    of calls that were under way when the period began or ended.
    """
    first, end = _bounds(reader, office_id, wanted)
    currency = _currency(reader, office_id)
    period = _Period(office_id, range(first, end))
    number, micros = 0, 0
    if CALL in wanted.every_kind and period.numbers:
        whole, partly = _calls_in_period(office_id, wanted.calls)
        number, took = reader.execute(whole).one()
        numbers = _numbers_of_calls(reader, period, reader.scalars(partly))
        changes = _changes(reader, period, chain.from_iterable(numbers.values()))
        number += len(numbers)
        micros = sum(changes.values()) - int(took or 0)
    money = _money_in_period(reader, period, wanted.money_kinds)
    return FilteredSum(
        calls=number,
        amount=Money(micros, currency),
        money=Money(sum(money.values()), currency),
    )


# An entry may be posted later than its moment says, where the clock of the one before it was ahead.
_EDGE = timedelta(hours=1)


def _calls_in_period(
    office_id: str, wanted: WantedCalls
) -> tuple[Select[int, int], CompoundSelect[str]]:
    """How many calls lie in the period wholly, and what they took; and the ids of the others.

    No entry is earlier than its call was authorised; so a call that was authorised in the period
    has none before it.
    """
    since, until = wanted.since or _BEGINNING, wanted.until or _END
    of_office = calls.c.office_id == office_id, *filters_of(calls, wanted)
    began_in_it = and_(calls.c.authorised_at >= since, calls.c.authorised_at < until)
    settled_in_it = and_(calls.c.settled_at.is_not(None), calls.c.settled_at < until - _EDGE)
    whole = select(func.count(), func.sum(calls.c.debited_micros)).where(
        *of_office, began_in_it, settled_in_it
    )
    open_at_the_end = select(calls.c.call_id).where(*of_office, began_in_it, not_(settled_in_it))
    open_at_the_beginning = [
        select(calls.c.call_id).where(*of_office, calls.c.authorised_at < since, settled_later)
        for settled_later in (calls.c.settled_at >= since, calls.c.settled_at.is_(None))
    ]
    return whole, union_all(open_at_the_end, *open_at_the_beginning)


# --- the walk --------------------------------------------------------------------------------

# What a posting changed of what can be spent.
_CHANGE = case(
    (postings.c.target == "available", postings.c.micros),
    (postings.c.source == "available", -postings.c.micros),
    else_=0,
)
_AVAILABLE_AFTER = case(
    (postings.c.source == "available", postings.c.source_after_micros),
    else_=postings.c.target_after_micros,
)
_TOUCHES_AVAILABLE = or_(postings.c.source == "available", postings.c.target == "available")
# The number as a sum: from the range of a period SQLite would else infer the same range of postings
# for each entry, and prefer it to the one number.
_OF_ENTRY = and_(
    postings.c.office_id == entries.c.office_id, postings.c.entry_number == entries.c.number + 0
)
_OF_CALL = calls.c.call_id == entries.c.call_id
# What a debit moves was set aside before: it changes nothing that could still be spent.
_NO_DEBIT = entries.c.kind != EntryKind.DEBIT.value


class _Period(NamedTuple):
    office_id: str
    numbers: range

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        return (
            entries.c.office_id == self.office_id,
            entries.c.number >= self.numbers.start,
            entries.c.number < self.numbers.stop,
        )


class _Found(NamedTuple):
    """An entry at which a row stands."""

    number: int
    at: datetime
    call_id: str | None


class _Walk(NamedTuple):
    rows: Sequence[PaidCallRow | MoneyRow]
    reached: int  # the entries from here on were looked at
    reached_at: datetime | None  # when that one was posted; None: the list is at its end


def _bounds(reader: Connection, office_id: str, wanted: WantedActivity) -> tuple[int, int]:
    return bounds(reader, office_id, Wanted(since=wanted.calls.since, until=wanted.calls.until))


def _walk(
    reader: Connection, period: _Period, wanted: WantedActivity, *, limit: int, before: int
) -> _Walk:
    """Rows of the ledger below an entry, and down to which one was looked."""
    found: list[_Found] = []
    of_calls: dict[str, Sequence[int]] = {}
    bottom = max(period.numbers.start, before - EXAMINED_MAX)
    reached = before
    if not wanted.every_kind - {REFUSED}:
        return _Walk((), period.numbers.start, None)
    if CALL not in wanted.every_kind:
        return _walk_money(reader, period, wanted, limit=limit, before=before)
    while len(found) < limit and reached > bottom:
        chunk = _candidates(
            reader, period.office_id, wanted, range(bottom, reached), _PER_ROW * limit
        )
        numbers = _numbers_of_calls(reader, period, {row.call_id for row in chunk if row.call_id})
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


def _walk_money(
    reader: Connection, period: _Period, wanted: WantedActivity, *, limit: int, before: int
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
    found = [_Found(*row) for row in reader.execute(query.order_by(entries.c.number.desc()))]
    return _Walk(_rows(reader, period, found, {}), reached, _moment_of(reader, period, reached))


def _moment_of(reader: Connection, period: _Period, reached: int) -> datetime | None:
    if reached <= period.numbers.start:
        return None
    moment: datetime | None = reader.scalar(
        select(entries.c.posted_at).where(
            entries.c.office_id == period.office_id, entries.c.number == reached
        )
    )
    return moment


def _candidates(
    reader: Connection, office_id: str, wanted: WantedActivity, places: range, count: int
) -> Sequence[_Found]:
    """The next entries downwards at which a row may stand."""
    table, of_calls = _of_calls(wanted.calls)
    conditions = [*_Period(office_id, places).conditions, _NO_DEBIT, *of_calls]
    if wanted.money_kinds != MONEY_KINDS:
        shown = entries.c.kind.in_(sorted({*CALL_KINDS, *wanted.money_kinds}))
        conditions.append(shown)
    query = (
        select(entries.c.number, entries.c.posted_at, entries.c.call_id)
        .select_from(table)
        .where(*conditions)
        .order_by(entries.c.number.desc())
        .limit(count)
    )
    return [_Found(*row) for row in reader.execute(query)]


def _of_calls(wanted: WantedCalls) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """Where entries of calls are read from, and which: a phone is the actor of its entries."""
    of_phone = []
    if wanted.extension is not None:
        of_phone = [entries.c.actor == extension_actor(wanted.extension)]
    of_number = replace(wanted, extension=None)
    if not of_number.of_a_call:
        return entries, of_phone
    return entries.join(calls, _OF_CALL), [*of_phone, *filters_of(calls, of_number)]


def _numbers_of_calls(
    reader: Connection, period: _Period, call_ids: Iterable[str]
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
    _NO_DEBIT,
)


def _changes(reader: Connection, period: _Period, numbers: Iterable[int]) -> Mapping[int, int]:
    """What entries changed of what can be spent."""
    changes: dict[int, int] = {}
    wanted = sorted(numbers)
    for first in range(0, len(wanted), _CHANGES_AT_ONCE):
        query = select(postings.c.entry_number, _CHANGE).where(
            postings.c.office_id == period.office_id,
            postings.c.entry_number.in_(wanted[first : first + _CHANGES_AT_ONCE]),
        )
        for number, change in reader.execute(query):
            changes[number] = changes.get(number, 0) + change
    return changes


def _rows(
    reader: Connection,
    period: _Period,
    found: Sequence[_Found],
    of_calls: Mapping[str, Sequence[int]],
) -> Sequence[PaidCallRow | MoneyRow]:
    if not found:
        return ()
    numbers = [row.number for row in found]
    shown_calls = {row.call_id: of_calls[row.call_id] for row in found if row.call_id}
    changes = _changes(reader, period, chain.from_iterable(shown_calls.values()))
    after = _balances_after(reader, period.office_id, numbers)
    records = _calls(reader, [row.call_id for row in found if row.call_id])
    money_numbers = [row.number for row in found if row.call_id is None]
    posted = {each.number: each for each in _posted(reader, period.office_id, money_numbers)}

    def row_of(row: _Found) -> PaidCallRow | MoneyRow:
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
        select(_AVAILABLE_AFTER)
        .where(postings.c.office_id == entries.c.office_id, below, _TOUCHES_AVAILABLE)
        .order_by(postings.c.entry_number.desc(), postings.c.line.desc())
        .limit(1)
        .correlate(entries)
        .scalar_subquery()
    )


def _balances_after(
    reader: Connection, office_id: str, numbers: Sequence[int]
) -> Mapping[int, Money]:
    currency = _currency(reader, office_id)
    last = _last_available(postings.c.entry_number <= entries.c.number)
    query = select(entries.c.number, last).where(
        entries.c.office_id == office_id, entries.c.number.in_(numbers)
    )
    return {number: Money(micros or 0, currency) for number, micros in reader.execute(query)}


def _available_before(reader: Connection, office_id: str, number: int) -> int:
    query = (
        select(_AVAILABLE_AFTER)
        .where(
            postings.c.office_id == office_id,
            postings.c.entry_number < number,
            _TOUCHES_AVAILABLE,
        )
        .order_by(postings.c.entry_number.desc(), postings.c.line.desc())
        .limit(1)
    )
    return reader.scalar(query) or 0


def _currency(reader: Connection, office_id: str) -> str:
    """Of the office; an office that never had money has none yet."""
    query = select(balances.c.currency).where(balances.c.office_id == office_id).limit(1)
    return reader.scalar(query) or "---"


def _money_in_period(
    reader: Connection, period: _Period, kinds: frozenset[EntryKind]
) -> Mapping[EntryKind, int]:
    """What each kind changed of what can be spent; by an index, one kind after the other."""
    found = {}
    for kind in sorted(kinds):
        values = {
            "office": period.office_id,
            "kind": kind.value,
            "first": period.numbers.start,
            "end": period.numbers.stop,
        }
        micros = reader.scalar(_SUM_OF_KIND, values)
        if micros is not None:
            found[kind] = int(micros)
    return found


_SUM_OF_KIND = (
    select(func.sum(_CHANGE))
    .select_from(entries.join(postings, _OF_ENTRY))
    .where(
        entries.c.office_id == bindparam("office"),
        entries.c.kind == bindparam("kind"),
        # As sums, so that no database walks every number of the period instead of this kind's few.
        entries.c.number + 0 >= bindparam("first"),
        entries.c.number + 0 < bindparam("end"),
        text(SELDOM),  # the condition of the index, without which it is not used
    )
)


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
