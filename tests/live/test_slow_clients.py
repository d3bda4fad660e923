"""Slow clients at the portal, beside calls; the full size is `make slow-clients`."""

import pytest

from trials.slow_clients import SlowPlan, crowd
from trials.soak import SoakPlan

pytestmark = [pytest.mark.live, pytest.mark.long]


async def test_a_crowd_of_slow_clients_keeps_nobody_out_and_harms_no_call() -> None:
    """More of them than the portal takes at once, so that some are dropped."""
    plan = SlowPlan(clients=600, calls=SoakPlan(minutes=0.1, rate_per_s=1, seed=1))
    outcome = await crowd(plan, print)
    assert not outcome.problems
    assert outcome.judged.verdict.answered > 0
    assert outcome.connected > plan.clients
    assert sum(outcome.dropped.values()) > 50
