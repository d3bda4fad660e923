"""A call that is paid for is never ended by a defect, nor by a ledger that is away for a while."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ari_app.flow import Call, State
from ari_app.messages import DebitDue, EventsLost, ReserveDue
from charging.errors import (
    CallSettled,
    ConstraintBroken,
    EntryKeyReused,
    IntervalNotReserved,
    LedgerFault,
    UnknownCall,
)
from tests.ari_app.office_of_one import CALLER, LEG, OfficeOfOne, settle_down
from tests.fakes.charging import gbp

FAULTS: tuple[LedgerFault, ...] = (
    CallSettled("c1"),
    IntervalNotReserved("c1", 1),
    EntryKeyReused("call:c1:debit:0"),
    ConstraintBroken("a row is not as it was"),
    UnknownCall("c1"),
)
STEPS = ("answered", "debit", "reserve", "balance")


async def test_answer_that_the_ledger_could_not_take_is_written_as_soon_as_it_can_be() -> None:
    office = OfficeOfOne()
    await office.dial()
    (task,) = office.driver.tasks()
    office.played()
    await settle_down()
    office.ledger.away = True
    await office.talk_on(task)
    assert task.call.state is State.TALKING
    office.ledger.away = False
    office.driver.remind(task.call.call_id, DebitDue(interval=0, at_talk_s=1))
    await settle_down()
    record = office.ledger.calls[task.call.call_id]
    assert (record.leg, record.debited) == (LEG, gbp("0.10"))


async def test_debit_that_was_postponed_ends_no_call_and_the_call_is_charged_to_the_penny() -> None:
    """As after a lock of the database at the answer: the next increments go on as ever."""
    office = OfficeOfOne()
    task = await office.talk(since=timedelta(seconds=55))
    call_id = task.call.call_id
    for interval in (1, 2):
        office.driver.remind(call_id, ReserveDue(interval=interval, at_talk_s=50))
        await settle_down()
        office.ledger.away = interval == 1
        office.driver.remind(call_id, DebitDue(interval=interval, at_talk_s=60 * interval))
        await settle_down()
        office.ledger.away = False
    assert office.ari.hung_up == []
    assert office.ledger.calls[call_id].debited_intervals == 3
    await office.end(LEG, at=talked(task.call, 121))
    assert office.ledger.calls[call_id].debited == gbp("0.30")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.code)
@pytest.mark.parametrize("step", STEPS)
async def test_fault_of_one_step_of_the_ledger_ends_no_call(
    step: str, fault: LedgerFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    await goes_on_and_is_charged(step, fault, monkeypatch)


@pytest.mark.parametrize("step", STEPS)
async def test_defect_in_one_step_ends_no_call(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await goes_on_and_is_charged(step, RuntimeError("a defect"), monkeypatch)


async def goes_on_and_is_charged(
    step: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = OfficeOfOne()
    with monkeypatch.context() as broken:
        broken.setattr(office.charging, step, raising(error))
        task = await office.talk(since=timedelta(seconds=30))
        call_id = task.call.call_id
        for event in (
            ReserveDue(interval=1, at_talk_s=50),
            DebitDue(interval=0, at_talk_s=1),
            DebitDue(interval=1, at_talk_s=60),
        ):
            office.driver.remind(call_id, event)
            await settle_down()
    assert office.ari.hung_up == []
    assert office.driver.carries(call_id)
    assert task.call.state is State.TALKING
    await office.end(LEG, at=talked(task.call, 61))
    await office.end(CALLER)
    assert office.ledger.calls[call_id].debited == gbp("0.20")
    assert not office.driver.carries(call_id)


async def test_call_that_cannot_be_authorised_for_a_defect_is_refused_and_told_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = OfficeOfOne()
    monkeypatch.setattr(office.charging, "authorise", raising(RuntimeError("a defect")))
    await office.dial()
    (task,) = office.driver.tasks()
    assert task.call.state is State.REFUSING
    assert ("POST", f"channels/{CALLER}/play/{task.call.call_id}-prompt") in office.ari.asked


async def test_call_whose_task_a_defect_ended_talks_on_and_is_not_resumed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = OfficeOfOne()
    task = await office.talk()
    monkeypatch.setattr("ari_app.call_task.step", raising(RuntimeError("a defect")))
    office.driver.tell(task, EventsLost())
    await settle_down()
    assert not office.driver.carries(task.call.call_id)
    assert office.driver.failed_lately(task.call.call_id)
    assert office.ari.hung_up == []


async def test_caller_who_waits_for_a_task_that_a_defect_ended_is_sent_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = OfficeOfOne()
    await office.dial()
    monkeypatch.setattr("ari_app.call_task.step", raising(RuntimeError("a defect")))
    office.played()
    await settle_down()
    assert office.ari.asked[-1] == ("POST", f"channels/{CALLER}/continue")


async def test_leg_that_nobody_pays_for_is_hung_up_though_nobody_expected_it() -> None:
    office = OfficeOfOne()
    await office.dial()
    (task,) = office.driver.tasks()
    office.driver.take(
        {
            "type": "Dial",
            "caller": {"id": CALLER},
            "peer": {"id": "second"},
            "dialstatus": "",
            "timestamp": "2026-11-21T09:30:00.123+0000",
        }
    )
    await settle_down()
    assert office.ari.hung_up == ["second"]
    assert task.call.state is State.ANNOUNCING


def raising(error: Exception) -> Callable[..., Any]:
    def fails(*_: object, **__: object) -> Any:
        raise error

    return fails


def talked(call: Call, seconds: float) -> datetime:
    assert call.talk is not None
    return datetime.fromtimestamp(call.talk.answered_ms / 1000 + seconds).astimezone()
