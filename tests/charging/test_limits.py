"""Limits of an extension and of the whole office, and top-ups taken back."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from charging.errors import LimitReached, TopUpSpent, UnknownTopUp
from charging.ledger import LedgerCommand, SpendingScope
from charging.plan import Plan
from charging.ports import Ledger
from charging.usecases import Charging
from tests.fakes.charging import RECEPTION, UK_PLAN, charging_with, gbp, request
from tests.fakes.clock import START, ManualClock
from tests.fakes.ledger import MemoryLedger

WORKSHOP = replace(RECEPTION, endpoint="1002", number="1002", name="Workshop")


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


async def office(
    ledger: Ledger, *, clock: ManualClock | None = None, plan: Plan = UK_PLAN, **limits: object
) -> Charging:
    """Ten pounds, a limited reception and a workshop without limits."""
    reception = replace(RECEPTION, **limits)  # type: ignore[arg-type]
    charging = charging_with(ledger, extensions=[reception, WORKSHOP], clock=clock, plan=plan)
    await charging.top_up("main", amount=gbp("10"), key="fill", actor="test", reason="")
    return charging


async def talk(charging: Charging, call_id: str, minutes: int, *, endpoint: str = "1001") -> None:
    """A whole call at 0.10 a minute."""
    await charging.authorise(request(call_id, endpoint=endpoint))
    await charging.answered(call_id, leg=f"leg-{call_id}", answered_at=START)
    for interval in range(1, minutes):
        await charging.reserve(call_id, interval=interval)
        await charging.debit(call_id, interval=interval)
    await charging.settle(call_id, talk_s=60 * minutes, ended_at=START, hangup_cause=16)


async def test_an_extension_spends_no_more_in_a_day_than_its_limit(ledger: Ledger) -> None:
    charging = await office(ledger, day_limit=gbp("0.25"))
    await talk(charging, "c1", minutes=2)
    with pytest.raises(LimitReached) as refusal:
        await charging.authorise(request("c2"))
    assert (refusal.value.limit, refusal.value.code) == ("extension_day", "limit_reached")
    await talk(charging, "c3", minutes=1, endpoint="1002")


async def test_what_one_phone_spends_counts_to_nobody_elses_limit() -> None:
    """In one batch of commands, where another phone is limited and this one is not."""

    class AnotherIsLimited(MemoryLedger):
        def _spending(self, command: LedgerCommand[Any]) -> dict[SpendingScope, int]:
            del command
            return {SpendingScope("main", "1009", "2026-11-21"): 0}

    ledger = AnotherIsLimited()
    await talk(await office(ledger), "c1", minutes=2)
    assert (await ledger.balances("main", "GBP")).available == gbp("9.80")


async def test_what_was_reserved_and_released_does_not_count(ledger: Ledger) -> None:
    charging = await office(ledger, day_limit=gbp("0.10"))
    for call in ("c1", "c2", "c3"):
        await charging.authorise(request(call))
        await charging.settle(call, talk_s=0, ended_at=START, hangup_cause=17)
    await talk(charging, "c4", minutes=1)
    with pytest.raises(LimitReached):
        await charging.authorise(request("c5"))


async def test_a_limit_ends_a_running_call_too(ledger: Ledger) -> None:
    charging = await office(ledger, day_limit=gbp("0.20"))
    await charging.authorise(request("c1"))
    await charging.reserve("c1", interval=1)
    with pytest.raises(LimitReached):
        await charging.reserve("c1", interval=2)


async def test_a_new_day_begins_at_midnight_of_the_office(ledger: Ledger) -> None:
    clock = ManualClock(datetime(2026, 6, 30, 22, 30, tzinfo=UTC))  # 23:30 in London
    charging = await office(ledger, clock=clock, day_limit=gbp("0.10"))
    await talk(charging, "c1", minutes=1)
    clock.advance(29 * 60)
    with pytest.raises(LimitReached):
        await charging.authorise(request("c2"))
    clock.advance(60)
    await talk(charging, "c3", minutes=1)


async def test_an_extension_spends_no_more_in_a_month_than_its_limit(ledger: Ledger) -> None:
    clock = ManualClock(datetime(2026, 11, 29, 12, tzinfo=UTC))
    charging = await office(ledger, clock=clock, month_limit=gbp("0.20"))
    await talk(charging, "c1", minutes=1)
    clock.advance(24 * 3600)
    await talk(charging, "c2", minutes=1)
    with pytest.raises(LimitReached) as refusal:
        await charging.authorise(request("c3"))
    assert refusal.value.limit == "extension_month"
    clock.advance(24 * 3600)
    await talk(charging, "c4", minutes=1)


async def test_the_whole_office_spends_no_more_in_a_day_than_its_ceiling(ledger: Ledger) -> None:
    plan = replace(UK_PLAN, daily_ceiling=gbp("0.30"))
    charging = await office(ledger, plan=plan)
    await talk(charging, "c1", minutes=2)
    await talk(charging, "c2", minutes=1, endpoint="1002")
    for endpoint in ("1001", "1002"):
        with pytest.raises(LimitReached) as refusal:
            await charging.authorise(request("c3", endpoint=endpoint))
        assert refusal.value.limit == "office_day"


async def test_an_extension_has_no_more_paid_calls_at_once_than_its_limit(ledger: Ledger) -> None:
    charging = await office(ledger, calls_at_once=2)
    await charging.authorise(request("c1"))
    await charging.authorise(request("c2"))
    with pytest.raises(LimitReached) as refusal:
        await charging.authorise(request("c3"))
    assert refusal.value.limit == "calls_at_once"
    await charging.authorise(request("c4", endpoint="1002"))
    await charging.authorise(request("included", "02079460000"))
    await charging.settle("c1", talk_s=0, ended_at=START, hangup_cause=0)
    await charging.authorise(request("c5"))


async def test_a_limit_of_nothing_allows_nothing(ledger: Ledger) -> None:
    charging = await office(ledger, day_limit=gbp("0"))
    with pytest.raises(LimitReached):
        await charging.authorise(request("c1"))
    charging = await office(ledger, calls_at_once=0)
    with pytest.raises(LimitReached):
        await charging.authorise(request("c1"))


# --- top-ups taken back ----------------------------------------------------------------------


async def test_a_top_up_is_taken_back_once(ledger: Ledger) -> None:
    charging = await office(ledger)
    for _ in range(2):
        cancelled = await charging.cancel_top_up("main", key="fill", actor="test", reason="twice")
        assert cancelled.amount == gbp("10")
        assert cancelled.balances.available == gbp("0")
    await charging.top_up("main", amount=gbp("3"), key="again", actor="test", reason="")
    assert (
        await charging.cancel_top_up("main", key="fill", actor="test", reason="")
    ).amount == gbp("10")
    assert (await charging.balance("main")).available == gbp("3")


async def test_only_what_is_unspent_is_taken_back_and_live_calls_keep_their_reservation(
    ledger: Ledger,
) -> None:
    charging = await office(ledger)
    await talk(charging, "c1", minutes=1)
    await charging.authorise(request("c2"))
    cancelled = await charging.cancel_top_up("main", key="fill", actor="test", reason="")
    assert cancelled.amount == gbp("9.80")
    assert cancelled.balances.reserved == gbp("0.10")
    settled = await charging.settle("c2", talk_s=30, ended_at=START, hangup_cause=16)
    assert settled.charged == gbp("0.10")


async def test_a_spent_or_unknown_top_up_is_not_taken_back(ledger: Ledger) -> None:
    charging = await office(ledger)
    with pytest.raises(UnknownTopUp):
        await charging.cancel_top_up("main", key="another", actor="test", reason="")
    with pytest.raises(UnknownTopUp):
        await charging.cancel_top_up("branch", key="fill", actor="test", reason="")
    for call in range(100):
        await charging.authorise(request(f"c{call}"))
    with pytest.raises(TopUpSpent):
        await charging.cancel_top_up("main", key="fill", actor="test", reason="")
