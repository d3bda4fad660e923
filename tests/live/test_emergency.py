"""Emergency calls connect whatever stands against a paid call.

`python -m trials emergency` places a hundred of them under each condition.
"""

from pathlib import Path

import pytest

from trials.emergency import CONDITIONS, NUMBERS, Condition, run

pytestmark = pytest.mark.live

CALLS = 6


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
async def test_emergency_calls_reach_the_carrier_and_cost_nothing(
    condition: Condition, tmp_path: Path
) -> None:
    outcome = await run(condition, CALLS, tmp_path)
    assert outcome.problems == ()
    assert outcome.answered == dict.fromkeys(NUMBERS, CALLS // len(NUMBERS))
