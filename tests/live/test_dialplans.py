"""The walker of dialplans against Asterisk itself; `make dialplans` does it ten thousand times."""

import pytest

from trials.dialplans import compare

pytestmark = pytest.mark.live


async def test_asterisk_takes_the_steps_that_the_walker_says_it_takes() -> None:
    found = await compare(200, 20261126, lambda _: None)
    assert found.problems == []
    assert found.calls == 200
    assert found.steps > 1000
    assert found.legs > 50
