"""The portal read beside calls; the full size is `make large-ledger`."""

from pathlib import Path

import pytest

from trials.large_ledger import LargePlan, run
from trials.soak import SoakPlan

pytestmark = [pytest.mark.live, pytest.mark.long]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_pages_and_files_of_many_rows_harm_no_call(database: str, tmp_path: Path) -> None:
    plan = LargePlan(rows=2_000, calls=SoakPlan(minutes=0.1, rate_per_s=2, seed=1))
    outcome = await run(plan, database, tmp_path, print)
    assert not outcome.problems
    assert outcome.judged.verdict.answered > 0
    assert outcome.judged.seen.files_lines
