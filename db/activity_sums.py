"""What activity adds up to: of a period, and of the rows that a filter lets through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    text,
)

from charging.entries import EntryKind
from charging.money import Money
from db.activity import CALL, EVERYTHING, MONEY_KINDS, WantedActivity
from db.activity_entries import (
    AVAILABLE_AFTER,
    CHANGE,
    EDGE,
    TOUCHES_AVAILABLE,
    Period,
    bounds_of,
    changes_of,
    currency_of,
    numbers_of_calls,
)
from db.added_up import NO_PAID_CALL, Days, days_where, others, sums_where
from db.call_lists import WantedCalls, filters_of
from db.models import SELDOM, calls, entries, postings
from db.sum_tables import summed_days

_BEGINNING, _END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


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


def totals(reader: Connection, *, office_id: str, wanted: WantedActivity = EVERYTHING) -> Totals:
    """How the balance came from where it was at the beginning to where it was at the end.

    What calls took is the rest, so that this costs no more in a ledger of a million calls.
    """
    first, end = bounds_of(reader, office_id, wanted.calls)
    currency = currency_of(reader, office_id)
    opening = Money(_available_before(reader, office_id, first), currency)
    closing = Money(_available_before(reader, office_id, end), currency)
    money = _money_in_period(reader, Period(office_id, range(first, end)), MONEY_KINDS)
    of_calls = closing - opening
    for amount in money.values():
        of_calls -= Money(amount, currency)
    return Totals(
        opening=opening,
        money={kind: Money(amount, currency) for kind, amount in money.items()},
        calls=of_calls,
        closing=closing,
    )


def filtered_sum(
    reader: Connection, *, office_id: str, wanted: WantedActivity, searched_max: int | None = None
) -> FilteredSum | None:
    """Add up what a filter lets through.

    Of a call that lies in the period wholly, its own row says what it took, and of days that are
    added up their sum; entries are read only of calls that were under way when the period began or
    ended.

    Args:
        reader: a connection in a transaction that sees one moment.
        office_id: whose activity.
        wanted: which of it.
        searched_max: how many calls may be looked through for digits. None: as many as there are.

    Returns:
        None: there are more calls to be looked through.
    """
    first, end = bounds_of(reader, office_id, wanted.calls)
    currency = currency_of(reader, office_id)
    period = Period(office_id, range(first, end))
    number, micros = 0, 0
    if CALL in wanted.every_kind and period.numbers:
        if _is_beyond(reader, office_id, wanted.calls, searched_max):
            return None
        found = _calls_in_period(reader, office_id, wanted.calls)
        numbers = numbers_of_calls(reader, period, found.partly)
        changes = changes_of(reader, period, chain.from_iterable(numbers.values()))
        number = found.whole + len(numbers)
        micros = sum(changes.values()) - found.took_micros
    money = _money_in_period(reader, period, wanted.money_kinds)
    return FilteredSum(
        calls=number,
        amount=Money(micros, currency),
        money=Money(sum(money.values()), currency),
    )


def _is_beyond(
    reader: Connection, office_id: str, wanted: WantedCalls, searched_max: int | None
) -> bool:
    if searched_max is None or not wanted.number:
        return False
    since, until = wanted.since or _BEGINNING, wanted.until or _END
    some = (
        select(literal(1))
        .where(
            calls.c.office_id == office_id,
            calls.c.authorised_at >= since,
            calls.c.authorised_at < until,
        )
        .limit(searched_max + 1)
        .subquery()
    )
    return (reader.scalar(select(func.count()).select_from(some)) or 0) > searched_max


# --- calls of a period -----------------------------------------------------------------------


class _InPeriod(NamedTuple):
    """How many calls lie in a period wholly, what they took, and the ids of the others.

    No entry is earlier than its call was authorised; so a call that was authorised in the period
    has none before it.
    """

    whole: int
    took_micros: int
    partly: Sequence[str]


class _Conditions(NamedTuple):
    whole: ColumnElement[bool]
    partly: tuple[ColumnElement[bool], ...]  # one of them

    @classmethod
    def of(cls, since: datetime, until: datetime) -> "_Conditions":
        columns = calls.c
        began_in_it = and_(columns.authorised_at >= since, columns.authorised_at < until)
        settled_in_it = and_(columns.settled_at.is_not(None), columns.settled_at < until - EDGE)
        began_before = columns.authorised_at < since
        return cls(
            whole=and_(began_in_it, settled_in_it),
            partly=(
                and_(began_in_it, not_(settled_in_it)),
                and_(began_before, columns.settled_at >= since - EDGE),
                and_(began_before, columns.settled_at.is_(None)),
            ),
        )


def _calls_in_period(reader: Connection, office_id: str, wanted: WantedCalls) -> _InPeriod:
    since = max(wanted.since or _BEGINNING, _BEGINNING + EDGE)
    until = wanted.until or _END
    conditions = _Conditions.of(since, until)
    inside, outside = _DaysInPeriod.of(since, until)
    said_by_sums = not (wanted.number or wanted.kind)
    decided = days_where(reader, office_id, or_(inside, outside)) if said_by_sums else ()
    if not decided:
        return _in_order_of_time(reader, office_id, wanted, conditions)
    kept = sums_where(reader, office_id, inside, extension=wanted.extension, country=wanted.country)
    found = [_on_days(reader, office_id, wanted, conditions, some) for some in others(decided)]
    return _InPeriod(
        whole=kept.paid_calls + sum(each.whole for each in found),
        took_micros=kept.spent_micros + sum(each.took_micros for each in found),
        partly=[call_id for each in found for call_id in each.partly],
    )


class _DaysInPeriod(NamedTuple):
    """Of days that are added up."""

    inside: ColumnElement[bool]  # all calls of the day lie in the period wholly
    outside: ColumnElement[bool]  # no part of a call of the day lies in it

    @classmethod
    def of(cls, since: datetime, until: datetime) -> "_DaysInPeriod":
        day = summed_days.c
        return cls(
            inside=and_(day.first_at >= since, day.last_at < until, day.settled_at < until - EDGE),
            outside=or_(
                NO_PAID_CALL,
                day.first_at >= until,
                and_(day.last_at < since, day.settled_at < since - EDGE),
            ),
        )


def _in_order_of_time(
    reader: Connection, office_id: str, wanted: WantedCalls, conditions: _Conditions
) -> _InPeriod:
    """By the index that the moments of calls have."""
    of_office = (calls.c.office_id == office_id, *filters_of(calls, wanted))
    whole = select(func.count(), func.sum(calls.c.debited_micros))
    number, micros = reader.execute(whole.where(*of_office, conditions.whole)).one()
    partly = [
        call_id
        for condition in conditions.partly
        for call_id in reader.scalars(select(calls.c.call_id).where(*of_office, condition))
    ]
    return _InPeriod(number, int(micros or 0), partly)


def _on_days(
    reader: Connection, office_id: str, wanted: WantedCalls, conditions: _Conditions, days: Days
) -> _InPeriod:
    """By the index that their days have: the moments are decided row by row."""
    of_days = (
        calls.c.office_id == office_id,
        calls.c.spending_day >= days.first,
        calls.c.spending_day <= days.last,
        *filters_of(calls, wanted),
    )
    is_whole = _as_number(conditions.whole)
    query = select(func.sum(is_whole), func.sum(is_whole * calls.c.debited_micros))
    number, micros = reader.execute(query.where(*of_days)).one()
    partly = select(calls.c.call_id).where(*of_days, _as_number(or_(*conditions.partly)) == 1)
    return _InPeriod(int(number or 0), int(micros or 0), [*reader.scalars(partly)])


def _as_number(condition: ColumnElement[bool]) -> Any:
    """Which no database takes for a reason to use another index."""
    return case((condition, 1), else_=0)


# --- money -----------------------------------------------------------------------------------


def _available_before(reader: Connection, office_id: str, number: int) -> int:
    query = (
        select(AVAILABLE_AFTER)
        .where(
            postings.c.office_id == office_id,
            postings.c.entry_number < number,
            TOUCHES_AVAILABLE,
        )
        .order_by(postings.c.entry_number.desc(), postings.c.line.desc())
        .limit(1)
    )
    return reader.scalar(query) or 0


# The number as a sum: from the range of a period SQLite would else infer the same range of postings
# for each entry, and prefer it to the one number.
_OF_ENTRY = and_(
    postings.c.office_id == entries.c.office_id, postings.c.entry_number == entries.c.number + 0
)


def _money_in_period(
    reader: Connection, period: Period, kinds: frozenset[EntryKind]
) -> Mapping[EntryKind, int]:
    """What each kind changed of what can be spent; by an index of these kinds."""
    values = {
        "office": period.office_id,
        "kinds": sorted(kind.value for kind in kinds),
        "first": period.numbers.start,
        "end": period.numbers.stop,
    }
    rows = reader.execute(_SUMS_OF_KINDS, values)
    return {EntryKind(kind): int(micros) for kind, micros in rows}


_SUMS_OF_KINDS = (
    select(entries.c.kind, func.sum(CHANGE))
    .select_from(entries.join(postings, _OF_ENTRY))
    .where(
        entries.c.office_id == bindparam("office"),
        entries.c.kind.in_(bindparam("kinds", expanding=True)),
        # As sums, so that no database walks every number of the period instead of this kind's few.
        entries.c.number + 0 >= bindparam("first"),
        entries.c.number + 0 < bindparam("end"),
        text(SELDOM),  # the condition of the index, without which it is not used
    )
    .group_by(entries.c.kind)
    .order_by(entries.c.kind)
)
