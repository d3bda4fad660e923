"""When Asterisk is told how long a leg may last, and in which order."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from ari_app.call_task import EVENTS_WAITING_MAX
from ari_app.driver import TOLD_AT_ONCE, Driver
from ari_app.messages import IntervalReserved, KeyPressed
from tests.ari_app.office_of_one import CALLER, LEG, OfficeOfOne, settle_down


async def test_limit_of_the_leg_comes_before_the_words_for_its_end() -> None:
    office = OfficeOfOne()
    task = await office.talk(since=timedelta(seconds=50))
    office.driver.tell(task, IntervalReserved(interval=1, funded_s=120))
    await settle_down()
    assert office.ami.asked == [f"AbsoluteTimeout {LEG}", f"Setvar {CALLER} TOLLGATE_PAID_MS"]
    now_s = asyncio.get_running_loop().time()
    assert office.ami.ends_at_s[0] - now_s <= 120 - 50 - 0.15  # of its clock: nothing was added


async def test_leg_that_a_defect_kept_from_being_told_of_is_told_of_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = OfficeOfOne()
    task = await office.talk(since=timedelta(seconds=50))

    async def fails(_: str, *, at_s: float) -> None:
        raise RuntimeError(f"a defect at {at_s}")

    with monkeypatch.context() as broken:
        broken.setattr(office.ami, "end_at", fails)
        office.driver.tell(task, IntervalReserved(interval=2, funded_s=180))
        await settle_down()
    told = len(office.ami.ends_at_s)
    await office.driver.extend_timeouts(pending_only=True)
    await office.driver.extend_timeouts(pending_only=True)
    assert len(office.ami.ends_at_s) == told + 1


async def test_keys_pressed_in_a_call_keep_out_no_event_of_its_money() -> None:
    office = OfficeOfOne()
    task = await office.talk(since=timedelta(seconds=50))
    for _ in range(2 * EVENTS_WAITING_MAX):
        office.driver.tell(task, KeyPressed("1"))
    office.driver.tell(task, IntervalReserved(interval=2, funded_s=180))
    await settle_down()
    assert task.call.funded_s == 180


async def test_calls_are_let_go_of_when_the_application_ends_and_stay_as_they_are() -> None:
    office = OfficeOfOne()
    task = await office.talk()
    await office.driver.close()
    assert not office.driver.carries(task.call.call_id)
    assert office.ari.hung_up == []
    assert office.ledger.calls[task.call.call_id].settled_at is None


@dataclass
class Waiting:
    """A call whose leg ends at a time; Asterisk answers when it is let."""

    ends_at_s: float
    told: list[float]
    limit_pending: bool = False
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def extend_timeout(self) -> None:
        self.told.append(self.ends_at_s)
        await self.answer.wait()


async def test_after_ami_was_away_the_soonest_to_end_is_told_first_and_nobody_waits_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    office = OfficeOfOne()
    told: list[float] = []
    calls = [Waiting(float(at_s), told) for at_s in range(3 * TOLD_AT_ONCE, 0, -1)]
    monkeypatch.setattr(Driver, "tasks", lambda _: tuple(calls))
    telling = asyncio.create_task(office.driver.extend_timeouts())
    await settle_down()
    assert told == sorted(told)  # the first batch, and no more than that
    assert len(told) == TOLD_AT_ONCE
    for call in calls:
        call.answer.set()
    await telling
    assert told == sorted(told)
    assert len(told) == len(calls)
