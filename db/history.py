"""Reading the ledger: pages of its entries, as an accountant would want them.

A page costs the same whatever the ledger has grown to: it walks the entries of an office from a
number downwards. Where a filter lets little through it stops after EXAMINED_MAX entries, and the
cursor says where to go on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Integer, bindparam, func, select, text

from charging.entries import DIRECTIONS, Direction, EntryKind, PostedEntry
from charging.evidence import EndUnproved
from db.entry_rows import POSTED, posted_from
from db.models import SELDOM, UtcDateTime, calls, entries

EXAMINED_MAX = 20_000  # entries of a page that has a filter
_SELDOM_KINDS = frozenset(EntryKind) - {EntryKind.RESERVE, EntryKind.DEBIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries; what is None or empty does not matter."""

    kinds: frozenset[EntryKind] = frozenset()
    direction: Direction | None = None
    call_id: str | None = None
    actor: str | None = None  # of a phone: charging.entries.extension_actor
    since: datetime | None = None
    until: datetime | None = None  # this moment no longer belongs to it

    @property
    def every_kind(self) -> frozenset[EntryKind]:
        """The kinds that both filters let through."""
        kinds = self.kinds or frozenset(EntryKind)
        if self.direction is None:
            return kinds
        return frozenset(kind for kind in kinds if DIRECTIONS[kind] is self.direction)


EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    entries: Sequence[PostedEntry]  # newest first
    before: int | None  # the cursor of the next page; None: this was the last


def history(
    reader: Connection,
    *,
    office_id: str,
    limit: int,
    wanted: Wanted = EVERYTHING,
    before: int | None = None,
) -> Page:
    """The last entries of an office below a cursor, newest first.

    Args:
        reader: a connection in a transaction.
        office_id: whose entries.
        limit: how many at most.
        wanted: which of them. A page may hold fewer and still have a next one.
        before: the cursor that the page before gave; None: from the newest on.
    """
    first, end = bounds(reader, office_id, wanted)
    places = range(first, end if before is None else min(end, before))
    if not places or not wanted.every_kind:
        return Page(entries=(), before=None)
    numbers, reached = _numbers(reader, office_id, wanted, limit=limit, places=places)
    rows = reader.execute(_ENTRIES, {"office": office_id, "numbers": numbers}).all()
    return Page(
        entries=tuple(reversed(posted_from(rows))), before=reached if reached > first else None
    )


def last_entries(
    reader: Connection,
    *,
    office_id: str,
    limit: int,
    wanted: Wanted = EVERYTHING,
    before: int | None = None,
) -> Sequence[PostedEntry]:
    """The last entries of an office in the order they were posted, page after page."""
    found: list[PostedEntry] = []
    while len(found) < limit:
        page = history(
            reader, office_id=office_id, limit=limit - len(found), wanted=wanted, before=before
        )
        found += page.entries
        before = page.before
        if before is None:
            break
    return found[::-1]


_ENTRIES = POSTED.where(
    entries.c.office_id == bindparam("office"),
    entries.c.number.in_(bindparam("numbers", expanding=True)),
)
_LAST = select(func.max(entries.c.number)).where(entries.c.office_id == bindparam("office"))

# The first number whose entry is not earlier than a moment: halving, since numbers have no gaps and
# moments follow them.
_FIRST_SINCE = text(
    """
    WITH RECURSIVE halves(low, high) AS (
        SELECT CAST(1 AS BIGINT), CAST(:end AS BIGINT)
        UNION ALL
        SELECT CASE WHEN entries.posted_at < :moment THEN entries.number + 1 ELSE low END,
               CASE WHEN entries.posted_at < :moment THEN high ELSE entries.number END
        FROM halves JOIN entries
             ON entries.office_id = :office AND entries.number = (low + high) / 2
        WHERE low < high
    )
    SELECT low FROM halves WHERE low = high
    """
).bindparams(bindparam("moment", type_=UtcDateTime))


