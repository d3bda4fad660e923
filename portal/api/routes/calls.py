"""Calls: those under way, all of them, one with its life, and the wish that one end."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request
from sqlalchemy import Connection

from charging.call_price import explain_price
from charging.errors import UnknownCall
from charging.unpaid_calls import UnpaidCall
from db.call_lists import (
    CursorError,
    ListedCall,
    Place,
    WantedCalls,
    list_calls,
    listed_paid,
    listed_unpaid,
)
from db.call_requests import HangUpRequest, ask_to_hang_up, requests_of
from db.one_call import PaidCallLife, find_call, live_calls
from portal.api.access import Manager, Reader
from portal.api.calls_models import (
    CallOutcome,
    Calls,
    HangUp,
    LiveCalls,
    OneCall,
    call_shown,
    entry_shown,
    hang_up_shown,
    live_call,
    price_shown,
)
from portal.api.paths import api_router
from portal.api.problems import ProblemError, declared
from portal.api.speaking import words_for
from portal.api.values import (
    ROWS,
    After,
    Country,
    Endpoint,
    Id,
    Limit,
    Number,
    Since,
    Until,
)
from portal.languages import marked
from portal.parts import Needs
from portal.words import Words

router = api_router()


@router.get("/live-calls", responses=declared(), summary=marked("Paid calls under way"))
async def list_live_calls(caller: Reader, parts: Needs) -> LiveCalls:
    found = await parts.store.read(lambda reader: live_calls(reader, caller.office_id))
    calls = [live_call(call, explain_price(call, caller.at)) for call in found]
    return LiveCalls(at=caller.at, calls=calls)


@router.get(
    "/calls",
    responses=declared("invalid_cursor"),
    summary=marked("Every outbound call, newest first"),
)
async def list_every_call(  # noqa: PLR0913, PLR0917 - each is one filter
    request: Request,
    caller: Reader,
    parts: Needs,
    since: Since = None,
    until: Until = None,
    outcome: Annotated[CallOutcome | None, Query(description="Only those.")] = None,
    phone: Endpoint = None,
    country: Country = None,
    number: Number = None,
    limit: Limit = ROWS,
    after: After = None,
) -> Calls:
    wanted = WantedCalls(
        since=since,
        until=until,
        outcomes=frozenset(() if outcome is None else (outcome.value,)),
        extension=phone,
        country=country,
        number=number,
    )
    before = _place(after)
    page = await parts.store.read(
        partial(list_calls, office_id=caller.office_id, limit=limit, wanted=wanted, before=before)
    )
    words = words_for(request, parts, caller)
    further = None if page.before is None else str(page.before)
    return Calls(calls=[call_shown(words, call) for call in page.calls], next=further)


def _place(text: str | None) -> Place | None:
    try:
        return Place.parse(text) if text else None
    except CursorError:
        raise ProblemError("invalid_cursor") from None


@router.get(
    "/calls/{call_id}",
    responses=declared("unknown_call"),
    summary=marked("One call: its price taken apart, and every entry that it made"),
)
async def show_call(request: Request, call_id: Id, caller: Reader, parts: Needs) -> OneCall:
    def query(reader: Connection) -> tuple[PaidCallLife | UnpaidCall | None, list[HangUpRequest]]:
        found = find_call(reader, office_id=caller.office_id, call_id=call_id)
        return found, [] if found is None else [*requests_of(reader, call_id)]

    found, requests = await parts.store.read(query)
    words = words_for(request, parts, caller)
    match found:
        case None:
            raise ProblemError("unknown_call")
        case UnpaidCall():
            return _one(words, listed_unpaid(found))
        case PaidCallLife(call=record, entries=entries):
            price = price_shown(words, explain_price(record, caller.at))
            return _one(words, listed_paid(record)).model_copy(
                update={
                    "price": price,
                    "entries": [entry_shown(posted) for posted in entries],
                    "hang_ups": [hang_up_shown(each) for each in requests],
                }
            )


def _one(words: Words, call: ListedCall) -> OneCall:
    shown = call_shown(words, call)
    return OneCall(**dict(shown), price=None, entries=[], hang_ups=[])


@router.post(
    "/calls/{call_id}/hang-up",
    status_code=HTTPStatus.ACCEPTED,
    responses=declared("unknown_call"),
    summary=marked("Ask that a paid call end; asked again, it is the same request"),
)
async def hang_up(call_id: Id, caller: Manager, parts: Needs) -> HangUp:
    try:
        asked = await parts.store.call(
            lambda engine: ask_to_hang_up(
                engine,
                office_id=caller.office_id,
                call_id=call_id,
                actor=caller.actor,
                reason="",
                at=caller.at,
                client_address=caller.client_address,
            )
        )
    except UnknownCall:
        raise ProblemError("unknown_call") from None
    return hang_up_shown(asked)
