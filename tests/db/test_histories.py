"""Thousands of histories without a violation, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db import snapshot_store
from db.engine import open_engine
from tests.db.histories import hasty_sqlite, run_histories

HISTORIES = 200  # `make ledger` draws 10,000


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        with hasty_sqlite(tmp_path / "ledger.sqlite") as opened:
            yield opened
        return
    opened = open_engine(request.getfixturevalue("empty_postgresql"))
    yield opened
    opened.dispose()


@pytest.mark.timeout(600)
def test_no_history_violates_the_ledger(engine: Engine) -> None:
    run_histories(engine, HISTORIES)


def test_a_violation_would_be_found(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that posts and does not book is caught within few histories."""
    monkeypatch.setattr(snapshot_store, "_write_balances", lambda *_: None)
    with pytest.raises(AssertionError):
        run_histories(engine, 50)
