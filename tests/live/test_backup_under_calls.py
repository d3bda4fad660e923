"""A little of `make backup-trial`: calls go on while the ledger is copied."""

from pathlib import Path

import pytest

from trials.backups import BackupPlan, run

pytestmark = [pytest.mark.live, pytest.mark.long]


@pytest.mark.timeout(240)
async def test_a_backup_under_calls_misses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    plan = BackupPlan(calls=20, rate_per_s=4, backups=1, seed=3)
    outcome = await run(plan, "sqlite", tmp_path, print)
    assert outcome.problems == ()
    assert outcome.acknowledged
