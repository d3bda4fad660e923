"""A phone's last paid call, as both databases find it."""

from datetime import timedelta

from sqlalchemy import Engine, text

from charging.usecases import Charging
from db.ledger import SqlLedger
from tests.fakes.charging import gbp, request
from tests.fakes.clock import START, ManualClock


async def make_call(charging: Charging, call_id: str, *, talk_s: int) -> None:
    await charging.authorise(request(call_id))
    if talk_s:
        await charging.answered(call_id, leg="leg", answered_at=START)
    await charging.settle(call_id, talk_s=talk_s, ended_at=START, hangup_cause=16)


async def test_last_call_is_the_last_one_of_this_phone_that_was_answered_and_is_over(
    charging: Charging, ledger: SqlLedger, clock: ManualClock
) -> None:
    await charging.top_up("main", amount=gbp("5.00"), key="opening", actor="test", reason="")
    assert await ledger.last_call("main", "1001") is None
    for call_id, talk_s in (("c1", 10), ("c2", 70), ("c3", 0)):
        await make_call(charging, call_id, talk_s=talk_s)
        clock.advance(seconds=timedelta(hours=9).seconds)  # into the next day, too
    await charging.authorise(request("still-talking"))
    last = await ledger.last_call("main", "1001")
    assert last is not None
    assert (last.call_id, last.debited) == ("c2", gbp("0.20"))
    assert await ledger.last_call("main", "1002") is None
    assert await ledger.last_call("other", "1001") is None


def test_last_call_is_found_by_an_index(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return  # PostgreSQL's planner rightly reads a small table whole
    with engine.connect() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT * FROM calls WHERE office_id = 'main'"
                " AND endpoint = '1001' AND settled_at IS NOT NULL AND talk_s > 0"
                " ORDER BY spending_day DESC, authorised_at DESC LIMIT 1"
            )
        ).all()
    assert "USING INDEX ix_calls_office_id_spending_day_endpoint" in plan[0].detail
