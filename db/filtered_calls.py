"""The rows of activity of calls that a filter lets through, found by the calls and not by entries.

A row stands at the last entry of its call in the period, so rows are in the order of entries, while
an index has the calls in the order in which they began. Both are walked downwards together, in
windows of time: whatever has its row in a window began in it, or was settled in it, or was still
under way at the end of the period. Where the sums of past days say that no such call began, a
window is not opened at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from db.activity_entries import EDGE, Found, Period, moments_of, numbers_of_calls
from db.added_up import NO_PAID_CALL, Began, Days, days_where, latest_began, others
from db.call_lists import EXAMINED_MAX, SEARCHED_MAX, WantedCalls, filters_of
from db.history import first_since
from db.models import calls
from db.sum_tables import summed_days

_FIRST_WINDOW: Final = 4  # calls for each row that is wanted
_GROWS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredWalk:
    found: Sequence[Found]  # newest first
    of_calls: Mapping[str, Sequence[int]]  # their entries in the period, debits aside
    reached: int  # the entries from here on were looked at


def walk_filtered(
    reader: Connection, period: Period, wanted: WantedCalls, *, limit: int, before: int
) -> FilteredWalk:
    """The last rows below an entry."""
    if before <= period.numbers.start:
        return FilteredWalk(found=(), of_calls={}, reached=period.numbers.start)
    known = days_where(reader, period.office_id)
    return _Walker(reader, period, wanted, limit, known).walk(before)


@dataclass(slots=True)
class _Walker:
    reader: Connection
    period: Period
    wanted: WantedCalls
    limit: int
    known: Sequence[str]  # the days that are added up
    _found: list[Found] = field(default_factory=list)
    _of_calls: dict[str, Sequence[int]] = field(default_factory=dict)

    def walk(self, before: int) -> FilteredWalk:
        start = self.period.numbers.start
        moments = moments_of(self.reader, self.period.office_id, [start, before - 1])
        floor, until = moments[start], moments[before - 1]
        not_added_up, under_way = self._on_other_days(), self._under_way_at_the_end()
        size, left = (
            self.limit * _FIRST_WINDOW,
            SEARCHED_MAX if self.wanted.number else EXAMINED_MAX,
        )
        reached = before
        while len(self._found) < self.limit and reached > start and left > 0:
            last, settled = self._latest(not_added_up, until)
            if last is None:  # none of them began earlier
                return self._walked(start)
            since = self._so_many_below(last, min(size, left))
            since = floor if since is None or since < floor else since
            bottom = self._number_at(since, reached) if since > floor else start
            self._take({*under_way, *self._touching(since, last, settled)}, range(bottom, reached))
            reached, until, left, size = bottom, since, left - size, size * _GROWS
        return self._walked(reached)

    def _walked(self, reached: int) -> FilteredWalk:
        shown = sorted(self._found, reverse=True)[: self.limit]
        if len(shown) == self.limit:
            reached = shown[-1].number
        return FilteredWalk(
            found=shown,
            of_calls={row.call_id: self._of_calls[row.call_id] for row in shown if row.call_id},
            reached=reached,
        )

    def _take(self, call_ids: set[str], numbers: range) -> None:
        """The calls whose last entry in the period is one of these."""
        new = call_ids - self._of_calls.keys()
        self._of_calls |= numbers_of_calls(self.reader, self.period, new)
        last = {
            of_call[-1]: call_id
            for call_id in call_ids
            if (of_call := self._of_calls.get(call_id)) and of_call[-1] in numbers
        }
        moments = moments_of(self.reader, self.period.office_id, last)
        self._found += [Found(number, moments[number], last[number]) for number in last]

    # --- which calls -------------------------------------------------------------------------

    @property
    def _chosen(self) -> tuple[ColumnElement[bool], ...]:
        return (calls.c.office_id == self.period.office_id, *filters_of(calls, self.wanted))

    def _touching(self, since: datetime, last: datetime, settled: datetime) -> Iterator[str]:
        """What began from one moment to another, or before and was settled in the window."""
        in_window = and_(calls.c.authorised_at >= since, calls.c.authorised_at <= last)
        began_before = and_(
            calls.c.settled_at >= since - EDGE,
            calls.c.settled_at <= settled,
            calls.c.authorised_at < since,
        )
        yield from self.reader.scalars(self._ids(in_window))
        yield from self.reader.scalars(self._ids(began_before))

    def _so_many_below(self, until: datetime, count: int) -> datetime | None:
        """When the call began that is so many below a moment, chosen or not."""
        query = (
            select(calls.c.authorised_at)
            .where(calls.c.office_id == self.period.office_id, calls.c.authorised_at <= until)
            .order_by(calls.c.authorised_at.desc(), calls.c.call_id.desc())
            .offset(count)
            .limit(1)
        )
        moment: datetime | None = self.reader.scalar(query)
        return moment

    def _number_at(self, moment: datetime, end: int) -> int:
        """The first entry from a moment on."""
        return first_since(self.reader, self.period.office_id, moment, end)

    def _under_way_at_the_end(self) -> Sequence[str]:
        """Whose row stands at an entry that is not their last: the period ends before that one."""
        open_now = [*self.reader.scalars(self._ids(calls.c.settled_at.is_(None)))]
        end = moments_of(self.reader, self.period.office_id, [self.period.numbers.stop])
        if not end:
            return open_now
        (at,) = end.values()
        later = and_(calls.c.authorised_at <= at, calls.c.settled_at >= at - EDGE)
        if not self.known:
            return [*open_now, *self.reader.scalars(self._ids(later))]
        day = summed_days.c
        is_over = or_(NO_PAID_CALL, day.first_at > at, day.settled_at < at - EDGE)
        over = days_where(self.reader, self.period.office_id, is_over)
        return [
            *open_now,
            *(
                call_id
                for some in others(over)
                for call_id in self.reader.scalars(
                    # As a number, which no database takes for a reason to use another index.
                    self._ids(_of_days(some), case((later, 1), else_=0) == 1)
                )
            ),
        ]

    def _ids(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        return select(calls.c.call_id).where(*self._chosen, *conditions)

    # --- where there are none ----------------------------------------------------------------

    @property
    def _sums_say(self) -> bool:
        """Whether the sums say when calls of this extension and country began."""
        chosen = self.wanted.extension is not None or self.wanted.country is not None
        return bool(self.known) and chosen

    def _on_other_days(self) -> Sequence[Began]:
        """When calls began on days that are not added up, whatever the filter."""
        began = []
        for some in others(self.known) if self._sums_say else ():
            query = select(func.min(calls.c.authorised_at), func.max(calls.c.authorised_at))
            of_office = calls.c.office_id == self.period.office_id
            first_at, last_at = self.reader.execute(query.where(of_office, _of_days(some))).one()
            if first_at is not None:
                began.append(Began(first_at, last_at, None))
        return began

    def _latest(
        self, not_added_up: Sequence[Began], until: datetime
    ) -> tuple[datetime | None, datetime]:
        """When the last of them began, no later than a moment, and until when they were settled."""
        if not self._sums_say:
            return until, until
        kept = latest_began(
            self.reader,
            self.period.office_id,
            extension=self.wanted.extension,
            country=self.wanted.country,
            until=until,
        )
        earlier = [each for each in (kept, *not_added_up) if each and each.first_at <= until]
        last = max((min(each.last_at, until) for each in earlier), default=None)
        settled = max((each.settled_at or until for each in earlier), default=until)
        return last, min(settled, until)


def _of_days(days: Days) -> ColumnElement[bool]:
    return and_(calls.c.spending_day >= days.first, calls.c.spending_day <= days.last)
