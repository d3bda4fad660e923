"""What a call does to the stored ledger, on both databases."""

import asyncio
from datetime import timedelta, timezone

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from charging.errors import ChargingUnavailable, EntryKeyReused, InsufficientBalance
from charging.usecases import Charging
from db.audit import audit
from db.engine import open_engine
from db.history import last_entries
from db.ledger import SqlLedger, read_from
from tests.fakes.charging import GERMANY, charging_with, gbp, request
from tests.fakes.clock import START, ManualClock


async def fill(charging: Charging, amount: str) -> None:
    await charging.top_up("main", amount=gbp(amount), key=f"fill-{amount}", note="")


def assert_sound(engine: Engine) -> None:
    assert read_from(engine, audit).problems == ()


async def test_a_whole_call_is_stored_entry_by_entry(charging: Charging, engine: Engine) -> None:
    await fill(charging, "5.00")
    authorised = await charging.authorise(request("c1", GERMANY))
    assert authorised.balance == gbp("5.00")
    await charging.answered("c1", leg="o1", answered_at=START)
    await charging.reserve("c1", interval=1)
    await charging.debit("c1", interval=1)
    await charging.reserve("c1", interval=2)
    settled = await charging.settle("c1", talk_s=55, ended_at=START, hangup_cause=16)
    assert settled.charged == gbp("0.11")  # 0.05 + 60 s at 0.001: five increments of six seconds
    assert settled.available == gbp("4.89")
    entries = read_from(engine, lambda reader: last_entries(reader, office_id="main", limit=50))
    assert [
        (entry.key, posting.source, posting.target, posting.amount)
        for entry in entries
        for posting in entry.postings
    ] == [
        ("top-up:main:fill-5.00", "operator:funding", "office:main:available", gbp("5")),
        ("call:c1:reserve:0", "office:main:available", "office:main:reserved", gbp("0.08")),
        ("call:c1:debit:0", "office:main:reserved", "operator:revenue", gbp("0.08")),
        ("call:c1:reserve:1", "office:main:available", "office:main:reserved", gbp("0.006")),
        ("call:c1:debit:1", "office:main:reserved", "operator:revenue", gbp("0.006")),
        ("call:c1:reserve:2", "office:main:available", "office:main:reserved", gbp("0.006")),
        ("call:c1:settle", "office:main:reserved", "operator:revenue", gbp("0.006")),
        ("call:c1:settle", "office:main:available", "operator:revenue", gbp("0.018")),
    ]
    assert_sound(engine)


async def test_a_ledger_opened_again_knows_everything(url: str) -> None:
    engine = open_engine(url)
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        await fill(charging, "5.00")
        await charging.authorise(request("c1"))
        await charging.answered("c1", leg="o1", answered_at=START)
    async with SqlLedger(open_engine(url)) as ledger:
        charging = charging_with(ledger)
        (call,) = await charging.open_calls("pbx")
        assert (call.call_id, call.leg, call.answered_at) == ("c1", "o1", START)
        settled = await charging.settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
        assert settled.charged == gbp("0.20")
        assert await charging.open_calls("pbx") == []
        assert (await charging.balance("main")).available == gbp("4.80")


async def test_every_step_may_be_repeated_and_changes_nothing(
    charging: Charging, engine: Engine
) -> None:
    for _ in range(2):
        await fill(charging, "5.00")
        await charging.authorise(request("c1"))
        await charging.answered("c1", leg="o1", answered_at=START)
        await charging.reserve("c1", interval=1)
        await charging.debit("c1", interval=1)
    for talk_s in (100, 60):
        settled = await charging.settle("c1", talk_s=talk_s, ended_at=START, hangup_cause=16)
        assert settled.charged == gbp("0.20")
    with pytest.raises(EntryKeyReused):
        await charging.top_up("main", amount=gbp("6"), key="fill-5.00", note="")
    assert (await charging.balance("main")).available == gbp("4.80")
    assert_sound(engine)


async def test_commands_of_one_batch_see_one_another_and_fail_alone(
    charging: Charging, engine: Engine
) -> None:
    await fill(charging, "0.35")
    outcomes = await asyncio.gather(
        *(charging.authorise(request(f"c{n}")) for n in range(5)),
        charging.answered("nobody", leg="o1", answered_at=START),
        fill(charging, "0.00001"),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientBalance)]
    assert len(refused) == 2
    assert [refusal.available for refusal in refused] == [gbp("0.05"), gbp("0.05")]
    balances = await charging.balance("main")
    assert (balances.available, balances.reserved) == (gbp("0.05001"), gbp("0.30"))
    assert_sound(engine)


