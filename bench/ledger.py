"""Durable debits a second on one account: together, against one transaction for each.

Three ways on the same database in the same run, every commit waiting for the disk: group commit as
the application does it; the same commands in a transaction each; and the least SQL that a debit can
be, a conditional update and an insert, in a transaction each. They take turns, so that what else
the machine does is shared out among them.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from bench.figures import Figure
from charging.commands import AuthoriseCall, DebitInterval, ReserveInterval, TopUp
from charging.ledger import NO_LIMITS
from db.batches import BatchRunner
from db.engine import WRITER, open_engine
from db.ledger import SqlLedger
from db.schema import upgrade
from lab.postgresql import running_server
from tests.db.histories import call_record
from tests.fakes.charging import gbp, rate
from tests.fakes.clock import START

CALLS = 500  # live at the same time, all on one account
INCREMENTS = 8  # of each call, in each round
ALONE = 500  # debits with a transaction each, in each round
ROUNDS = 6
GOAL_TIMES = 5
_PLAIN_UPDATE = "UPDATE plain_balances SET micros = micros - 1 WHERE id = 1 AND micros >= 1"
_PLAIN_INSERT = text("INSERT INTO plain_debits VALUES (:n, 1)")


def run() -> list[Figure]:
    with on_sqlite() as engine:
        figures = _measure("SQLite", engine)
    with on_postgresql() as engine:
        return [*figures, *_measure("PostgreSQL", engine)]


def _measure(name: str, engine: Engine) -> list[Figure]:
    upgrade(engine)
    with engine.connect().execution_options(**WRITER) as writer:
        _create_plain_tables(writer)
    took_s = {"together": 0.0, "alone": 0.0, "least": 0.0}
    for number in range(ROUNDS):
        took_s["together"] += asyncio.run(_together(engine, f"together-{number}"))
        took_s["alone"] += _alone(engine, f"alone-{number}")
        took_s["least"] += _least(engine, number)
    together = ROUNDS * CALLS * INCREMENTS / took_s["together"]
    alone = ROUNDS * ALONE / took_s["alone"]
    what = f"durable debits on one account, {name}"
    return [
        Figure(
            what=what,
            unit="per second",
            value=together,
            beside=alone,
            beside_what="one transaction each",
            goal=f"at least {GOAL_TIMES} times",
            met=together >= GOAL_TIMES * alone,
        ),
        Figure(
            what=what,
            unit="per second",
            value=together,
            beside=ROUNDS * ALONE / took_s["least"],
            beside_what="one bare UPDATE and INSERT each, nothing checked",
        ),
    ]


async def _together(engine: Engine, name: str) -> float:
    """Every call debits its next increment as soon as the last one is on disk. In seconds."""
    async with SqlLedger(engine) as ledger:
        await _prepare(ledger, name, CALLS, INCREMENTS)
        began = time.perf_counter()
        await asyncio.gather(*(_debit_all(ledger, f"{name}-{n}") for n in range(CALLS)))
        return time.perf_counter() - began


async def _debit_all(ledger: SqlLedger, call_id: str) -> None:
    for interval in range(INCREMENTS):
        await ledger.carry_out(DebitInterval(call_id=call_id, interval=interval, at=START))


def _alone(engine: Engine, name: str) -> float:
    asyncio.run(_prepare_alone(engine, name))
    runner = BatchRunner(engine)
    began = time.perf_counter()
    for n in range(ALONE):
        runner.run([DebitInterval(call_id=f"{name}-{n}", interval=0, at=START)])
    took_s = time.perf_counter() - began
    runner.close()
    return took_s


def _least(engine: Engine, number: int) -> float:
    """What one would write by hand, on the driver itself."""
    first = number * ALONE
    with engine.connect().execution_options(**WRITER) as writer:
        began = time.perf_counter()
        for n in range(first, first + ALONE):
            with writer.begin():
                writer.exec_driver_sql(_PLAIN_UPDATE)
                writer.execute(_PLAIN_INSERT, {"n": n})
        return time.perf_counter() - began


async def _prepare_alone(engine: Engine, name: str) -> None:
    async with SqlLedger(engine) as ledger:
        await _prepare(ledger, name, ALONE, 1)


async def _prepare(ledger: SqlLedger, name: str, calls: int, increments: int) -> None:
    """Authorised calls with everything reserved that is to be debited."""
    await ledger.carry_out(
        TopUp(office_id="main", amount=gbp("1000000"), key=name, actor="bench", reason="", at=START)
    )
    records = [call_record("main", f"{name}-{n}", rate("0.01"), NO_LIMITS) for n in range(calls)]
    await asyncio.gather(
        *(ledger.carry_out(AuthoriseCall(record, calls_at_once=None)) for record in records)
    )
    for interval in range(1, increments):
        await asyncio.gather(
            *(
                ledger.carry_out(
                    ReserveInterval(call_id=record.call_id, interval=interval, at=START)
                )
                for record in records
            )
        )


def _create_plain_tables(writer: Connection) -> None:
    with writer.begin():
        writer.execute(text("CREATE TABLE plain_balances (id INTEGER PRIMARY KEY, micros BIGINT)"))
        writer.execute(text("CREATE TABLE plain_debits (id INTEGER PRIMARY KEY, micros BIGINT)"))
        writer.execute(text("INSERT INTO plain_balances VALUES (1, 1000000000)"))


@contextmanager
def on_sqlite() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'ledger.sqlite'}")
        yield engine
        engine.dispose()


@contextmanager
def on_postgresql() -> Iterator[Engine]:
    with running_server(durable=True) as server:
        engine = open_engine(server.url())
        yield engine
        engine.dispose()
