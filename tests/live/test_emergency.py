"""Emergency calls connect whatever stands against a paid call.

`python -m trials emergency` places a hundred of them under each condition.
"""

import re
from pathlib import Path

import pytest

from tests.live.conftest import StartOffice
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


async def test_no_call_is_ignored_while_events_wait_for_the_application(
    start_office: StartOffice,
) -> None:
    """Left to itself, Asterisk ignores an INVITE while any of its queues is long."""
    async with start_office(opening=None) as paid:
        settings = await paid.office.asterisk.cli("pjsip show settings")
        assert re.search(r"taskprocessor_overload_trigger\s*: pjsip_only\b", settings)
