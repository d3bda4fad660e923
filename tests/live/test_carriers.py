"""No good call is cut by the temper of its carrier or phone, and a dead paid leg ends.

`make carriers` is the whole of it: two minutes, and every refusal in every way.
"""

from pathlib import Path

import pytest

from trials.carriers import SHORT, run

pytestmark = [pytest.mark.live, pytest.mark.long]


async def test_good_calls_last_and_dead_paid_legs_end(tmp_path: Path) -> None:
    outcome = await run(SHORT, tmp_path)
    assert outcome.problems == ()
    assert len(outcome.rows) == len(SHORT.tempers) + len(SHORT.phones)
    # A refresh that is refused ends the call, but only after another half of the session.
    assert [row.temper for row in outcome.rows if row.refreshes] == []
