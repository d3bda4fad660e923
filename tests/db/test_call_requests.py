"""Requests to hang up: one for each call, done once, with who asked in the audit trail."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from charging.errors import UnknownCall
from charging.usecases import Charging
from db.audit_trail import changes
from db.call_requests import HangUpRequests, Outcome, ask_to_hang_up, requests_of
from db.ledger import read_from
from tests.fakes.charging import gbp, request
from tests.fakes.clock import START, ManualClock


@pytest.fixture
async def call_id(charging: Charging) -> str:
    await charging.top_up("main", amount=gbp("10"), key="k", actor="test", reason="")
    authorised = await charging.authorise(request("c1"))
    return authorised.call_id


async def test_a_request_is_open_until_it_is_done_and_then_never_again(
    engine: Engine, call_id: str
) -> None:
    ask = partial(ask_to_hang_up, engine, office_id="main", call_id=call_id, reason="why", at=START)
    asked = ask(actor="user:anna")
    assert ask(actor="user:ben") == asked  # before it is done, it is the same request
    requests = HangUpRequests(engine, asterisk="pbx")
    assert await requests.still_open() == [asked]
    assert await HangUpRequests(engine, asterisk="another").still_open() == []
    done_at = START + timedelta(seconds=1)
    await requests.finish(asked.request_id, Outcome.HUNG_UP, at=done_at)
    await requests.finish(asked.request_id, Outcome.OVER, at=done_at)
    assert await requests.still_open() == []
    (found,) = read_from(engine, partial(requests_of, call_id=call_id))
    assert (found.outcome, found.done_at) == (Outcome.HUNG_UP, done_at)
    again = ask(actor="user:ben")
    assert again.request_id != asked.request_id
    trail = read_from(engine, lambda reader: changes(reader, "main", limit=10))
    assert [(each.change.actor, each.change.action) for each in trail] == [
        ("user:ben", "call.hang_up"),
        ("user:anna", "call.hang_up"),
    ]


async def test_a_call_of_another_office_cannot_be_hung_up(engine: Engine, call_id: str) -> None:
    for office_id, wanted in (("branch", call_id), ("main", "c2")):
        with pytest.raises(UnknownCall):
            ask_to_hang_up(
                engine, office_id=office_id, call_id=wanted, actor="x", reason="", at=START
            )
    assert await HangUpRequests(engine, asterisk="pbx").still_open() == []


async def test_a_call_is_over_when_it_is_settled(
    engine: Engine, charging: Charging, call_id: str, clock: ManualClock
) -> None:
    requests = HangUpRequests(engine, asterisk="pbx")
    assert not await requests.is_over(call_id)
    await charging.settle(call_id, talk_s=0, ended_at=clock.now(), hangup_cause=16)
    assert await requests.is_over(call_id)
