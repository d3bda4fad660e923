"""What customer care adds and takes, on both databases."""

import asyncio

import pytest
from sqlalchemy import Engine

from charging.adjustments import Adjustment
from charging.errors import InsufficientBalance
from db.audit import audit
from db.audit_trail import changes
from db.history import last_entries
from db.ledger import SqlLedger, read_from
from tests.db.money import Office
from tests.fakes.charging import gbp
from tests.fakes.clock import ManualClock

BY = "user:carol@example.com"


@pytest.fixture
def office(ledger: SqlLedger, engine: Engine, clock: ManualClock) -> Office:
    return Office(ledger, engine, clock)


async def deduct(office: Office, key: str) -> bool:
    try:
        await office.money_in.adjust(
            "main", Adjustment.DEDUCT, gbp("1"), by=BY, key=key, reason="too much"
        )
    except InsufficientBalance:
        return False
    return True


async def test_of_twenty_deductions_at_once_as_many_happen_as_there_is_money_for(
    office: Office, engine: Engine
) -> None:
    await office.fill("9.50")
    done = await asyncio.gather(*(deduct(office, f"d{number}") for number in range(20)))
    assert done.count(True) == 9
    assert (await office.money_in.balances("main")).available == gbp("0.50")
    assert read_from(engine, audit).problems == ()


async def test_an_adjustment_and_its_record_are_one_change(office: Office, engine: Engine) -> None:
    for _ in range(2):
        done = await office.money_in.adjust(
            "main", Adjustment.GRANT, gbp("2"), by=BY, key="g", reason="an outage"
        )
    assert done.balances.available == gbp("2")
    [entry] = read_from(engine, lambda reader: last_entries(reader, office_id="main", limit=9))
    assert (entry.entry.key, entry.entry.actor) == ("grant:main:g", BY)
    [row] = read_from(engine, lambda reader: changes(reader, "main", limit=9))
    assert (row.change.action, row.change.reason) == ("balance.grant", "an outage")
