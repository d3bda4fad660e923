"""What is broken on purpose, one breakage at a time, until the calls are over."""

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from sqlalchemy import Connection, text

from db.engine import WRITER, open_engine
from lab.application import Application
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
    ("interval_debited", {"interval": 0}),
    ("interval_reserved", {}),
    ("state", {"state": "ended"}),
    ("call_settled", {}),
)
POINT_TIMEOUT_S = 5
DATABASE_AWAY_S = (0.5, 7.0)  # the second longer than a transaction waits
LOCK_S = 6.0
APPLICATION_STOPS_S = (0.5, 12.0)  # the second longer than a caller waits in silence
ASTERISK_STOPS_S = (1.0, 5.0)


Breakage = Callable[[PaidOffice, Random], Awaitable[None]]


async def kill_application(paid: PaidOffice, random: Random) -> None:
    """`kill -9` at a random moment or at a named point, and start it again."""
    if random.random() < 0.5:  # noqa: PLR2004 - half and half
        await asyncio.sleep(random.uniform(0.1, 3.0))
    else:
        event, facts = random.choice(NAMED_POINTS)
        if not await _reaches(paid, event, **facts):
            return
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
    """Hold the database's lock, for longer at times than a transaction waits for it."""
    await asyncio.sleep(random.uniform(1.0, 6.0))
    async with database_locked(paid):
        await asyncio.sleep(random.uniform(*DATABASE_AWAY_S))


async def lock_at_answer(paid: PaidOffice, random: Random) -> None:
    """A lock of six seconds that begins when a leg has just been answered."""
    del random
    if await _reaches(paid, "state", state="talking"):
        async with database_locked(paid):
            await asyncio.sleep(LOCK_S)
    await asyncio.sleep(1)


@asynccontextmanager
async def database_locked(paid: PaidOffice) -> AsyncIterator[None]:
    """Nobody else can write, nor on PostgreSQL read balances and calls."""
    async with tables_locked(paid.settings.database.url, "balances", "calls"):
        yield


@asynccontextmanager
async def tables_locked(url: str, *tables: str) -> AsyncIterator[None]:
    """On PostgreSQL these tables alone, for everything; on SQLite all, for whoever would write."""
    engine = open_engine(url)
    connection = await asyncio.to_thread(engine.execution_options(**WRITER).connect)
    try:
        await asyncio.to_thread(_lock, connection, tables)
        yield
    finally:
        await asyncio.to_thread(connection.close)
        engine.dispose()


def _lock(connection: Connection, tables: Sequence[str]) -> None:
    """SQLite's transactions of ours lock from their first statement on (`db.engine`)."""
    sqlite = connection.dialect.name == "sqlite"
    lock = f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"
    connection.execute(text("SELECT 1" if sqlite else lock))


async def suspend_application(paid: PaidOffice, random: Random) -> None:
    """SIGSTOP: it holds its connections and says nothing."""
    await asyncio.sleep(random.uniform(1.0, 5.0))
    paid.application.suspend()
    try:
        await asyncio.sleep(random.uniform(*APPLICATION_STOPS_S))
    finally:
        paid.application.go_on()


async def suspend_asterisk(paid: PaidOffice, random: Random) -> None:
    await asyncio.sleep(random.uniform(2.0, 6.0))
    paid.office.asterisk.suspend()
    try:
        await asyncio.sleep(random.uniform(*ASTERISK_STOPS_S))
    finally:
        paid.office.asterisk.go_on()


async def start_a_second_application(paid: PaidOffice, random: Random) -> None:
    """By mistake, for some seconds: it may refuse to start, and must harm nobody."""
    await asyncio.sleep(random.uniform(1.0, 4.0))
    second = Application(paid.settings_file, paid.office.folder / "second-application")
    try:
        async with asyncio.timeout(random.uniform(2.0, 8.0)):
            await second.start()
            await asyncio.Event().wait()
    except (TimeoutError, LabError):
        pass  # it was there, or gave way: either is the breakage
    finally:
        await second.kill()


async def lose_the_log(paid: PaidOffice, random: Random) -> None:
    """Kill the application, and meanwhile remove, empty or rotate twice what Asterisk writes."""
    await asyncio.sleep(random.uniform(1.0, 4.0))
    await paid.application.kill()
    await asyncio.sleep(random.uniform(0.0, 2.0))
    log = paid.office.asterisk.legs_file
    if log.exists():
        random.choice((Path.unlink, _empty, _rotate_twice))(log)
    await paid.application.start()


def _empty(log: Path) -> None:
    log.write_bytes(b"")


def _rotate_twice(log: Path) -> None:
    for _ in range(2):
        for number in (2, 1):
            older = log.with_name(f"{log.name}.{number}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{number + 1}"))
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))


async def set_the_clock(paid: PaidOffice, random: Random) -> None:
    """A new run whose wall clock is out by anything up to a day."""
    await asyncio.sleep(random.uniform(1.0, 4.0))
    await paid.application.kill()
    paid.application.clock_ahead_s = random.choice((3600, -3600, 86_400, -86_400, 30, -30, 0))
    await paid.application.start()


async def change_the_ami_password(paid: PaidOffice, random: Random) -> None:
    """Asterisk takes another password for some seconds, and drops whoever had the old one."""
    await asyncio.sleep(random.uniform(1.0, 4.0))
    file = paid.office.asterisk.config.folder / "etc/manager.conf"
    right = file.read_text(encoding="utf-8")
    secret = paid.office.config.secrets.ami_password
    try:
        file.write_text(right.replace(secret, f"{secret}-changed"), encoding="utf-8")
        await paid.office.asterisk.cli("manager reload")
        await asyncio.sleep(random.uniform(1.0, 8.0))
    finally:
        file.write_text(right, encoding="utf-8")
        await paid.office.asterisk.cli("manager reload")


async def fill_the_disk(paid: PaidOffice, random: Random) -> None:
    """Nothing that the application writes can grow any more, its log as little as its ledger."""
    await asyncio.sleep(random.uniform(1.0, 4.0))
    pid = paid.application.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        await asyncio.sleep(random.uniform(0.5, 7.0))
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


async def _reaches(paid: PaidOffice, event: str, **facts: object) -> bool:
    """Whether a call comes so far in time."""
    seen = len(paid.application.entries())
    try:
        await paid.application.wait_for(event, after=seen, timeout_s=POINT_TIMEOUT_S, **facts)
    except LabError:
        return False
    return True
