"""What is broken on purpose, one breakage at a time, until the calls are over."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from random import Random

from lab.errors import LabError
from lab.fault_proxy import Fault, FaultProxy
from lab.paid_office import PaidOffice

# Where a `kill -9` of the application would hurt most: just after it said one of these.
NAMED_POINTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("call_authorised", {}),
    ("balance_playing", {}),
    ("balance_announced", {}),
    ("state", {"state": "dialling"}),
    ("state", {"state": "talking"}),
    ("increment_debited", {"interval": 0}),
    ("increment_reserved", {}),
    ("state", {"state": "ended"}),
    ("call_settled", {}),
)
POINT_TIMEOUT_S = 5
DATABASE_AWAY_S = (0.5, 7.0)  # the second longer than a transaction waits


Breakage = Callable[[PaidOffice, Random], Awaitable[None]]


async def kill_application(paid: PaidOffice, random: Random) -> None:
    """`kill -9` at a random moment or at a named point, and start it again."""
    if random.random() < 0.5:  # noqa: PLR2004 - half and half
        await asyncio.sleep(random.uniform(0.1, 3.0))
    else:
        event, facts = random.choice(NAMED_POINTS)
        seen = len(paid.application.entries())
        try:
            await paid.application.wait_for(event, after=seen, timeout_s=POINT_TIMEOUT_S, **facts)
        except LabError:
            return  # no call came that far in time
    await paid.application.kill()
    await paid.application.start()


async def kill_asterisk(paid: PaidOffice, random: Random) -> None:
    await asyncio.sleep(random.uniform(4.0, 10.0))
    await paid.office.asterisk.kill()
    seen = len(paid.application.entries())
    await paid.office.asterisk.start()
    await paid.application.wait_for("ready", after=seen, timeout_s=30)


def break_connection(proxy: FaultProxy) -> Breakage:
    async def breakage(paid: PaidOffice, random: Random) -> None:
        del paid
        await asyncio.sleep(random.uniform(0.5, 4.0))
        await proxy.break_for(random.uniform(0.2, 8.0), random.choice(list(Fault)))

    return breakage


async def stop_database(paid: PaidOffice, random: Random) -> None:
    """Hold SQLite's write lock, for longer at times than a transaction waits for it."""
    await asyncio.sleep(random.uniform(1.0, 6.0))
    _, _, file = paid.settings.database.url.partition("sqlite:///")
    holder = await asyncio.to_thread(sqlite3.connect, file, timeout=30, check_same_thread=False)
    try:
        await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
        await asyncio.sleep(random.uniform(*DATABASE_AWAY_S))
        holder.rollback()
    finally:
        holder.close()
