"""What was spent, by day, country or extension: of past days as it is kept, else from the calls.

Days are the office's own: each call bears the day on which it was authorised there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from charging.money import Money
from db.added_up import Days, added_up_days, others, sums_by
from db.summing import Cell, Named, Summed, cells, rolled_up


class SpentBy(StrEnum):
    DAY = "day"
    COUNTRY = "country"
    EXTENSION = "extension"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentLine:
    """One line of a report. Calls under way count with what they cost so far."""

    key: str  # a day, a country, or an endpoint
    name: str  # of the extension; of several in the period the last in the alphabet
    paid_calls: int
    answered_calls: int  # of the paid ones
    paid_talk_s: int
    spent: Money
    unpaid_calls: int  # included and free
    unpaid_talk_s: int
    refused_calls: int


def report(  # noqa: PLR0913 - what a report is made of, by name
    reader: Connection,
    *,
    office_id: str,
    by: SpentBy,
    first: date,
    last: date,
    currency: str,
) -> list[SpentLine]:
    """The lines of a period, both days included: days in their order, else what cost most first.

    Args:
        reader: a connection in a transaction that sees one moment.
        office_id: whose calls.
        by: what a line is the sum of.
        first: a day of the office's own.
        last: likewise.
        currency: of the office.
    """
    found = _sums(reader, office_id, by, Days(str(first), str(last)))
    lines = [
        _line(key, named.extension if by is SpentBy.EXTENSION else "", named.sums, currency)
        for key, named in found.items()
    ]
    if by is SpentBy.DAY:
        return sorted(lines, key=lambda line: line.key)
    return sorted(lines, key=lambda line: (-line.spent.micros, -line.paid_calls, line.key))


def spent_this_month(
    reader: Connection, *, office_id: str, today: date, currency: str
) -> dict[str, Money]:
    """What each endpoint cost since the month of the office's own `today` began."""
    lines = report(
        reader,
        office_id=office_id,
        by=SpentBy.EXTENSION,
        first=today.replace(day=1),
        last=today,
        currency=currency,
    )
    return {line.key: line.spent for line in lines}


_KEYS: Final[Mapping[SpentBy, Callable[[Cell], str]]] = {
    SpentBy.DAY: lambda cell: cell.day,
    SpentBy.COUNTRY: lambda cell: cell.country,
    SpentBy.EXTENSION: lambda cell: cell.endpoint,
}


def _sums(reader: Connection, office_id: str, spent_by: SpentBy, days: Days) -> Mapping[str, Named]:
    kept = added_up_days(reader, office_id, days)
    if spent_by is SpentBy.DAY:
        found = {each.day: Named("", each.sums) for each in kept if any(each.sums)}
    else:
        found = dict(sums_by(reader, office_id, spent_by, days))
    for gap in others([each.day for each in kept], days):
        read = cells(reader, office_id, gap.first, gap.last)
        for key, named in rolled_up(_KEYS[spent_by], read.items()).items():
            found[key] = named.with_(found[key]) if key in found else named
    return found


def _line(key: str, name: str, sums: Summed, currency: str) -> SpentLine:
    return SpentLine(
        key=key,
        name=name,
        paid_calls=sums.paid_calls,
        answered_calls=sums.answered_calls,
        paid_talk_s=sums.paid_talk_s,
        spent=Money(sums.spent_micros, currency),
        unpaid_calls=sums.unpaid_calls,
        unpaid_talk_s=sums.unpaid_talk_s,
        refused_calls=sums.refused_calls,
    )
