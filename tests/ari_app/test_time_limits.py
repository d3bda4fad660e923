"""When Asterisk is told how long a leg may last, and in which order."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from ari_app.driver import TOLD_AT_ONCE, Driver
from ari_app.messages import IncrementReserved
from tests.ari_app.office_of_one import CALLER, LEG, OfficeOfOne, settle_down


async def test_limit_of_the_leg_comes_before_the_words_for_its_end() -> None:
    office = OfficeOfOne()
    task = await office.talk(since=timedelta(seconds=50))
    office.driver.tell(task, IncrementReserved(interval=1, funded_s=120))
    await settle_down()
    assert office.ami.asked == [f"AbsoluteTimeout {LEG}", f"Setvar {CALLER} TOLLGATE_PAID_MS"]
    now_s = asyncio.get_running_loop().time()
    assert office.ami.ends_at_s[0] - now_s <= 120 - 50 - 0.15  # of its clock: nothing was added


@dataclass
class Waiting:
    """A call whose leg ends at a time; Asterisk answers when it is let."""

    ends_at_s: float
    told: list[float]
    untold: bool = False
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
