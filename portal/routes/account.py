"""Prepaid Account: the balance, and what moves it now."""

from datetime import timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import Connection
from starlette.responses import Response

from charging.call_price import CallPrice, explain_price
from charging.errors import UnknownCall
from charging.ledger import Balances, CallRecord
from charging.money import Money
from db.call_requests import ask_to_hang_up
from db.ledger import balances_of
from db.one_call import live_calls
from db.reports import SpentBy, report
from portal import call_words
from portal.access import Manager, Reader, Visit
from portal.charts import days_left, gauge
from portal.pages import done
from portal.parts import Needs

router = APIRouter()

PACE_DAYS = 14  # from which the days that are left are told


class LiveCall(NamedTuple):
    call: CallRecord
    price: CallPrice


class Standing(NamedTuple):
    """Everything of the ledger that the page shows, read at one moment."""

    balances: Balances
    spent: Money
    live: list[LiveCall]


@router.get("/")
async def balance(request: Request, visit: Reader, parts: Needs) -> Response:
    standing = await _standing(visit, parts)
    return parts.pages.page(request, "balance.html", **_shown(standing))


@router.get("/live")
async def live(request: Request, visit: Reader, parts: Needs) -> Response:
    """The part of the page that a script asks for again and again."""
    standing = await _standing(visit, parts)
    return parts.pages.page(request, "live.html", **_shown(standing))


def _shown(standing: Standing) -> dict[str, Any]:
    available = standing.balances.available
    return {
        "balances": standing.balances,
        "gauge": gauge(available, None),
        "days": days_left(available, standing.spent, PACE_DAYS),
        "live": standing.live,
        "say": call_words,
    }


async def _standing(visit: Visit, parts: Needs) -> Standing:
    office = parts.offices.office(visit.office_id)
    today = visit.at.astimezone(office.time_zone).date()

    def query(reader: Connection) -> Standing:
        lines = report(
            reader,
            office_id=office.id,
            by=SpentBy.DAY,
            first=today - timedelta(days=PACE_DAYS - 1),
            last=today,
            currency=office.currency,
        )
        spent = sum((line.spent for line in lines), start=Money(0, office.currency))
        calls = live_calls(reader, office.id)
        return Standing(
            balances=balances_of(reader, office.id, office.currency),
            spent=spent,
            live=[LiveCall(call, explain_price(call, visit.at)) for call in calls],
        )

    return await parts.store.read(query)


@router.post("/calls/{call_id}/hang-up")
async def hang_up(call_id: str, visit: Manager, parts: Needs) -> Response:
    """A request: the application that carries the call does it."""
    try:
        await parts.store.call(
            lambda engine: ask_to_hang_up(
                engine,
                office_id=visit.office_id,
                call_id=call_id,
                actor=visit.user.actor,
                reason="",
                at=visit.at,
                client_address=visit.client_address,
            )
        )
    except UnknownCall:
        raise HTTPException(404) from None
    return done("/", "hanging_up")
