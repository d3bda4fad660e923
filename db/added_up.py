"""Reading sums: of days that are added up as they are kept, of the others from their calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, or_, select

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
    first_at: datetime | None  # of its paid calls, None if there is none
    last_at: datetime | None
    settled_at: datetime | None  # the last of them


def added_up_days(
    reader: Connection, office_id: str, days: Days = Days(FIRST_DAY, LAST_DAY)
) -> Sequence[AddedUpDay]:
    """In their order."""
    columns = summed_days.c
    query = (
        select(columns.day, columns.first_at, columns.last_at, columns.settled_at)
        .add_columns(*(columns[name] for name in SUMMED))
        .where(
            columns.office_id == office_id,
            columns.day >= days.first,
            columns.day <= days.last,
            columns.summed_at.is_not(None),
        )
        .order_by(columns.day)
    )
    return [
        AddedUpDay(day, Summed(*sums), first_at, last_at, settled_at)
        for day, first_at, last_at, settled_at, *sums in reader.execute(query)
    ]


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


def days_with(
    reader: Connection, office_id: str, *, extension: str | None, country: str | None
) -> Mapping[str, Summed]:
    """Of one extension, one country or both: the days on which there is something."""
    query = select(day_sums.c.day, *(day_sums.c[name] for name in SUMMED)).where(
        *_of_filter(office_id, extension, country)
    )
    return {day: Summed(*sums) for day, *sums in reader.execute(query)}


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
    kept = select(summed_days.c.day).where(
        summed_days.c.office_id == office_id, summed_days.c.summed_at.is_not(None)
    )
    known = [*reader.scalars(kept.order_by(summed_days.c.day))]
    if not known:
        return until
    there_are = or_(*(day_sums.c[name] > 0 for name in counted))
    having = select(day_sums.c.day).where(*_of_filter(office_id, extension, country), there_are)
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


def _of_filter(
    office_id: str, extension: str | None, country: str | None
) -> Iterator[ColumnElement[bool]]:
    part = {(True, False): "extension", (False, True): "country"}.get(
        (extension is not None, country is not None), "both"
    )
    yield from _of_part(office_id, part, Days(FIRST_DAY, LAST_DAY))
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
