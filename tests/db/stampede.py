"""Many processes on one balance: debits of which a fifth is sent twice, and a race for the money.

`python -m tests.db.stampede 100000` makes at least that many on each database; the tests fewer.
"""

import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import func, select

from charging.errors import ChargingUnavailable, InsufficientBalance
from charging.ledger import Balances
from charging.money import Money
from charging.rate_deck import RateDeck
from charging.usecases import Charging
from db.audit import audit
from db.engine import open_engine
from db.ledger import SqlLedger, read_from
from db.models import balances
from db.schema import upgrade
from lab.postgresql import running_server
from tests.fakes.charging import OneDeck, charging_with, deck_row, gbp, rate, request
from tests.fakes.clock import START

PROCESSES = 16
CALLS_EACH = 4  # live calls of each process
REPEATED = 5  # one in so many is sent twice
PRICE = gbp("0.01")  # of every increment
DECK = RateDeck([deck_row("33", "France", rate("0.01"))], currency="GBP")
JOIN_TIMEOUT_S = 1800
Result = TypeVar("Result")

# Workers are forked from a small server that has loaded everything once.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.db.stampede"])


@dataclass(frozen=True)
class Stampede:
    debits: int
    repeated: int
    end: Balances
    lowest_seen: int
    problems: tuple[str, ...]


def stampede(url: str, debits: int) -> Stampede:
    """Let all processes debit one balance, while another one keeps reading it."""
    share = -(-debits // (PROCESSES * CALLS_EACH))
    debits = share * PROCESSES * CALLS_EACH
    asyncio.run(_fill(url, debits))
    done, lowest = _context.Event(), _context.SimpleQueue()
    reader = _context.Process(target=_watch, args=(url, done, lowest))
    reader.start()
    repeated = sum(_in_processes(PROCESSES, _debit_many, url, share))
    done.set()
    lowest_seen = lowest.get()
    reader.join(JOIN_TIMEOUT_S)
    engine = open_engine(url)
    problems = read_from(engine, audit).problems
    engine.dispose()
    return Stampede(
        debits=debits,
        repeated=repeated,
        end=asyncio.run(_balances(url)),
        lowest_seen=lowest_seen,
        problems=problems,
    )


def race(url: str, *, callers: int, money_for: int) -> tuple[int, Balances]:
    """Let callers in ten processes ask at one moment; how many were authorised."""
    asyncio.run(_fill(url, money_for))
    each = callers // 10
    authorised = sum(_in_processes(10, _authorise_at_once, url, each))
    return authorised, asyncio.run(_balances(url))


# --- in the processes ------------------------------------------------------------------------


def _in_processes(
    count: int, work: Callable[[str, int, int], Awaitable[int]], url: str, share: int
) -> list[int]:
    """What each process answers; all begin at one moment."""
    barrier, answers = _context.Barrier(count), _context.SimpleQueue()
    processes = [
        _context.Process(target=_run, args=(work, url, number, share, barrier, answers))
        for number in range(count)
    ]
    for process in processes:
        process.start()
    found = [answers.get() for _ in processes]
    for process in processes:
        process.join(JOIN_TIMEOUT_S)
    return found


def _run(  # noqa: PLR0913, PLR0917 - what a process is given
    work: Callable[[str, int, int], Awaitable[int]],
    url: str,
    number: int,
    share: int,
    barrier: Barrier,
    answers: "SimpleQueue[int]",
) -> None:
    barrier.wait()
    answers.put(asyncio.run(work(url, number, share)))  # type: ignore[arg-type]


async def _debit_many(url: str, number: int, share: int) -> int:
    """A few calls side by side, an increment at a time; how many commands were sent twice."""
    async with SqlLedger(open_engine(url)) as ledger:
        charging = _charging(ledger)
        return sum(
            await asyncio.gather(
                *(_one_call(charging, f"p{number}-c{call}", share) for call in range(CALLS_EACH))
            )
        )


async def _one_call(charging: Charging, call_id: str, increments: int) -> int:
    dice = random.Random(call_id)  # noqa: S311 - every run is the same
    await _until_done(lambda: charging.authorise(request(call_id)))
    await _until_done(lambda: charging.answered(call_id, leg=call_id, answered_at=START))
    repeated = 0
    steps: tuple[_Step, ...] = (charging.reserve, charging.debit)
    for interval in range(increments):
        for step in steps:
            send = partial(step, call_id, interval=interval)
            await _until_done(send)
            if dice.randrange(REPEATED) == 0:
                repeated += 1
                await _until_done(send)
    await _until_done(
        lambda: charging.settle(call_id, talk_s=60 * increments, ended_at=START, hangup_cause=16)
    )
    return repeated


class _Step(Protocol):
    def __call__(self, call_id: str, *, interval: int) -> Awaitable[object]: ...


async def _until_done(send: Callable[[], Awaitable[Result]]) -> Result:
    """A database that is busy for long says so; sending the same again is what one does then."""
    while True:
        try:
            return await send()
        except ChargingUnavailable:
            continue


async def _authorise_at_once(url: str, number: int, callers: int) -> int:
    async with SqlLedger(open_engine(url)) as ledger:
        charging = _charging(ledger)
        outcomes = await asyncio.gather(
            *(charging.authorise(request(f"p{number}-c{n}")) for n in range(callers)),
            return_exceptions=True,
        )
    refused = sum(isinstance(outcome, InsufficientBalance) for outcome in outcomes)
    authorised = sum(not isinstance(outcome, BaseException) for outcome in outcomes)
    if refused + authorised != callers:
        raise AssertionError(outcomes)
    return authorised


def _watch(url: str, done: Event, lowest: "SimpleQueue[int]") -> None:
    engine = open_engine(url)
    query = select(func.min(balances.c.micros))
    seen = 0
    while not done.is_set():
        seen = min(seen, read_from(engine, lambda reader: reader.scalar(query)) or 0)
    lowest.put(seen)


def _charging(ledger: SqlLedger) -> Charging:
    return charging_with(ledger, decks=OneDeck(DECK))


async def _fill(url: str, increments: int) -> None:
    async with SqlLedger(open_engine(url)) as ledger:
        amount = Money(PRICE.micros * increments, PRICE.currency)
        await _charging(ledger).top_up("main", amount=amount, key="fill", actor="test", reason="")


async def _balances(url: str) -> Balances:
    async with SqlLedger(open_engine(url)) as ledger:
        return await ledger.balances("main", PRICE.currency)


# --- by hand ---------------------------------------------------------------------------------


def _report(name: str, url: str, debits: int) -> bool:
    began = time.monotonic()
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    found = stampede(url, debits)
    exact = found.end.available.micros == found.end.reserved.micros == 0
    sound = exact and not found.problems and found.lowest_seen == 0
    sys.stdout.write(
        f"{name}: {found.debits} debits and {found.repeated} repeats by {PROCESSES} processes in"
        f" {time.monotonic() - began:.0f} s: {'exact' if sound else found}\n"
    )
    return sound


def _main() -> None:
    debits = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        sound = _report("SQLite", f"sqlite:///{Path(folder) / 'ledger.sqlite'}", debits)
    with running_server(durable=True) as server:
        sound = _report("PostgreSQL", server.url(), debits) and sound
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    _main()
