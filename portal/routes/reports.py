"""What was spent, by day, month, country and extension: a drawing, and the table of its figures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.money import Money
from db.reports import SpentBy, SpentLine, report
from portal.access import Reader
from portal.charts import bar_chart, share
from portal.filters import Period, PeriodForm
from portal.forms import Choice
from portal.languages import marked
from portal.parts import Needs

router = APIRouter()


class By(StrEnum):
    DAY = "day"
    MONTH = "month"
    COUNTRY = "country"
    EXTENSION = "extension"


BY: Final = {
    By.DAY: marked("Day"),
    By.MONTH: marked("Month"),
    By.COUNTRY: marked("Country"),
    By.EXTENSION: marked("Extension"),
}
DAYS_MAX: Final = 100  # of one page; of more days, each month is a line
_MONTH: Final = len("2026-11")  # of a day as it is written


class ReportForm(PeriodForm):
    by = Choice(BY.items(), default=By.DAY.value)

    def shown_by(self, period: Period) -> By:
        by = By.DAY if self.by.errors else By(self.by.data)
        return By.MONTH if by is By.DAY and len(period) > DAYS_MAX else by


@router.get("/reports")
async def reports(request: Request, visit: Reader, parts: Needs) -> Response:
    form = ReportForm(request.query_params)
    form.validate()
    office = parts.offices.office(visit.office_id)
    period = form.chosen(visit.at.astimezone(office.time_zone).date())
    by = form.shown_by(period)

    def query(reader: Connection) -> list[SpentLine]:
        return report(
            reader,
            office_id=office.id,
            by=SpentBy.DAY if by is By.MONTH else SpentBy(by),
            first=period.first,
            last=period.last,
            currency=office.currency,
        )

    lines = await parts.store.read(query)
    if by is By.MONTH:
        lines = [*by_month(lines)]
    nothing = Money(0, office.currency)
    spent = [line.spent for line in lines]
    return parts.pages.page(
        request,
        "reports.html",
        form=form,
        period=period,
        lines=lines,
        by=by,
        by_name=BY[by],
        chart=bar_chart(_bars(lines, period, by, nothing), office.currency)
        if by in {By.DAY, By.MONTH} and lines
        else None,
        by_month_instead=by != form.by.data and by is By.MONTH,
        days_max=DAYS_MAX,
        total=sum(spent, start=nothing),
        share=partial(share, largest=max(spent, default=nothing)),
        decimals=parts.pages.words(request).decimals(spent),
        as_day=date.fromisoformat,
    )


def by_month(lines: Sequence[SpentLine]) -> Iterator[SpentLine]:
    """Lines of days, in their order, become lines of months; the key is the first of each."""
    for month, days in groupby(lines, key=lambda line: line.key[:_MONTH]):
        first, *others = days
        line = replace(first, key=f"{month}-01")
        for other in others:
            line = replace(
                line,
                paid_calls=line.paid_calls + other.paid_calls,
                answered_calls=line.answered_calls + other.answered_calls,
                paid_talk_s=line.paid_talk_s + other.paid_talk_s,
                spent=line.spent + other.spent,
                unpaid_calls=line.unpaid_calls + other.unpaid_calls,
                unpaid_talk_s=line.unpaid_talk_s + other.unpaid_talk_s,
                refused_calls=line.refused_calls + other.refused_calls,
            )
        yield line


def _bars(
    lines: Sequence[SpentLine], period: Period, by: By, nothing: Money
) -> Sequence[tuple[date, Money]]:
    """Days and months without a call included."""
    spent = {date.fromisoformat(line.key): line.spent for line in lines}
    days = (period.first + timedelta(days=each) for each in range(len(period)))
    if by is By.MONTH:
        return [(month, spent.get(month, nothing)) for month, _ in groupby(days, _first_of_month)]
    return [(day, spent.get(day, nothing)) for day in days]


def _first_of_month(day: date) -> date:
    return day.replace(day=1)
