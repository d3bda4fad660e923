"""Whose token this is, prepaid activity, reports, and the audit trail."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Annotated, Final, NamedTuple

from fastapi import Query, Request
from sqlalchemy import Connection

from charging.entries import EntryKind
from db.activity import (
    CALL,
    MONEY_KINDS,
    REFUSED,
    ActivityPage,
    ActivityRow,
    Cursor,
    MoneyRow,
    PaidCallRow,
    RefusedRow,
    WantedActivity,
    activity,
)
from db.activity_sums import Totals, totals
from db.audit_trail import changes
from db.call_lists import CursorError, WantedCalls, listed_paid, listed_unpaid
from db.reports import SpentBy, SpentLine, report
from portal.api.access import Reader
from portal.api.calls_models import call_shown
from portal.api.office_models import (
    Activity,
    ActivityShown,
    ActivityTotals,
    AuditTrail,
    CallActivity,
    ChangeShown,
    MoneyActivity,
    OfficeShown,
    RefusedActivity,
    Report,
    ReportLine,
)
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.speaking import words_for
from portal.api.values import (
    ROWS,
    After,
    AfterNumber,
    Country,
    Endpoint,
    Limit,
    Number,
    Since,
    Until,
    amount_of,
)
from portal.languages import marked
from portal.parts import Needs
from portal.words import Words

router = api_router()


class ActivityKind(StrEnum):
    CALLS = "calls"
    MONEY = "money"
    REFUSED = "refused"


_KINDS: Final[Mapping[ActivityKind | None, frozenset[str]]] = {
    ActivityKind.CALLS: frozenset({CALL}),
    ActivityKind.MONEY: frozenset[str](MONEY_KINDS),
    ActivityKind.REFUSED: frozenset({REFUSED}),
}


@router.get("/office", responses=declared(), summary=marked("Whose token this is"))
async def show_office(caller: Reader, parts: Needs) -> OfficeShown:
    office, token = parts.offices.office(caller.office_id), caller.token
    return OfficeShown(
        id=office.id,
        plan=office.plan.title,
        currency=office.currency,
        time_zone=str(office.time_zone),
        token=token.name,
        role=token.role,
        expires_at=token.expires_at,
    )


# --- prepaid activity ------------------------------------------------------------------------


class _Shown(NamedTuple):
    page: ActivityPage
    totals: Totals


@router.get(
    "/activity",
    responses=declared("invalid_cursor"),
    summary=marked("What changed the balance, newest first, and the attempts that were refused"),
)
async def list_activity(  # noqa: PLR0913, PLR0917 - each is one filter
    request: Request,
    caller: Reader,
    parts: Needs,
    since: Since = None,
    until: Until = None,
    show: Annotated[ActivityKind | None, Query(description="Only those.")] = None,
    phone: Endpoint = None,
    country: Country = None,
    number: Number = None,
    limit: Limit = ROWS,
    after: After = None,
) -> Activity:
    """Opening balance, money and calls are the closing balance, of every period."""
    calls = WantedCalls(since=since, until=until, extension=phone, country=country, number=number)
    wanted = WantedActivity(kinds=_KINDS.get(show, frozenset()), calls=calls)
    cursor, office_id = _cursor(after), caller.office_id

    def query(reader: Connection) -> _Shown:
        return _Shown(
            activity(reader, office_id=office_id, limit=limit, wanted=wanted, cursor=cursor),
            totals(reader, office_id=office_id, wanted=wanted),
        )

    found = await parts.store.read(query)
    words, currency = words_for(request, parts, caller), parts.offices.office(office_id).currency
    further = found.page.next
    return Activity(
        rows=[_row(words, row) for row in found.page.rows],
        totals=_totals(found.totals, currency),
        next=None if further is None else str(further),
    )


def _cursor(text: str | None) -> Cursor | None:
    try:
        return Cursor.parse(text) if text else None
    except CursorError:
        raise ProblemError("invalid_cursor") from None


def _row(words: Words, row: ActivityRow) -> ActivityShown:
    match row:
        case PaidCallRow():
            return CallActivity(
                number=row.number,
                at=row.at,
                call=call_shown(words, listed_paid(row.call)),
                amount=amount_of(row.amount),
                balance_after=amount_of(row.balance_after),
            )
        case MoneyRow(posted=posted):
            entry = posted.entry
            return MoneyActivity(
                number=row.number,
                at=row.at,
                kind=entry.kind,
                amount=amount_of(row.amount),
                balance_after=amount_of(row.balance_after),
                payment=entry.payment_id,
                by=entry.actor,
                reason=entry.reason,
            )
        case RefusedRow():
            return RefusedActivity(at=row.at, call=call_shown(words, listed_unpaid(row.call)))


def _totals(found: Totals, currency: str) -> ActivityTotals:
    return ActivityTotals(
        opening=amount_of(found.opening, currency),
        money={EntryKind(kind): amount_of(each) for kind, each in found.money.items()},
        calls=amount_of(found.calls, currency),
        closing=amount_of(found.closing, currency),
    )


# --- reports, and who changed what -----------------------------------------------------------

FirstDay = Annotated[
    date | None,
    Query(description="The first of this month if left out.", examples=["2026-11-01"]),
]
LastDay = Annotated[
    date | None, Query(description="Included; today if left out.", examples=["2026-11-30"])
]


@router.get(
    "/reports/{by}",
    responses=declared(),
    summary=marked("What was spent, by day, country or extension, in the office's own days"),
)
async def show_report(
    by: SpentBy, caller: Reader, parts: Needs, first: FirstDay = None, last: LastDay = None
) -> Report:
    office = parts.offices.office(caller.office_id)
    today = office.day_of(caller.at)
    first_day, last_day = first or today.replace(day=1), last or today
    lines: list[SpentLine] = await parts.store.read(
        partial(
            report,
            office_id=office.id,
            by=by,
            first=first_day,
            last=last_day,
            currency=office.currency,
        )
    )
    return Report(by=by, first=first_day, last=last_day, lines=[_line(line) for line in lines])


def _line(line: SpentLine) -> ReportLine:
    return ReportLine(
        key=line.key,
        name=line.name,
        spent=amount_of(line.spent),
        paid_calls=line.paid_calls,
        answered_calls=line.answered_calls,
        paid_talk_s=line.paid_talk_s,
        unpaid_calls=line.unpaid_calls,
        unpaid_talk_s=line.unpaid_talk_s,
        refused_calls=line.refused_calls,
    )


@router.get("/audit-trail", responses=declared(), summary=marked("Who changed what, newest first"))
async def list_changes(
    caller: Reader,
    parts: Needs,
    limit: Limit = ROWS,
    after: AfterNumber = None,
) -> AuditTrail:
    found = await parts.store.read(
        lambda reader: changes(reader, caller.office_id, limit=limit, before=after)
    )
    shown = [
        ChangeShown(
            number=each.number,
            at=each.change.at,
            by=each.change.actor,
            action=each.change.action,
            subject=each.change.subject,
            before=each.change.before,
            after=each.change.after,
            reason=each.change.reason,
        )
        for each in found
    ]
    return AuditTrail(changes=shown, next=found[-1].number if len(found) == limit else None)
