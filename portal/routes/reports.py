"""What was spent, by day, country and extension: a drawing, and the table it is drawn from."""

from datetime import date
from functools import partial

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.money import Money
from db.reports import SpentBy, SpentLine, report
from portal.access import Reader
from portal.charts import bar_chart, share
from portal.filters import PeriodForm
from portal.forms import Choice
from portal.languages import marked
from portal.parts import Needs

router = APIRouter()

BY = {
    SpentBy.DAY: marked("Day"),
    SpentBy.COUNTRY: marked("Country"),
    SpentBy.EXTENSION: marked("Extension"),
}
DAYS_MAX = 400  # of a drawing


class ReportForm(PeriodForm):
    by = Choice(BY.items(), default=SpentBy.DAY.value)


@router.get("/reports")
async def reports(request: Request, visit: Reader, parts: Needs) -> Response:
    form = ReportForm(request.query_params)
    form.validate()
    office = parts.offices.office(visit.office_id)
    period = form.chosen(visit.at.astimezone(office.time_zone).date())
    by = SpentBy.DAY if form.by.errors else SpentBy(form.by.data)

    def query(reader: Connection) -> list[SpentLine]:
        return report(
            reader,
            office_id=office.id,
            by=by,
            first=period.first,
            last=period.last,
            currency=office.currency,
        )

    lines = await parts.store.read(query)
    nothing = Money(0, office.currency)
    spent = [line.spent for line in lines]
    chart = None
    if by is SpentBy.DAY and lines and (period.last - period.first).days < DAYS_MAX:
        by_day = {date.fromisoformat(line.key): line.spent for line in lines}
        chart = bar_chart(by_day, period.first, period.last, office.currency)
    return parts.pages.page(
        request,
        "reports.html",
        form=form,
        period=period,
        lines=lines,
        by=by,
        by_name=BY[by],
        chart=chart,
        total=sum(spent, start=nothing),
        share=partial(share, largest=max(spent, default=nothing)),
        decimals=parts.pages.words(request).decimals(spent),
        as_day=date.fromisoformat,
    )
