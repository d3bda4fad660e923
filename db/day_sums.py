"""Past days are added up once, off the path of calls (docs/adr/0026-sums-of-past-days.md).

A day is added up when it is over everywhere and all its calls are settled: then they never change.
Three short steps, so that no call waits for the reading: the day is claimed, its calls are read,
and the sums are written if the claim still stands. Whatever is written for such a day later takes
claim and sums away; a call that was not charged does it by a trigger, a paid call is found among
the entries that are new.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from db.call_tables import unpaid_calls
from db.ledger import read_from, read_one_moment
from db.models import calls, entries
from db.office_ids import office_ids
from db.sum_tables import PARTS, SUMMED, day_sums, sum_positions, summed_days
from db.summing import Cell, Named, Summed, cells
from db.writing import write_to

# A day ends last where clocks are twelve hours behind UTC; then the log of legs is read.
OVER_AFTER: Final = timedelta(hours=14)
AT_ONCE: Final = 7  # days
ENTRIES_AT_ONCE: Final = 20_000


def add_up_days(engine: Engine, *, now: datetime) -> Iterator[int]:
    """Add up what is over and not added up yet; each step says how many days it did.

    Any number of processes may do so at once, and be killed meanwhile.

    Raises:
        ChargingUnavailable: the database is away.
    """
    last = (now.astimezone(UTC) - OVER_AFTER).date() - timedelta(days=1)
    for office_id in read_from(engine, _offices):
        _drop_days_of_new_calls(engine, office_id)
        missing = read_from(engine, partial(_missing, office_id=office_id, last=last))
        for first in range(0, len(missing), AT_ONCE):
            yield _add_up(engine, office_id, missing[first : first + AT_ONCE], now)


def forget_sums(engine: Engine) -> None:
    """Drop them all; reading is slow until they are made again.

    Raises:
        ChargingUnavailable: the database is away.
    """

    def forget(writer: Connection) -> None:
        for table in (day_sums, summed_days, sum_positions):
            writer.execute(delete(table))

    write_to(engine, forget)


def _offices(reader: Connection) -> Sequence[str]:
    return sorted(
        {*office_ids(reader, calls.c.office_id), *office_ids(reader, unpaid_calls.c.office_id)}
    )


def _missing(reader: Connection, office_id: str, last: date) -> Sequence[str]:
    """The days up to the last one that are over and have no sums, from the first call on."""
    firsts = [
        reader.scalar(select(func.min(column)).where(column.table.c.office_id == office_id))
        for column in (calls.c.spending_day, unpaid_calls.c.day)
    ]
    first = min(filter(None, firsts), default=None)
    if first is None:
        return ()
    summed = select(summed_days.c.day).where(
        summed_days.c.office_id == office_id, summed_days.c.summed_at.is_not(None)
    )
    done = frozenset(reader.scalars(summed)) | _still_open(reader, office_id)
    days = range(date.fromisoformat(first).toordinal(), last.toordinal() + 1)
    return [day for n in days if (day := str(date.fromordinal(n))) not in done]


def _add_up(engine: Engine, office_id: str, days: Sequence[str], now: datetime) -> int:
    write_to(engine, partial(_claim, office_id=office_id, days=days))
    found = read_one_moment(engine, partial(read_days, office_id=office_id, days=days))
    return write_to(engine, partial(_keep, office_id=office_id, found=found, now=now))


def _claim(writer: Connection, office_id: str, days: Iterable[str]) -> None:
    if writer.dialect.name == "postgresql":
        # Whoever is writing a call now would not see the claim, and not take it away.
        writer.execute(text("LOCK TABLE unpaid_calls IN SHARE MODE"))
    insertion = (sqlite if writer.dialect.name == "sqlite" else postgresql).insert(summed_days)
    writer.execute(
        insertion.on_conflict_do_nothing(index_elements=["office_id", "day"]),
        [{"office_id": office_id, "day": day} for day in days],
    )


Stored = tuple[dict[str, Any], Sequence[dict[str, Any]]]  # of `summed_days`, and of `day_sums`
_NO_CALLS: Final[Mapping[str, Any]] = {"first_at": None, "last_at": None, "settled_at": None}


def read_days(reader: Connection, office_id: str, days: Sequence[str]) -> Mapping[str, Stored]:
    """What stands in the two tables of each day that is over, as it follows from its calls.

    Args:
        reader: a connection that sees one moment.
        office_id: whose days.
        days: in their order; what lies between them is read, too.
    """
    first, last = days[0], days[-1]
    still_open = _still_open(reader, office_id)
    moments = _moments(reader, office_id, first, last)
    of_day: dict[str, list[tuple[Cell, Named]]] = {}
    for cell, named in cells(reader, office_id, first, last).items():
        of_day.setdefault(cell.day, []).append((cell, named))
    return {
        day: _stored(office_id, day, of_day.get(day, ()), moments.get(day, _NO_CALLS))
        for day in days
        if day not in still_open
    }


def _still_open(reader: Connection, office_id: str) -> frozenset[str]:
    """The days of calls that are not settled."""
    query = select(calls.c.spending_day).where(
        calls.c.office_id == office_id, calls.c.settled_at.is_(None)
    )
    return frozenset(reader.scalars(query))


def _moments(
    reader: Connection, office_id: str, first: str, last: str
) -> Mapping[str, Mapping[str, Any]]:
    day = calls.c.spending_day
    query = (
        select(
            day,
            func.min(calls.c.authorised_at).label("first_at"),
            func.max(calls.c.authorised_at).label("last_at"),
            func.max(calls.c.settled_at).label("settled_at"),
        )
        .where(calls.c.office_id == office_id, day >= first, day <= last)
        .group_by(day)
    )
    return {
        day: {"first_at": first_at, "last_at": last_at, "settled_at": settled_at}
        for day, first_at, last_at, settled_at in reader.execute(query)
    }


def _stored(
    office_id: str,
    day: str,
    found: Sequence[tuple[Cell, Named]],
    moments: Mapping[str, Any],
) -> Stored:
    whole = Summed()
    for _, named in found:
        whole = whole.with_(named.sums)
    parts = [
        {
            "office_id": office_id,
            "part": part,
            **cell._asdict(),
            "extension": named.extension,
            **named.sums._asdict(),
        }
        for (part, cell), named in _parts(found).items()
    ]
    return {"day": day, **moments, **whole._asdict()}, parts


def _parts(found: Iterable[tuple[Cell, Named]]) -> Mapping[tuple[str, Cell], Named]:
    sums: dict[tuple[str, Cell], Named] = {}
    for cell, named in found:
        for key, part in (
            (("country", cell._replace(endpoint="")), Named("", named.sums)),
            (("extension", cell._replace(country="")), named),
            (("both", cell), named),
        ):
            sums[key] = part.with_(sums[key]) if key in sums else part
    return sums


def _keep(writer: Connection, office_id: str, found: Mapping[str, Stored], now: datetime) -> int:
    """Of the days whose claim still stands; how many those are."""
    kept = 0
    for day, (whole, parts) in found.items():
        claimed = (
            update(summed_days)
            .where(
                summed_days.c.office_id == office_id,
                summed_days.c.day == day,
                summed_days.c.summed_at.is_(None),
            )
            .values(whole | {"summed_at": now})
            .returning(summed_days.c.day)
        )
        if writer.execute(claimed).first() is not None:
            kept += 1
            if parts:
                writer.execute(insert(day_sums), parts)
    return kept


# --- calls that begin on a day that is over --------------------------------------------------


def _drop_days_of_new_calls(engine: Engine, office_id: str) -> None:
    """A clock that was wrong, or a time zone that was changed, dates a call back.

    Only reserving begins a call, so the first entry of each is looked at once.
    """
    while True:
        position, end, days = read_from(engine, partial(_new_days, office_id=office_id))
        if position == end:
            return
        write_to(engine, partial(_drop_days, office_id=office_id, days=days, position=end))


def _new_days(
    reader: Connection, office_id: str, at_once: int = ENTRIES_AT_ONCE
) -> tuple[int, int, Sequence[str]]:
    """Up to which entry was looked, up to which one now, and the added-up days found."""
    number = entries.c.number
    last = reader.scalar(select(func.max(number)).where(entries.c.office_id == office_id)) or 0
    position = reader.scalar(
        select(sum_positions.c.entry_number).where(sum_positions.c.office_id == office_id)
    )
    newest = reader.scalar(
        select(func.max(summed_days.c.day)).where(summed_days.c.office_id == office_id)
    )
    if position is None or newest is None:
        return -1 if position is None else position, last, ()
    end = min(last, position + at_once)
    query = (
        select(calls.c.spending_day)
        .distinct()
        .select_from(entries.join(calls, calls.c.call_id == entries.c.call_id))
        .where(
            entries.c.office_id == office_id,
            number > position,
            number <= end,
            entries.c.kind == "reserve",
            calls.c.spending_day <= newest,
        )
    )
    return position, end, [*reader.scalars(query)]


def _drop_days(writer: Connection, office_id: str, days: Sequence[str], position: int) -> None:
    for table, more in ((day_sums, [day_sums.c.part.in_(PARTS)]), (summed_days, [])):
        writer.execute(
            delete(table).where(table.c.office_id == office_id, table.c.day.in_(days), *more)
        )
    insertion = (sqlite if writer.dialect.name == "sqlite" else postgresql).insert(sum_positions)
    writer.execute(
        insertion.on_conflict_do_update(
            index_elements=["office_id"],
            set_={"entry_number": insertion.excluded.entry_number},
        ),
        {"office_id": office_id, "entry_number": position},
    )


# --- proof -----------------------------------------------------------------------------------


def sums_that_disagree(reader: Connection) -> Iterator[str]:
    """Every sum that is kept, against the calls, some days at a time."""
    kept = select(summed_days).where(summed_days.c.summed_at.is_not(None))
    by_office: dict[str, dict[str, dict[str, Any]]] = {}
    for row in reader.execute(kept):
        by_office.setdefault(row.office_id, {})[row.day] = row._asdict()
    for office_id in sorted(by_office):
        of_office = by_office[office_id]
        _, _, new = _new_days(reader, office_id, at_once=_ALL)  # they are dropped next time
        days = sorted(of_office.keys() - {*new})
        for first in range(0, len(days), 4 * AT_ONCE):
            some = days[first : first + 4 * AT_ONCE]
            yield from _days_that_disagree(reader, office_id, some, of_office)
    lone = (
        select(day_sums.c.office_id, day_sums.c.day)
        .distinct()
        .outerjoin(
            summed_days,
            (summed_days.c.office_id == day_sums.c.office_id)
            & (summed_days.c.day == day_sums.c.day)
            & summed_days.c.summed_at.is_not(None),
        )
        .where(summed_days.c.day.is_(None))
    )
    for office_id, day in reader.execute(lone):
        yield f"office {office_id}: sums of {day}, a day that is not added up; {ADVICE}"


ADVICE = "`tollgate ledger add-up --anew` makes the sums again"
_ALL = 2**62  # entries
_COMPARED = ("first_at", "last_at", "settled_at", *SUMMED)


def _days_that_disagree(
    reader: Connection, office_id: str, days: Sequence[str], kept: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    query = select(day_sums).where(
        day_sums.c.office_id == office_id,
        day_sums.c.part.in_(PARTS),
        day_sums.c.day >= days[0],
        day_sums.c.day <= days[-1],
    )
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in reader.execute(query):
        parts.setdefault(row.day, []).append(row._asdict())
    found = read_days(reader, office_id, days)
    for day in days:
        whole, expected = found.get(day, ({}, ()))
        is_same = all(whole.get(name) == kept[day][name] for name in _COMPARED)
        if not is_same or _in_order(expected) != _in_order(parts.get(day, ())):
            yield (
                f"office {office_id}: what is kept of {day} is not what its calls add up to;"
                f" {ADVICE}"
            )


def _in_order(rows: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    columns = [column.name for column in day_sums.c]
    return sorted(tuple(row[name] for name in columns) for row in rows)
