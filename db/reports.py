"""What was spent, by day, country or extension: calls added up where they are stored.

Days are the office's own: each call bears the day on which it was authorised there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, case, func, select

from charging.money import Money
from db.call_tables import unpaid_calls
from db.models import calls


class SpentBy(StrEnum):
    DAY = "day"
    COUNTRY = "country"
    EXTENSION = "extension"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentLine:
    """One line of a report. Calls under way count with what they cost so far."""

    key: str  # a day, a country, or an endpoint
    name: str  # of the extension, when it last called
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
    """The lines of a period, both days included: days in their order, else what cost most first."""
    paid = {row.key: row._mapping for row in _paid(reader, office_id, by, first, last)}  # noqa: SLF001
    unpaid = {row.key: row._mapping for row in _unpaid(reader, office_id, by, first, last)}  # noqa: SLF001
    lines = [
        _line(key, paid.get(key, {}), unpaid.get(key, {}), currency)
        for key in paid.keys() | unpaid.keys()
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


_COLUMN = {SpentBy.COUNTRY: "country", SpentBy.EXTENSION: "endpoint"}


def _paid(
    reader: Connection, office_id: str, by: SpentBy, first: date, last: date
) -> Iterator[Any]:
    day = calls.c.spending_day
    key = calls.c[_COLUMN[by]] if by in _COLUMN else day
    query = (
        select(
            key.label("key"),
            _name(calls, by).label("name"),
            func.count().label("calls"),
            func.sum(case((calls.c.talk_s > 0, 1), else_=0)).label("answered"),
            func.sum(func.coalesce(calls.c.talk_s, 0)).label("talk_s"),
            func.sum(calls.c.debited_micros).label("micros"),
        )
        .where(calls.c.office_id == office_id, day >= str(first), day <= str(last))
        .group_by(key)
    )
    yield from reader.execute(query)


def _unpaid(
    reader: Connection, office_id: str, by: SpentBy, first: date, last: date
) -> Iterator[Any]:
    day, refused = unpaid_calls.c.day, unpaid_calls.c.refusal.is_not(None)
    key = unpaid_calls.c[_COLUMN[by]] if by in _COLUMN else day
    query = (
        select(
            key.label("key"),
            _name(unpaid_calls, by).label("name"),
            func.sum(case((refused, 0), else_=1)).label("calls"),
            func.sum(func.coalesce(unpaid_calls.c.talk_s, 0)).label("talk_s"),
            func.sum(case((refused, 1), else_=0)).label("refused"),
        )
        .where(unpaid_calls.c.office_id == office_id, day >= str(first), day <= str(last))
        .group_by(key)
    )
    yield from reader.execute(query)


def _name(table: Table, by: SpentBy) -> Any:
    return func.max(table.c.extension if by is SpentBy.EXTENSION else "")


def _line(key: str, paid: Mapping[Any, Any], unpaid: Mapping[Any, Any], currency: str) -> SpentLine:
    return SpentLine(
        key=key,
        name=paid.get("name") or unpaid.get("name") or "",
        paid_calls=paid.get("calls", 0),
        answered_calls=int(paid.get("answered", 0)),
        paid_talk_s=int(paid.get("talk_s", 0)),
        spent=Money(int(paid.get("micros", 0)), currency),
        unpaid_calls=int(unpaid.get("calls", 0)),
        unpaid_talk_s=int(unpaid.get("talk_s", 0)),
        refused_calls=int(unpaid.get("refused", 0)),
    )
