"""A call that somebody asks to end: from a row in the database to the carrier's leg."""

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest

from db.call_requests import HangUpRequest, Outcome, ask_to_hang_up, requests_of
from db.engine import open_engine
from db.ledger import read_from
from lab.paid_office import OFFICE_ID, PaidOffice
from tests.live.conftest import FRANCE, INCREMENT_S, PER_INCREMENT, StartOffice
from trials.oracle import charged_rightly

pytestmark = pytest.mark.live


def ask(paid: PaidOffice, call_id: str) -> HangUpRequest:
    engine = open_engine(paid.settings.database.url)
    asked = ask_to_hang_up(
        engine,
        office_id=OFFICE_ID,
        call_id=call_id,
        actor="user:anna",
        reason="too long",
        at=datetime.now(UTC),
    )
    engine.dispose()
    return asked


def became(paid: PaidOffice, call_id: str) -> HangUpRequest:
    engine = open_engine(paid.settings.database.url)
    (found,) = read_from(engine, partial(requests_of, call_id=call_id))
    engine.dispose()
    return found


async def test_a_talking_call_is_ended_by_a_request_and_settled_as_the_carrier_counted(
    start_office: StartOffice,
) -> None:
    async with start_office() as paid, paid.office.phone("1001") as phone:
        await phone.dial(FRANCE)
        debited = await paid.application.wait_for("interval_debited", interval=0, timeout_s=30)
        call_id = str(debited["call_id"])
        await asyncio.to_thread(ask, paid, call_id)
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert call.ended_by == "office"
        await phone.wait_for("CALL_CLOSED")
        settled = await paid.application.wait_for("call_settled")
        assert charged_rightly(call, settled["increments"], INCREMENT_S)
        assert settled["charged_micros"] == PER_INCREMENT.micros * settled["increments"]
        await paid.application.wait_for("hang_up_done", outcome="hung_up")
        request = await asyncio.to_thread(became, paid, call_id)
        assert (request.outcome, request.actor) == (Outcome.HUNG_UP, "user:anna")
        assert (await paid.audit()).sound
