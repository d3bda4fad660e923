"""Every outbound call, and the life of one."""

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from functools import partial

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.call_price import explain_price
from charging.csv_text import Cell
from charging.unpaid_calls import UnpaidCall
from db.call_lists import (
    CursorError,
    ListedCall,
    Place,
    WantedCalls,
    list_calls,
    listed_unpaid,
)
from db.call_requests import HangUpRequest, requests_of
from db.one_call import PaidCallLife, find_call
from portal import call_words
from portal.access import Reader
from portal.csv_file import csv_answer, every_row, local, plain
from portal.filters import CallsFilter
from portal.languages import marked
from portal.lists import CSV_ROWS, filter_of, full_page
from portal.parts import Needs
from portal.timeline import timeline
from portal.words import Words

router = APIRouter()

COLUMNS = (
    marked("Time"),
    marked("Call"),
    marked("Extension"),
    marked("Name"),
    marked("Number"),
    marked("Country"),
    marked("Kind"),
    marked("Talk time in seconds"),
    marked("Cost"),
    marked("Currency"),
    marked("Why refused"),
)


@router.get("/calls")
async def calls(request: Request, visit: Reader, parts: Needs) -> Response:
    form, listed = filter_of(CallsFilter, request, visit, parts)
    wanted, before = form.wanted_calls(*listed), _place(request)
    found, next_place = await parts.store.read(
        lambda reader: full_page(partial(_read, reader, visit.office_id, wanted), before)
    )
    costs = [call.cost for call in found if call.cost is not None]
    return parts.pages.page(
        request,
        "calls.html",
        form=form,
        calls=found,
        next=next_place,
        decimals=parts.pages.words(request).decimals(costs),
        say=call_words,
        first_page=before is None,
    )


def _read(
    reader: Connection, office_id: str, wanted: WantedCalls, limit: int, before: Place | None
) -> tuple[Sequence[ListedCall], Place | None]:
    page = list_calls(reader, office_id=office_id, limit=limit, wanted=wanted, before=before)
    return page.calls, page.before


def _place(request: Request) -> Place | None:
    text = request.query_params.get("after")
    try:
        return Place.parse(text) if text else None
    except CursorError:
        raise HTTPException(404) from None


@router.get("/calls.csv")
async def calls_csv(request: Request, visit: Reader, parts: Needs) -> Response:
    """The same calls as the page, all of them; read some at a time."""
    form, listed = filter_of(CallsFilter, request, visit, parts)
    wanted, words = form.wanted_calls(*listed), parts.pages.words(request)

    async def read(before: Place | None) -> tuple[Sequence[ListedCall], Place | None]:
        return await parts.store.read(
            lambda reader: _read(reader, visit.office_id, wanted, CSV_ROWS, before)
        )

    heading = [words.say(column) for column in COLUMNS]
    return csv_answer(
        "calls", heading, every_row(read), lambda call: _cells(words, listed.zone, call)
    )


def _cells(words: Words, zone: tzinfo, call: ListedCall) -> Iterable[Cell]:
    yield from (local(call.started_at, zone), words.say(call_words.OUTCOMES[call.outcome]))
    yield from (call.endpoint, call.extension, call_words.written(call.number, call.dialled))
    yield from (words.country(call.country), words.kind(call.kind), call.talk_s)
    yield from (plain(call.cost), "" if call.cost is None else call.cost.currency)
    yield call_words.why_refused(words, call.refusal, call.refusal_detail)


@router.get("/calls/{call_id}")
async def call(request: Request, call_id: str, visit: Reader, parts: Needs) -> Response:
    def query(reader: Connection) -> tuple[PaidCallLife | UnpaidCall | None, list[HangUpRequest]]:
        found = find_call(reader, office_id=visit.office_id, call_id=call_id)
        return found, [] if found is None else [*requests_of(reader, call_id)]

    found, requests = await parts.store.read(query)
    if found is None:
        raise HTTPException(404)
    if isinstance(found, UnpaidCall):
        return parts.pages.page(
            request, "unpaid_call.html", call=listed_unpaid(found), say=call_words
        )
    words, record = parts.pages.words(request), found.call
    price = explain_price(record, visit.at)
    plan = parts.offices.office(visit.office_id).plan.title
    return parts.pages.page(
        request,
        "call.html",
        call=record,
        price=price,
        why=call_words.why_it_cost(words, price),
        why_paid=call_words.why_paid(words, plan=plan, country=record.country, kind=record.kind),
        timeline=timeline(found, visit.at),
        requests=requests,
        say=call_words,
    )
