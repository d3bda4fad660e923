"""The walker of dialplans against Asterisk itself; `make dialplans` does it ten thousand times."""

import pytest

from trials.dialplans import compare
from trials.ungated_calls import confirm

pytestmark = pytest.mark.live


async def test_asterisk_takes_the_steps_that_the_walker_says_it_takes() -> None:
    found = await compare(200, 20261126, lambda _: None)
    assert found.problems == []
    assert found.calls == 200
    assert found.steps > 1000
    assert found.legs > 50


async def test_what_the_walk_finds_free_reaches_the_carrier_from_a_real_phone() -> None:
    confirmed = await confirm(3, 20261126, lambda _: None)
    assert confirmed.problems == ()
    assert confirmed.calls == 3