async def test_with_money_for_nine_of_fifty_from_five_processes_nine_are_authorised(
    charging: Charging, url: str
) -> None:
    await fill(charging, "0.95")
    ledgers = [SqlLedger(open_engine(url)) for _ in range(5)]
    workers = [charging_with(ledger) for ledger in ledgers]
    outcomes = await asyncio.gather(
        *(workers[n % 5].authorise(request(f"c{n}")) for n in range(50)), return_exceptions=True
    )
    for ledger in ledgers:
        await ledger.close()
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 9
    assert sum(isinstance(outcome, InsufficientBalance) for outcome in outcomes) == 41
    assert (await charging.balance("main")).available == gbp("0.05")


async def test_one_call_settled_by_two_processes_is_settled_once(
    charging: Charging, url: str, engine: Engine
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    others = [SqlLedger(open_engine(url)) for _ in range(4)]
    settlements = await asyncio.gather(
        *(
            charging_with(ledger).settle("c1", talk_s=61, ended_at=START, hangup_cause=16)
            for ledger in others
        )
    )
    for ledger in others:
        await ledger.close()
    assert [settlement.already for settlement in settlements].count(False) == 1
    assert {settlement.charged for settlement in settlements} == {gbp("0.20")}
    assert (await charging.balance("main")).available == gbp("4.80")
    assert_sound(engine)


async def test_one_call_authorised_by_two_processes_is_one_call(
    charging: Charging, url: str, engine: Engine
) -> None:
    await fill(charging, "5.00")
    others = [SqlLedger(open_engine(url)) for _ in range(4)]
    authorised = await asyncio.gather(
        *(charging_with(ledger).authorise(request("c1")) for ledger in others)
    )
    for ledger in others:
        await ledger.close()
    assert {authorisation.balance for authorisation in authorised} == {gbp("5.00")}
    assert (await charging.balance("main")).reserved == gbp("0.10")
    assert_sound(engine)


async def test_an_office_that_two_processes_fill_first_gets_both_amounts(
    url: str, engine: Engine
) -> None:
    ledgers = [SqlLedger(open_engine(url)) for _ in range(4)]
    await asyncio.gather(
        *(fill(charging_with(ledger), f"{n}") for n, ledger in enumerate(ledgers, start=1))
    )
    for ledger in ledgers:
        await ledger.close()
    async with SqlLedger(engine) as ledger:
        assert (await ledger.balances("main", "GBP")).available == gbp("10")


async def test_a_database_without_tables_is_unavailable_and_not_a_crash(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE balances RENAME TO elsewhere"))
    async with SqlLedger(engine) as ledger:
        charging = charging_with(ledger)
        with pytest.raises(ChargingUnavailable):
            await fill(charging, "5.00")
        with pytest.raises(ChargingUnavailable):
            await charging.balance("main")
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO balances"))
        await fill(charging, "5.00")
        assert (await charging.balance("main")).available == gbp("5")


def posting(key: str, *, target: str, micros: int) -> str:
    return (  # what somebody with a database client might try
        "INSERT INTO postings (entry_key, line, office_id, source, target, micros, currency,"  # noqa: S608
        f" posted_at) VALUES ('{key}', 0, 'main', 'a', '{target}', {micros}, 'GBP', '2026-01-01')"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balances SET micros = -1 WHERE account = 'office:main:available'",
        "UPDATE postings SET micros = 1",
        "DELETE FROM postings",
        posting("top-up:main:fill-5.00", target="b", micros=1),
        posting("another", target="b", micros=0),
        posting("another", target="a", micros=1),
        "UPDATE calls SET held_micros = -1",
        "UPDATE calls SET debited_intervals = 9",
    ],
)
async def test_the_database_itself_refuses_money_that_is_wrong(
    charging: Charging, engine: Engine, statement: str
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text(statement))
    assert_sound(engine)


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "UPDATE balances SET micros = micros + 1 WHERE account = 'office:main:available'",
            "office:main:available: balance 4900001, postings sum to 4900000",
        ),
        (
            "DELETE FROM balances WHERE account = 'office:main:available'",
            "office:main:available: balance 0, postings sum to 4900000",
        ),
        ("UPDATE calls SET held_micros = 0", "office:main:reserved: balance 100000, its calls"),
        ("UPDATE calls SET debited_micros = 7", "call c1: debited 7, postings sum to 0"),
        ("UPDATE balances SET currency = 'EUR'", "not of the currency of its account"),
    ],
)
async def test_the_audit_finds_what_was_tampered_with(
    charging: Charging, engine: Engine, damage: str, finding: str
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    with engine.begin() as connection:
        connection.execute(text(damage))
    found = read_from(engine, audit)
    assert not found.sound
    assert any(finding in problem for problem in found.problems), found.problems


async def test_a_clock_of_another_zone_stores_the_same_moment(
    charging: Charging, clock: ManualClock
) -> None:
    await fill(charging, "5.00")
    clock.set(START.astimezone(timezone(timedelta(hours=5))))
    await charging.authorise(request("c1"))
    (call,) = await charging.open_calls("pbx")
    assert call.authorised_at == START
