"""Some minutes of `make chaos`, each kind of breakage in an office of its own."""

import pytest

from trials.__main__ import SHORT
from trials.chaos import Plan, run

SEED = 20
QUICK = ("application", "asterisk")  # `make long` takes all of them

pytestmark = pytest.mark.live


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("what", "calls", "rate_per_s", "breakages"),
    [
        pytest.param(*short, id=short[0], marks=() if short[0] in QUICK else pytest.mark.long)
        for short in SHORT
    ],
)
async def test_no_call_is_charged_wrongly_whatever_breaks(
    what: str, calls: int, rate_per_s: int, breakages: int
) -> None:
    plan = Plan(what=what, calls=calls, rate_per_s=rate_per_s, breakages=breakages, seed=SEED)
    outcome = await run(plan, print)
    assert outcome.problems == ()
    assert outcome.verdict.answered > calls / 4  # else it tried nothing
