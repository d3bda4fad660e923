"""What a monitor reads of the ledger: true, and cheap however long the ledger is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, event

from assembly.ledger_metrics import LedgerCollector
from charging.usecases import Charging
from db.audit import audit
from db.engine import open_engine
from db.ledger import SqlLedger, read_from
from db.ledger_figures import LedgerFigures, ledger_figures
from db.schema import upgrade
from tests.db.money import Office
from tests.db.tampering import without_rules
from tests.fakes.charging import GERMANY, gbp, request
from tests.fakes.clock import START, ManualClock


def figures_of(engine: Engine) -> LedgerFigures:
    now = START + timedelta(hours=1)
    return read_from(engine, lambda reader: ledger_figures(reader, now))


async def with_an_open_call(charging: Charging) -> None:
    await charging.top_up("main", amount=gbp("5.00"), key="fill", actor="test", reason="")
    await charging.authorise(request("c1", GERMANY))


async def test_the_figures_are_those_of_the_ledger(charging: Charging, engine: Engine) -> None:
    await with_an_open_call(charging)
    await charging.authorise(request("c2", GERMANY))
    await charging.settle("c2", talk_s=0, ended_at=START, hangup_cause=16)
    found = figures_of(engine)
    assert (found.open_calls, found.oldest_open_at) == (1, START)
    assert list(found.held) == [gbp("0.08")]
    assert {name: list(sums) for name, sums in found.balances.items()} == {
        "available": [gbp("4.92")],
        "reserved": [gbp("0.08")],
    }
    assert found.entries == read_from(engine, audit).entries == 4
    assert (found.balances_not_last, found.reserved_not_held) == (0, 0)


def test_a_ledger_without_entries_has_figures_too(engine: Engine) -> None:
    found = figures_of(engine)
    assert (found.entries, found.open_calls, found.oldest_open_at) == (0, 0, None)
    assert (found.balances_not_last, found.reserved_not_held) == (0, 0)


async def test_refills_and_what_the_processor_is_to_be_asked_are_counted(
    ledger: SqlLedger, engine: Engine, clock: ManualClock
) -> None:
    office = Office(ledger, engine, clock)
    await office.fill("20.00")
    await office.save_card()
    await office.arm("10.00", "5.00")
    await office.spend("18.00")  # below the threshold: a refill is claimed
    found = figures_of(engine)
    assert found.refill_policies == {("armed", ""): 1}
    assert found.payments_due == {("refill", "claimed"): 1}
    assert found.payment_due_at is not None


@pytest.mark.parametrize(
    ("tampering", "disagreements"),
    [
        ("UPDATE balances SET micros = micros + 1 WHERE account = 'available'", (1, 0)),
        ("UPDATE balances SET micros = micros + 1 WHERE account = 'reserved'", (1, 1)),
        ("UPDATE calls SET held_micros = held_micros + 1", (0, 1)),
        ("UPDATE balances SET entry_number = 1 WHERE account = 'reserved'", (1, 0)),
    ],
)
async def test_a_balance_that_other_rows_contradict_is_counted(
    charging: Charging, engine: Engine, tampering: str, disagreements: tuple[int, int]
) -> None:
    await with_an_open_call(charging)
    without_rules(engine, tampering)
    found = figures_of(engine)
    assert (found.balances_not_last, found.reserved_not_held) == disagreements


def test_no_figure_reads_a_table_that_grows_with_every_call(tmp_path: Path) -> None:
    """SQLite says of each statement whether it walks a table, or finds rows by an index."""
    engine = open_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    upgrade(engine)
    asked: list[tuple[str, Any]] = []
    event.listen(
        engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, _x, _many: asked.append((statement, parameters)),
    )
    figures_of(engine)
    statements = [each for each in asked if each[0].lstrip().startswith("SELECT")]
    with engine.connect() as reader:
        plans = [
            str(row.detail)
            for statement, parameters in statements
            for row in reader.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    engine.dispose()
    assert len(statements) > 8
    walked = [plan for plan in plans if plan.startswith("SCAN") and " INDEX " not in plan]
    grows = [plan for plan in walked if plan.split()[1] in {"calls", "entries", "postings"}]
    assert not grows, grows


async def test_prometheus_reads_them_and_that_the_database_is_away(
    charging: Charging, engine: Engine, tmp_path: Path
) -> None:
    await with_an_open_call(charging)
    registry = CollectorRegistry()
    registry.register(LedgerCollector(engine))
    assert registry.get_sample_value("tollgate_ledger_up") == 1
    assert registry.get_sample_value("tollgate_ledger_open_calls") == 1
    balance = {"account": "available", "currency": "GBP"}
    assert registry.get_sample_value("tollgate_ledger_balance", balance) == 4.92
    away, empty = CollectorRegistry(), open_engine(f"sqlite:///{tmp_path}/empty.sqlite")
    away.register(LedgerCollector(empty))
    assert away.get_sample_value("tollgate_ledger_up") == 0
    assert away.get_sample_value("tollgate_ledger_open_calls") is None
    empty.dispose()