def bounds(reader: Connection, office_id: str, wanted: Wanted) -> tuple[int, int]:
    """The first number, and the one after the last."""
    end = (reader.scalar(_LAST, {"office": office_id}) or 0) + 1
    first = 1
    if wanted.since is not None:
        first = first_since(reader, office_id, wanted.since, end)
    if wanted.until is not None:
        end = first_since(reader, office_id, wanted.until, end)
    return first, end


def first_since(reader: Connection, office_id: str, moment: datetime, end: int) -> int:
    values = {"office": office_id, "moment": moment, "end": end}
    first: int = reader.execute(_FIRST_SINCE, values).scalar_one()
    return first


def _numbers(
    reader: Connection, office_id: str, wanted: Wanted, *, limit: int, places: range
) -> tuple[list[int], int]:
    """The numbers of a page, newest first, and down to which one was looked."""
    if wanted.call_id is not None:
        return _of_call(reader, office_id, wanted, limit=limit, places=places)
    bottom = places.start
    if wanted.every_kind <= _SELDOM_KINDS and wanted.actor is None:
        return of_seldom_kinds(reader, office_id, wanted.every_kind, limit=limit, places=places)
    if wanted.every_kind != frozenset(EntryKind) or wanted.actor is not None:
        bottom = max(bottom, places.stop - EXAMINED_MAX)
    query = select(entries.c.number).where(
        entries.c.office_id == office_id,
        entries.c.number >= bottom,
        entries.c.number < places.stop,
        *_filters(wanted),
    )
    numbers = [*reader.scalars(query.order_by(entries.c.number.desc()).limit(limit))]
    return numbers, numbers[-1] if len(numbers) == limit else bottom


def _of_call(
    reader: Connection, office_id: str, wanted: Wanted, *, limit: int, places: range
) -> tuple[list[int], int]:
    """By the name space of its keys; they are few, so the rest is done here.

    A condition on numbers would tempt a database to walk those instead.
    """
    query = select(entries.c.office_id, entries.c.number).where(
        entries.c.key > f"call:{wanted.call_id}:",
        entries.c.key < f"call:{wanted.call_id};",  # which comes after ":"
        *_filters(wanted),
    )
    of_office = (number for office, number in reader.execute(query) if office == office_id)
    numbers = sorted((number for number in of_office if number in places), reverse=True)[:limit]
    return numbers, numbers[-1] if len(numbers) == limit else places.start


def _filters(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.every_kind != frozenset(EntryKind):
        yield entries.c.kind.in_(sorted(wanted.every_kind))
    if wanted.actor is not None:
        yield entries.c.actor == wanted.actor


def of_seldom_kinds(
    reader: Connection, office_id: str, kinds: Iterable[EntryKind], *, limit: int, places: range
) -> tuple[list[int], int]:
    """The newest of each kind by an index, then the newest of all."""
    found: list[int] = []
    for kind in kinds:
        values = {"office": office_id, "kind": kind, "limit": limit}
        found += reader.scalars(
            _OF_KIND, values | {"first": places.start, "end": places.stop}
        ).all()
    numbers = sorted(found, reverse=True)[:limit]
    return numbers, numbers[-1] if len(numbers) == limit else places.start


_OF_KIND = (
    select(entries.c.number)
    .where(
        entries.c.office_id == bindparam("office"),
        entries.c.kind == bindparam("kind"),
        entries.c.number >= bindparam("first"),
        entries.c.number < bindparam("end"),
        text(SELDOM),  # the condition of the index, without which it is not used
    )
    .order_by(entries.c.number.desc())
    .limit(bindparam("limit", type_=Integer))
)


def unproved_ends(reader: Connection, *, since: datetime) -> Mapping[EndUnproved, int]:
    """How many calls settled since then had no proof of their end, and why."""
    counted = (
        select(calls.c.end_unproved, func.count())
        .where(calls.c.end_unproved.is_not(None), calls.c.settled_at >= since)
        .group_by(calls.c.end_unproved)
    )
    return {EndUnproved(why): count for why, count in reader.execute(counted)}
