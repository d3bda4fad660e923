"""A little of `make money-chaos`: every process that moves money is killed, on SQLite."""

import math
from pathlib import Path

import pytest

from trials.money_chaos import MoneyPlan, run


@pytest.mark.live
@pytest.mark.long
@pytest.mark.timeout(400)
async def test_whatever_is_killed_each_charge_is_credited_once(tmp_path: Path) -> None:
    plan = MoneyPlan(kills=5, breakages=1, offices=8, seed=1, settled_within_s=math.inf)
    outcome = await run(plan, "sqlite", tmp_path)
    assert outcome.charged
    assert not outcome.wrong, outcome
