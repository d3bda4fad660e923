"""Prepaid activity: what changed the balance, row by row, and what adds up to it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import Final, NamedTuple

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.csv_text import Cell
from charging.money import Money
from db.activity import (
    ActivityRow,
    Cursor,
    MoneyRow,
    PaidCallRow,
    RefusedRow,
    WantedActivity,
    activity,
    moment_of,
)
from db.activity_sums import FilteredSum, Totals, filtered_sum, totals
from db.call_lists import CursorError
from portal import call_words
from portal.access import Reader
from portal.csv_file import csv_answer, every_row, local, plain
from portal.filters import KIND_NAMES, ActivityFilter
from portal.languages import marked
from portal.lists import CSV_ROWS, filter_of, full_page
from portal.parts import Needs
from portal.words import Words

router = APIRouter()

SEARCHED_FOR_A_SUM: Final = 10_000  # calls; a file of them is for whoever wants more


class Shown(NamedTuple):
    rows: Sequence[ActivityRow]
    next: Cursor | None
    looked_to: datetime | None  # where no row was found and there are others to look at
    totals: Totals
    filtered: FilteredSum | None


@router.get("/activity")
async def prepaid_activity(request: Request, visit: Reader, parts: Needs) -> Response:
    form, listed = filter_of(ActivityFilter, request, visit, parts)
    wanted = form.wanted_activity(*listed)
    cursor = _cursor(request)

    def query(reader: Connection) -> Shown:
        office_id = visit.office_id
        rows, after = full_page(partial(_read, reader, office_id, wanted), cursor)
        return Shown(
            rows,
            after,
            None if rows or after is None else moment_of(reader, office_id, after),
            totals(reader, office_id=office_id, wanted=wanted),
            filtered_sum(
                reader, office_id=office_id, wanted=wanted, searched_max=SEARCHED_FOR_A_SUM
            )
            if form.narrows
            else None,
        )

    shown = await parts.store.read(query)
    words = parts.pages.words(request)
    return parts.pages.page(
        request,
        "activity.html",
        form=form,
        shown=shown,
        decimals=words.decimals(_amounts(shown)),
        say=call_words,
        kinds=KIND_NAMES,
        shape_of=_shape_of,
        first_page=cursor is None,
    )


def _read(
    reader: Connection, office_id: str, wanted: WantedActivity, limit: int, cursor: Cursor | None
) -> tuple[Sequence[ActivityRow], Cursor | None]:
    page = activity(reader, office_id=office_id, limit=limit, wanted=wanted, cursor=cursor)
    return page.rows, page.next


def _cursor(request: Request) -> Cursor | None:
    text = request.query_params.get("after")
    try:
        return Cursor.parse(text) if text else None
    except CursorError:
        raise HTTPException(404) from None


def _amounts(shown: Shown) -> Iterator[Money]:
    """Everything in the columns of money, so that all of it has equally many decimals."""
    for row in shown.rows:
        if isinstance(row, PaidCallRow | MoneyRow):
            yield from (row.amount, row.balance_after)
    yield from (shown.totals.opening, shown.totals.closing)


def _shape_of(row: ActivityRow) -> str:
    match row:
        case PaidCallRow():
            return "call"
        case MoneyRow():
            return "money"
        case RefusedRow():
            return "refused"


@router.get("/activity.csv")
async def activity_csv(request: Request, visit: Reader, parts: Needs) -> Response:
    """The same rows as the page, all of them; read some at a time."""
    form, listed = filter_of(ActivityFilter, request, visit, parts)
    wanted, words = form.wanted_activity(*listed), parts.pages.words(request)

    async def read(cursor: Cursor | None) -> tuple[Sequence[ActivityRow], Cursor | None]:
        return await parts.store.read(
            lambda reader: _read(reader, visit.office_id, wanted, CSV_ROWS, cursor)
        )

    heading = [words.say(column) for column in COLUMNS]
    return csv_answer(
        "activity", heading, every_row(read), lambda row: _cells(words, listed.zone, row)
    )


COLUMNS = (
    marked("Time"),
    marked("What"),
    marked("Extension"),
    marked("Name"),
    marked("Number"),
    marked("Country"),
    marked("Kind"),
    marked("Talk time in seconds"),
    marked("Rate a minute"),
    marked("Amount"),
    marked("Balance after"),
    marked("Currency"),
    marked("By"),
)


def _cells(words: Words, zone: tzinfo, row: ActivityRow) -> Iterable[Cell]:
    at = local(row.at, zone)
    match row:
        case PaidCallRow(call=call):
            what = call_words.OUTCOMES["paid"]
            yield from (at, words.say(what), call.endpoint, call.extension)
            yield from (call_words.written(call.number, call.dialled), words.country(call.country))
            yield from (words.kind(call.kind), call.talk_s, plain(call.rate.per_minute))
            yield from (plain(row.amount), plain(row.balance_after), row.amount.currency, "")
        case MoneyRow(posted=posted):
            yield from (at, words.say(KIND_NAMES[posted.entry.kind]), *[""] * 7)
            yield from (plain(row.amount), plain(row.balance_after), row.amount.currency)
            yield posted.entry.actor
        case RefusedRow(call=attempt):
            why = call_words.why_refused(words, attempt.refusal, attempt.refusal_detail)
            yield from (at, why, attempt.endpoint, attempt.extension)
            yield from (call_words.written(attempt.number, attempt.dialled),)
            yield from (words.country(attempt.country), words.kind(attempt.kind), *[""] * 6)
