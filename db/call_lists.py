"""The list of every outbound call, newest first: paid, included, free and refused.

A page costs the same however many calls there are: it walks two tables from a cursor in the order
of time and merges them. A filter is decided among so many calls at most, and the cursor says where
to go on.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    literal,
    or_,
    select,
    tuple_,
)

from charging.call_price import CallState, state_of
from charging.ledger import CallRecord
from charging.money import Money
from charging.unpaid_calls import UnpaidCall
from db.added_up import latest_with
from db.call_rows import call_of
from db.call_tables import unpaid_calls
from db.models import UtcDateTime, calls
from db.unpaid_calls import unpaid_call_of

EXAMINED_MAX = 12_000  # calls of a page with a filter that an index decides
SEARCHED_MAX = 5_000  # calls of a page that looks for digits, each read for it
PAID, INCLUDED, FREE, REFUSED = "paid", "included", "free", "refused"
EVERY_OUTCOME = frozenset({PAID, INCLUDED, FREE, REFUSED})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = re.compile(r"(?P<us>-?[0-9]{1,17})\.(?P<call_id>[0-9A-Za-z_-]{1,64})")


class CursorError(ValueError):
    """A cursor that no page gave."""


class Place(NamedTuple):
    """Where a call stands in the order of time; also the cursor of the next page."""

    at: datetime
    call_id: str

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}.{self.call_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises CursorError."""
        found = _PLACE.fullmatch(text)
        try:
            if found is not None:
                return cls(_EPOCH + int(found["us"]) * _MICROSECOND, found["call_id"])
        except OverflowError:
            pass
        raise CursorError(f"{text[:80]!r} is no place in a list of calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCalls:
    """Which calls; what is None or empty does not matter."""

    since: datetime | None = None
    until: datetime | None = None  # this moment no longer belongs to it
    outcomes: frozenset[str] = frozenset()
    extension: str | None = None  # its endpoint
    country: str | None = None
    kind: str | None = None  # of line: "mobile"
    number: str | None = None  # digits of it, anywhere; after "+" its beginning

    @property
    def every_outcome(self) -> frozenset[str]:
        return self.outcomes or EVERY_OUTCOME

    @property
    def of_a_call(self) -> bool:
        """Whether it asks for something that only calls have."""
        return any((self.extension, self.country, self.kind, self.number))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCall:
    """One outbound call, whatever became of it."""

    call_id: str
    started_at: datetime
    endpoint: str
    extension: str
    dialled: str
    number: str
    country: str
    kind: str
    destination: str  # of a paid call, as its rate names it
    outcome: str
    refusal: str | None
    refusal_detail: str
    answered_at: datetime | None
    ended_at: datetime | None
    talk_s: int | None
    cost: Money | None  # so far, while it goes on; None: nothing is charged for it
    under_way: bool
    hangup_cause: int | None

    @property
    def place(self) -> Place:
        return Place(self.started_at, self.call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    calls: Sequence[ListedCall]  # newest first
    before: Place | None  # the cursor of the next page; None: this was the last


EVERY_CALL = WantedCalls()


def list_calls(
    reader: Connection,
    *,
    office_id: str,
    limit: int,
    wanted: WantedCalls = EVERY_CALL,
    before: Place | None = None,
) -> CallPage:
    """The last calls of an office below a cursor, newest first.

    Args:
        reader: a connection in a transaction.
        office_id: whose calls; "" for attempts of endpoints that nobody knows.
        limit: how many at most.
        wanted: which of them. A page may hold fewer and still have a next one.
        before: the cursor that the page before gave; None: from the newest on.
    """
    found: list[ListedCall] = []
    reached: list[Place] = []
    if PAID in wanted.every_outcome:
        rows, bottom = page_of(reader, PAID_CALLS, office_id, wanted, limit=limit, before=before)
        found += map(_listed_paid, rows)
        reached += filter(None, [bottom])
    if wanted.every_outcome - {PAID}:
        rows, bottom = page_of(reader, UNPAID_CALLS, office_id, wanted, limit=limit, before=before)
        found += map(_listed_unpaid, rows)
        reached += filter(None, [bottom])
    shown_from = max(reached, default=None)  # below it, one of the tables was not looked at
    found.sort(key=lambda call: call.place, reverse=True)
    calls_shown = [c for c in found[:limit] if shown_from is None or c.place >= shown_from]
    if len(found) > len(calls_shown) == limit:
        return CallPage(calls=calls_shown, before=calls_shown[-1].place)
    return CallPage(calls=calls_shown, before=shown_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class InOrder:
    """A table whose rows an index holds in the order of (office, moment, call id)."""

    table: Table
    moment: Column[Any]
    outcomes: Callable[[WantedCalls], ColumnElement[bool] | None]  # None: all of them
    summed: Sequence[str]  # columns of the sums of past days that count them


def _no_condition(_: WantedCalls) -> ColumnElement[bool] | None:
    return None


def _unpaid_outcomes(wanted: WantedCalls) -> ColumnElement[bool] | None:
    columns, outcomes = unpaid_calls.c, wanted.every_outcome
    if outcomes >= EVERY_OUTCOME - {PAID}:
        return None
    connected = columns.refusal.is_(None) & columns.category.in_(sorted(outcomes - {REFUSED}))
    refused = columns.refusal.is_not(None)  # the condition of an index
    if outcomes - {PAID} == {REFUSED}:
        return refused
    return or_(refused, connected) if REFUSED in outcomes else connected


PAID_CALLS = InOrder(
    table=calls,
    moment=calls.c.authorised_at,
    outcomes=_no_condition,
    summed=("paid_calls",),
)
UNPAID_CALLS = InOrder(
    table=unpaid_calls,
    moment=unpaid_calls.c.started_at,
    outcomes=_unpaid_outcomes,
    summed=("unpaid_calls", "refused_calls"),
)
_END = datetime(9999, 12, 30, tzinfo=UTC)


def page_of(  # noqa: PLR0913 - what a page is made of, by name
    reader: Connection,
    source: InOrder,
    office_id: str,
    wanted: WantedCalls,
    *,
    limit: int,
    before: Place | None,
) -> tuple[Sequence[Row[Any]], Place | None]:
    """Rows below a cursor, newest first, and down to where was looked; None: to the end."""
    columns = source.table.c
    key = tuple_(source.moment, columns.call_id)
    of_office = columns.office_id == office_id
    # Of two bounds SQLite begins at the first that is written, so there is but one; and it sees no
    # moment in a pair.
    until = min(wanted.until or _END, _END if before is None else before.at)
    if (latest := _latest(reader, source, office_id, wanted, until)) is None:
        return (), None
    below = [source.moment <= latest]
    if wanted.until is not None and latest >= wanted.until:
        below = [source.moment < wanted.until]
    if before is not None:
        below.append(key < _pair(before))
    above = [] if wanted.since is None else [source.moment >= wanted.since]
    descending = (source.moment.desc(), columns.call_id.desc())
    chosen = source.outcomes(wanted)
    filters = [*filters_of(source.table, wanted), *([] if chosen is None else [chosen])]
    bottom: Place | None = None
    if filters:
        examined = SEARCHED_MAX if wanted.number else EXAMINED_MAX
        last = (
            select(source.moment, columns.call_id)
            .where(of_office, *below, *above)
            .order_by(*descending)
            .offset(examined)
            .limit(1)
        )
        if (row := reader.execute(last).first()) is not None:
            bottom = Place(*row)
            above = [source.moment >= bottom.at, key >= _pair(bottom)]
    query: Select[Any] = select(source.table).where(of_office, *below, *above, *filters)
    rows = reader.execute(query.order_by(*descending).limit(limit)).all()
    if len(rows) == limit:
        last_row = rows[-1]._mapping  # noqa: SLF001 - SQLAlchemy's documented name for it
        return rows, Place(last_row[source.moment.name], last_row["call_id"])
    return rows, bottom


def _latest(
    reader: Connection, source: InOrder, office_id: str, wanted: WantedCalls, until: datetime
) -> datetime | None:
    """Up to when there may be such a call; None: never."""
    if wanted.extension is None and wanted.country is None:
        return until
    return latest_with(
        reader,
        office_id,
        extension=wanted.extension,
        country=wanted.country,
        counted=source.summed,
        until=until,
    )


def _pair(place: Place) -> ColumnElement[Any]:
    return tuple_(literal(place.at, UtcDateTime), place.call_id)


def filters_of(table: Table, wanted: WantedCalls) -> Iterator[ColumnElement[bool]]:
    """Conditions on calls, be they paid or not."""
    if wanted.extension is not None:
        yield table.c.endpoint == wanted.extension
    if wanted.country is not None:
        yield table.c.country == wanted.country
    if wanted.kind is not None:
        yield table.c.kind == wanted.kind
    if wanted.number:
        yield _has_digits(table, wanted.number)


def _has_digits(table: Table, text: str) -> ColumnElement[bool]:
    digits = "".join(filter(str.isdigit, text))
    if text.strip().startswith("+"):
        return table.c.number.like(f"{digits}%")
    return or_(table.c.number.like(f"%{digits}%"), table.c.dialled.like(f"%{digits}%"))


def _listed_paid(row: Row[Any]) -> ListedCall:
    return listed_paid(call_of(row))


def listed_paid(call: CallRecord) -> ListedCall:
    state = state_of(call)
    return ListedCall(
        call_id=call.call_id,
        started_at=call.authorised_at,
        endpoint=call.endpoint,
        extension=call.extension,
        dialled=call.dialled,
        number=call.number,
        country=call.country,
        kind=call.kind,
        destination=call.destination,
        outcome=PAID,
        refusal=None,
        refusal_detail="",
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        talk_s=call.talk_s,
        cost=call.debited,
        under_way=state in {CallState.RINGING, CallState.TALKING},
        hangup_cause=call.hangup_cause,
    )


def _listed_unpaid(row: Row[Any]) -> ListedCall:
    return listed_unpaid(unpaid_call_of(row))


def listed_unpaid(call: UnpaidCall) -> ListedCall:
    return ListedCall(
        call_id=call.call_id,
        started_at=call.started_at,
        endpoint=call.endpoint,
        extension=call.extension,
        dialled=call.dialled,
        number=call.number,
        country=call.country,
        kind=call.kind,
        destination="",
        outcome=call.category if call.refusal is None else REFUSED,
        refusal=call.refusal,
        refusal_detail=call.refusal_detail,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        talk_s=call.talk_s,
        cost=None,
        under_way=call.refusal is None and call.ended_at is None,
        hangup_cause=call.hangup_cause,
    )
