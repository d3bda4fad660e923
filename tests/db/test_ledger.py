"""What a call does to the stored ledger, on both databases."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import timedelta, timezone

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from charging.entries import CALL_KINDS, MOVEMENTS, OFFICE_ACCOUNTS, EntryKind, FundingSource
from charging.errors import ChargingUnavailable, EntryKeyReused, InsufficientBalance
from charging.usecases import Charging
from db.audit import audit
from db.engine import open_engine
from db.history import last_entries
from db.ledger import SqlLedger, read_from
from tests.db.tampering import without_rules
from tests.fakes.charging import GERMANY, charging_with, gbp, heard, request
from tests.fakes.clock import START, ManualClock


async def fill(charging: Charging, amount: str) -> None:
    await charging.top_up("main", amount=gbp(amount), key=f"fill-{amount}", actor="test", reason="")


def assert_sound(engine: Engine) -> None:
    assert read_from(engine, audit).problems == ()


async def test_a_whole_call_is_stored_entry_by_entry(charging: Charging, engine: Engine) -> None:
    await fill(charging, "5.00")
    authorised = await charging.authorise(request("c1", GERMANY))
    assert heard(authorised) == gbp("5.00")
    await charging.answered("c1", leg="o1", answered_at=START)
    await charging.reserve("c1", interval=1)
    await charging.debit("c1", interval=1)
    await charging.reserve("c1", interval=2)
    settled = await charging.settle("c1", talk_s=55, ended_at=START, hangup_cause=16)
    assert settled.charged == gbp("0.11")  # 0.05 + 60 s at 0.001: five increments of six seconds
    assert settled.available == gbp("4.89")
    entries = read_from(engine, lambda reader: last_entries(reader, office_id="main", limit=50))
    assert [
        (posted.entry.key, posting.source, posting.target, posting.amount)
        for posted in entries
        for posting in posted.entry.postings
    ] == [
        ("top-up:main:fill-5.00", "operator:funding:manual", "office:main:available", gbp("5")),
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
        await charging.top_up("main", amount=gbp("6"), key="fill-5.00", actor="test", reason="")
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
    assert set(map(heard, authorised)) == {gbp("5.00")}
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


ENTRY = (
    "INSERT INTO entries (office_id, number, key, kind, call_id, actor, posted_at)"
    " VALUES ('main', {number}, '{key}', '{kind}', {call_id}, '{actor}', '{posted_at}')"
)
POSTING = (
    "INSERT INTO postings (office_id, entry_number, line, source, target, micros, currency,"
    " source_after_micros, target_after_micros) VALUES ('main', {number}, {line}, '{source}',"
    " '{target}', {micros}, 'GBP', {source_after}, {target_after})"
)


def entry(**columns: object) -> str:
    """What somebody with a database client might try: by itself a top-up as it should be."""
    right = {
        "number": 3,
        "key": "top-up:main:x",
        "kind": "top-up",
        "call_id": "NULL",
        "actor": "me",
        "posted_at": "2027-01-01 00:00:00",
    }
    return ENTRY.format(**(right | columns))


def posting(**columns: object) -> str:
    """A second posting of the top-up: by itself as it should be."""
    right = {
        "number": 1,
        "line": 1,
        "source": "funding:card",
        "target": "available",
        "micros": 1,
        "source_after": "NULL",
        "target_after": 1,
    }
    return POSTING.format(**(right | columns))


@pytest.mark.parametrize("statement", [entry(), posting()])
async def test_the_database_takes_what_is_right(
    charging: Charging, engine: Engine, statement: str
) -> None:
    """Or what follows would prove nothing."""
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    with engine.begin() as connection:
        connection.execute(text(statement))


WRONG = (
    "UPDATE balances SET micros = -1 WHERE account = 'available'",
    "UPDATE balances SET micros = micros + 1 WHERE account = 'available'",
    "UPDATE balances SET currency = 'EUR'",
    "UPDATE balances SET entry_number = 1 WHERE account = 'reserved'",
    "DELETE FROM balances",
    "INSERT INTO balances VALUES ('main', 'owed', 'GBP', 0, 2, '2027-01-01 00:00:00')",
    "UPDATE entries SET actor = 'nobody'",
    "DELETE FROM entries",
    "UPDATE postings SET micros = 1",
    "DELETE FROM postings",
    entry(key="top-up:main:fill-5.00"),  # there is one
    entry(key="top-up:branch:x"),
    entry(key="x"),
    entry(key="top-up-cancel:main:x"),
    entry(key="call:c1:x", call_id="'c1'"),
    entry(key="call:c2:debit:0", kind="debit", call_id="'c1'"),
    entry(key="debit:main:0", kind="debit"),
    entry(actor=""),
    entry(number=2),
    entry(number=4),  # one is left out
    entry(number=0),
    entry(posted_at="2001-01-01 00:00:00"),  # before the entry before it
    posting(line=0),
    posting(micros=0),
    posting(micros=-1),
    posting(source="available", target="available", source_after=1),
    posting(source="revenue"),  # a top-up moves nothing from there
    posting(source="funding:gold"),
    posting(target="reserved"),
    posting(target_after="NULL"),
    posting(target_after=-1),
    posting(source_after=1),
    posting(number=3),  # there is no such entry
    "UPDATE calls SET held_micros = -1",
    "UPDATE calls SET debited_intervals = 9",
)


async def test_the_database_itself_refuses_money_that_is_wrong(
    charging: Charging, engine: Engine
) -> None:
    await fill(charging, "5.00")
    await charging.authorise(request("c1"))
    assert [statement for statement in WRONG if not is_refused(engine, statement)] == []
    assert_sound(engine)


def is_refused(engine: Engine, *statements: str) -> bool:
    """Nothing of it stays in any case."""
    with engine.connect() as connection:
        try:
            for statement in statements:
                connection.execute(text(statement))
        except DBAPIError:
            return True
        finally:
            connection.rollback()
    return False


def test_the_database_knows_the_same_movements_as_the_code(engine: Engine) -> None:
    assert {kind: set(movements_of(engine, kind)) for kind in EntryKind} == MOVEMENTS


def movements_of(engine: Engine, kind: EntryKind) -> Iterator[tuple[str, str]]:
    accounts = (*OFFICE_ACCOUNTS, "revenue", *(f"funding:{source}" for source in FundingSource))
    of_call = kind in CALL_KINDS
    first = entry(
        number=1,
        kind=kind,
        key="call:c1:x" if of_call else f"{kind}:main:x",
        call_id="'c1'" if of_call else "NULL",
    )
    for source, target in itertools.permutations(accounts, 2):
        after = {name: 0 if name in OFFICE_ACCOUNTS else "NULL" for name in (source, target)}
        moved = posting(
            source=source, target=target, source_after=after[source], target_after=after[target]
        )
        if not is_refused(engine, first, moved):
            yield source, target


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (
            "UPDATE balances SET micros = micros + 1 WHERE account = 'available'",
            "office:main:available: balance 4900001, postings sum to 4900000",
        ),
        (
            "DELETE FROM balances WHERE account = 'available'",
            "office:main:available: balance 0, postings sum to 4900000",
        ),
        (
            "UPDATE postings SET micros = 6, target_after_micros = 6 WHERE entry_number = 1",
            "office:main:available: entry 2 left 4900000, not -99994",
        ),
        (
            "UPDATE postings SET target_after_micros = 7 WHERE entry_number = 1",
            "office:main:available: entry 1 left 7, not 5000000",
        ),
        ("UPDATE entries SET number = 9 WHERE number = 2", "entry 9 does not follow 1"),
        ("DELETE FROM entries WHERE number = 1", "entry 2 does not follow 0"),
        (
            "UPDATE entries SET posted_at = '2001-01-01 00:00:00' WHERE number = 2",
            "entry 2 does not follow 1",
        ),
        ("DELETE FROM entries WHERE number = 2", "postings of entry 2, which does not exist"),
        ("DELETE FROM postings WHERE entry_number = 2", "call:c1:reserve:0: moves nothing"),
        ("DELETE FROM calls", "call:c1:reserve:0: there is no such call"),
        (
            (
                "UPDATE postings SET target = 'revenue', target_after_micros = NULL"
                " WHERE entry_number = 2"
            ),
            "call:c1:reserve:0: a reserve moves nothing from available to revenue",
        ),
        (
            "UPDATE entries SET reverses = 'call:c1:reserve:0' WHERE number = 1",
            "top-up:main:fill-5.00: reverses call:c1:reserve:0, which is no earlier entry",
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
    without_rules(engine, damage)
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
