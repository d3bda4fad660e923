"""What is asked of a call is done by who carries it, until the call is over."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from ari_app import hang_up_requests
from ari_app.hang_up_requests import HangUps
from charging.errors import ChargingUnavailable
from db.call_requests import HangUpRequest, HangUpRequests, Outcome
from tests.ari_app.office_of_one import CALLER, LEG, OfficeOfOne
from tests.fakes.clock import START


class Asked(HangUpRequests):
    """One request, as long as nobody has said what became of it."""

    def __init__(self, call_id: str) -> None:
        self.request = HangUpRequest(
            request_id="r1",
            office_id="main",
            call_id=call_id,
            actor="user:anna",
            reason="",
            asked_at=START,
            outcome=None,
            done_at=None,
        )
        self.settled = False
        self.fails: list[Exception] = []
        self.outcomes: list[Outcome] = []
        self.done = asyncio.Event()

    async def still_open(self) -> Sequence[HangUpRequest]:
        if self.fails:
            raise self.fails.pop(0)
        return [] if self.outcomes else [self.request]

    async def is_over(self, call_id: str) -> bool:
        assert call_id == self.request.call_id
        return self.settled

    async def finish(self, request_id: str, outcome: Outcome, *, at: datetime) -> None:
        assert (request_id, at.tzinfo) == ("r1", at.tzinfo)
        self.outcomes.append(outcome)
        self.done.set()


async def test_the_carrier_leg_of_a_talking_call_is_hung_up_and_the_call_settled() -> None:
    office = OfficeOfOne()
    task = await office.talk()
    asked = Asked(task.call.call_id)
    hang_ups = HangUps(asked, office.driver)
    await hang_ups.look()
    await asyncio.sleep(0)
    assert office.ari.hung_up == [LEG]
    assert asked.outcomes == []
    await office.end(LEG)
    await office.end(CALLER)
    asked.settled = True
    await hang_ups.look()
    assert asked.outcomes == [Outcome.HUNG_UP]
    (call,) = office.ledger.calls.values()
    assert call.settled_at is not None
    await hang_ups.look()
    assert asked.outcomes == [Outcome.HUNG_UP]


async def test_a_call_that_still_hears_the_balance_is_hung_up_by_its_caller() -> None:
    office = OfficeOfOne()
    await office.dial()
    (task,) = office.driver.tasks()
    await HangUps(Asked(task.call.call_id), office.driver).look()
    await asyncio.sleep(0)
    assert office.ari.hung_up == [CALLER]


async def test_a_call_that_was_over_before_is_said_to_have_been() -> None:
    office = OfficeOfOne()
    asked = Asked("c0")
    hang_ups = HangUps(asked, office.driver)
    await hang_ups.look()
    assert asked.outcomes == []  # open in the ledger and not carried yet: it will be resumed
    asked.settled = True
    await hang_ups.look()
    assert asked.outcomes == [Outcome.OVER]


async def test_neither_the_database_nor_a_defect_ends_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hang_up_requests, "LOOK_EVERY_S", 0)
    asked = Asked("c0")
    asked.settled = True
    asked.fails = [ChargingUnavailable("away"), RuntimeError("a defect")]
    looking = asyncio.create_task(HangUps(asked, OfficeOfOne().driver).run())
    async with asyncio.timeout(5):
        await asked.done.wait()
    assert asked.outcomes == [Outcome.OVER]
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
