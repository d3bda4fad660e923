"""What the portal is measured over is a ledger that its own audit finds sound."""

from datetime import timedelta
from functools import partial

from sqlalchemy import Engine

from charging.money import Money
from db.activity import (
    WantedActivity,
    activity,
)
from db.activity_sums import filtered_sum, totals
from db.audit import audit
from db.call_lists import WantedCalls, list_calls
from db.ledger import read_from
from lab.two_years import PRICE, fill_two_years
from tests.fakes.clock import START


def test_calls_that_the_database_wrote_are_what_the_ledger_would_have(engine: Engine) -> None:
    fill_two_years(engine, calls=40, unpaid=60, first=START, last=START + timedelta(days=2))
    found = read_from(engine, audit)
    assert found.problems == ()
    rows = read_from(engine, partial(activity, office_id="main", limit=1000)).rows
    assert len(rows) == 40 + 1 + 60 // 20
    summed = read_from(engine, partial(totals, office_id="main"))
    assert summed.calls == Money(-40 * PRICE, "GBP")
    germany = WantedActivity(calls=WantedCalls(country="DE"))
    of_germany = read_from(engine, partial(filtered_sum, office_id="main", wanted=germany))
    assert of_germany is not None
    assert (of_germany.calls, of_germany.amount) == (4, Money(-4 * PRICE, "GBP"))
    listed = read_from(engine, partial(list_calls, office_id="main", limit=1000)).calls
    assert {call.outcome for call in listed} == {"paid", "included", "refused"}
    assert len(listed) == 100
