"""Rows of what is not charged, as SQLite and PostgreSQL keep them."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from charging.errors import ChargingUnavailable, ConstraintBroken
from charging.unpaid_calls import UnpaidCall
from db.ledger import read_from
from db.one_call import find_call
from db.unpaid_calls import UnpaidCalls
from tests.fakes.clock import START

DECIDED = UnpaidCall(
    call_id="c1",
    office_id="main",
    endpoint="1001",
    extension="Reception",
    asterisk="pbx",
    caller_channel="pbx-1.1",
    dialled="02079460000",
    number="442079460000",
    country="GB",
    kind="landline",
    category="included",
    started_at=START,
    day="2026-11-21",
)
# The log knows the phone's channel and its times, and perhaps not whose call it was.
SEEN = replace(
    DECIDED,
    extension="",
    started_at=START + timedelta(milliseconds=40),
    answered_at=START + timedelta(seconds=2),
    ended_at=START + timedelta(seconds=9),
    talk_s=7,
    hangup_cause=16,
)
BOTH = replace(SEEN, extension="Reception", started_at=START)


@pytest.fixture
def rows(engine: Engine) -> UnpaidCalls:
    return UnpaidCalls(engine)


def kept(engine: Engine) -> object:
    return read_from(engine, partial(find_call, office_id="main", call_id="c1"))


def test_what_each_knows_is_kept_whoever_is_first_and_however_often(
    engine: Engine, rows: UnpaidCalls
) -> None:
    rows.write(known=[DECIDED])
    assert kept(engine) == DECIDED
    for _ in range(2):
        rows.write(seen=[SEEN])
        rows.write(known=[DECIDED])
        assert kept(engine) == BOTH


def test_what_the_log_knows_alone_is_completed_by_what_was_decided(
    engine: Engine, rows: UnpaidCalls
) -> None:
    rows.write(seen=[SEEN])
    rows.write(known=[DECIDED], seen=[replace(SEEN, answered_at=None, ended_at=None, talk_s=None)])
    assert kept(engine) == replace(BOTH, started_at=SEEN.started_at)


def test_how_far_the_log_is_read_is_written_with_the_rows(rows: UnpaidCalls) -> None:
    assert rows.read_until("pbx") is None
    for minutes in (1, 5):
        moment = START + timedelta(minutes=minutes)
        rows.write(seen=[SEEN], asterisk="pbx", read_until=moment)
        assert rows.read_until("pbx") == moment
    assert rows.read_until("another") is None


@pytest.mark.parametrize(
    "wrong",
    [
        replace(DECIDED, category="emergency"),
        replace(DECIDED, category="paid"),  # the ledger has those
        replace(SEEN, refusal="no_rate"),
        replace(SEEN, talk_s=-1),
    ],
)
def test_the_database_refuses_a_row_that_is_none_and_writes_nothing_of_its_batch(
    engine: Engine, rows: UnpaidCalls, wrong: UnpaidCall
) -> None:
    with pytest.raises(ConstraintBroken):
        rows.write(known=[DECIDED, replace(wrong, call_id="c2")], read_until=START, asterisk="pbx")
    assert kept(engine) is None
    assert rows.read_until("pbx") is None


def test_a_database_that_is_away_is_no_defect_of_a_row(engine: Engine, rows: UnpaidCalls) -> None:
    with engine.connect() as breaking, breaking.begin():
        breaking.exec_driver_sql("ALTER TABLE unpaid_calls RENAME TO gone")
    with pytest.raises(ChargingUnavailable):
        rows.write(known=[DECIDED])
