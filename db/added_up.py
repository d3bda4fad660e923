"""Reading sums: of days that are added up as they are kept, of the others from their calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from db.sum_tables import SUMMED, day_sums, summed_days
from db.summing import Named, Summed, stored_sums

FIRST_DAY, LAST_DAY = str(date.min), str(date.max)
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Some days, both included."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class AddedUpDay:
    day: str
    sums: Summed


def added_up_days(
    reader: Connection, office_id: str, days: Days = Days(FIRST_DAY, LAST_DAY)
) -> Sequence[AddedUpDay]:
    """In their order."""
    columns = summed_days.c
    query = (
        select(columns.day, *(columns[name] for name in SUMMED))
        .where(
            *_added_up(office_id),
            columns.day >= days.first,
            columns.day <= days.last,
        )
        .order_by(columns.day)
    )
    return [AddedUpDay(day, Summed(*sums)) for day, *sums in reader.execute(query)]


def others(known: Sequence[str], days: Days = Days(FIRST_DAY, LAST_DAY)) -> Iterator[Days]:
    """What lies between days that are known, which are in their order and among the others."""
    first = days.first
    for day in known:
        if first < day:
            yield Days(first, _before(day))
        if day == LAST_DAY:
            return
        first = str(date.fromisoformat(day) + _ONE_DAY)
    if first <= days.last:
        yield Days(first, days.last)


def _before(day: str) -> str:
    return str(date.fromisoformat(day) - _ONE_DAY)


def sums_by(reader: Connection, office_id: str, part: str, days: Days) -> Mapping[str, Named]:
    """By country or by extension, of the days that are added up."""
    key = day_sums.c.country if part == "country" else day_sums.c.endpoint
    query = (
        select(key, func.max(day_sums.c.extension), *stored_sums(day_sums))
        .where(*_of_part(office_id, part, days))
        .group_by(key)
    )
    return {
        name: Named(extension, Summed(*map(int, sums)))
        for name, extension, *sums in reader.execute(query)
    }


# Whatever a day's moments are compared with: of a day without a paid call nothing is known.
NO_PAID_CALL = or_(
    summed_days.c.first_at.is_(None),
    summed_days.c.last_at.is_(None),
    summed_days.c.settled_at.is_(None),
)


def days_where(
    reader: Connection, office_id: str, *conditions: ColumnElement[bool]
) -> Sequence[str]:
    """The days that are added up, as far as their row in summed_days says this; in their order."""
    query = select(summed_days.c.day).where(*_added_up(office_id), *conditions)
    return [*reader.scalars(query.order_by(summed_days.c.day))]


def sums_where(
    reader: Connection,
    office_id: str,
    condition: ColumnElement[bool],
    *,
    extension: str | None,
    country: str | None,
) -> Summed:
    """Of all calls on the same days, or of those of one extension, one country or both."""
    if extension is None and country is None:
        query = select(*stored_sums(summed_days))
    else:
        query = _with_their_days(*stored_sums(day_sums), extension=extension, country=country)
    sums = reader.execute(query.where(*_added_up(office_id), condition)).one()
    return Summed(*(int(each or 0) for each in sums))


class Began(NamedTuple):
    """Calls that began from one moment to another, both included, and when the last was settled."""

    first_at: datetime
    last_at: datetime
    settled_at: datetime | None  # None: that is not known


def latest_began(
    reader: Connection,
    office_id: str,
    *,
    extension: str | None,
    country: str | None,
    until: datetime,
) -> Began | None:
    """Of the paid calls of days that are added up: those that may have begun up to a moment.

    None: there is none.
    """
    day = summed_days.c
    query = _with_their_days(
        func.min(day.first_at),
        func.max(day.last_at),
        func.max(func.coalesce(day.settled_at, until)),
        extension=extension,
        country=country,
    ).where(*_added_up(office_id), day.first_at <= until, day_sums.c.paid_calls > 0)
    first_at, last_at, settled_at = reader.execute(query).one()
    return None if last_at is None else Began(first_at, last_at, settled_at)


def _with_their_days(
    *columns: ColumnElement[Any], extension: str | None, country: str | None
) -> Select[Any]:
    """From the sums of an extension, a country or both, beside the row of their day."""
    same_day = and_(
        day_sums.c.office_id == summed_days.c.office_id, day_sums.c.day == summed_days.c.day
    )
    joined = summed_days.join(day_sums, same_day)
    return select(*columns).select_from(joined).where(*_of_filter(extension, country))


def _added_up(office_id: str) -> tuple[ColumnElement[bool], ...]:
    return summed_days.c.office_id == office_id, summed_days.c.summed_at.is_not(None)


def latest_with(  # noqa: PLR0913 - which calls, by name
    reader: Connection,
    office_id: str,
    *,
    extension: str | None,
    country: str | None,
    counted: Sequence[str],
    until: datetime,
) -> datetime | None:
    """The last moment up to another at which a call may have begun.

    Args:
        reader: a connection in a transaction.
        office_id: whose calls.
        extension: its endpoint, or None.
        country: or None; not both are.
        counted: which calls: columns of the sums.
        until: no later than this.

    Returns:
        None: there is none. A moment: there may be one then, or before.
    """
    known = days_where(reader, office_id)
    if not known:
        return until
    there_are = or_(*(day_sums.c[name] > 0 for name in counted))
    having = select(day_sums.c.day).where(
        day_sums.c.office_id == office_id, *_of_filter(extension, country), there_are
    )
    days = [Days(day, day) for day in reader.scalars(having)]
    latest = [
        min(_ends(some.last), until)
        for some in (*days, *others(known))
        if _begins(some.first) <= until
    ]
    return max(latest, default=None)


# Where clocks are as far from UTC as they are anywhere.
_AHEAD, _BEHIND = timedelta(hours=14), timedelta(hours=12)


def _begins(day: str) -> datetime:
    """The first moment that is of this day anywhere."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return midnight if day == FIRST_DAY else midnight - _AHEAD


def _ends(day: str) -> datetime:
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return midnight if day == LAST_DAY else midnight + _ONE_DAY + _BEHIND


def _of_filter(extension: str | None, country: str | None) -> Iterator[ColumnElement[bool]]:
    part = {(True, False): "extension", (False, True): "country"}.get(
        (extension is not None, country is not None), "both"
    )
    yield day_sums.c.part == part
    if extension is not None:
        yield day_sums.c.endpoint == extension
    if country is not None:
        yield day_sums.c.country == country


def _of_part(office_id: str, part: str, days: Days) -> tuple[ColumnElement[bool], ...]:
    columns = day_sums.c
    return (
        columns.office_id == office_id,
        columns.part == part,
        columns.day >= days.first,
        columns.day <= days.last,
    )
