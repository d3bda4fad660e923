"""10,000 live calls in one process: what metering them costs, and how punctual it is.

There is no Asterisk: a recorded call's events are told of every call, and every request is granted
at once. The application and the ledger, a SQLite file synced to disk, are the real ones. The calls
are billed by the minute and begin evenly over one minute, so every second a 60th of them begins an
increment.
"""

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TextIO

import aiohttp
import structlog
from pydantic import SecretStr
from rich.console import Console
from sqlalchemy import Connection, select

from ari_app.call_task import Services
from ari_app.driver import Driver
from ari_app.garbage import collect_while_quiet
from ari_app.messages import Reminder
from ari_app.meter import Meter
from ari_app.refill_wait import RefillWait
from assembly.charging import Assembled, open_charging
from bench.bare_sync import Lateness, bare_sync, lateness_of
from bench.figures import Figure
from bench.recorded import RecordedCall, WillingAmi, WillingAri
from charging.ledger import CallRecord
from charging.money import Money
from db.audit import audit
from db.call_rows import call_of
from db.ledger import read_from
from db.models import calls
from lab.errors import LabError
from lab.paid_office import import_rates
from lab.usage import cpu_s, memory_bytes
from settings import AriSettings, Settings
from settings.logs import configure_logging
from tests.fakes.unpaid import NotedUnpaidCalls

DECK = """\
prefix,destination,per_minute,connection,per_call,initial_s,increment_s
33,France,0.06,0,0,60,60
"""
PER_INCREMENT_MICROS = 60_000
INCREMENT_S = 60
ARI = AriSettings(password=SecretStr("nobody listens"))
OPENING = Money(1_000_000_000_000, "GBP")
LIVE_CALLS = int(os.environ.get("BENCH_LIVE_CALLS", "10000"))
RAMP_S = 60.0
MEASURE_S = 60.0
TICK_S = 0.02
END_PER_TICK = 40
ENDED_TIMEOUT_S = 300.0
LATE_MS = 100

out = Console(highlight=False, stderr=True)


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        return asyncio.run(measure(Path(folder)))


async def measure(folder: Path) -> list[Figure]:
    settings = Settings.model_validate(
        {
            "database": {"url": f"sqlite:///{folder / 'ledger.sqlite'}"},
            "prompts": {"announce": False},
            "call": {"live_calls_max": LIVE_CALLS},
        }
    )
    with (folder / "application.log").open("w", encoding="utf-8") as file:
        punctuality = Punctuality(file)
        async with live_office(settings, punctuality, folder) as office:
            figures = await office.live_through()
            await office.require_right_ledger()
    return figures


class Punctuality:
    """Reads the application's log as it is written: when was each increment debited?"""

    def __init__(self, log_file: TextIO) -> None:
        self._channels: dict[str, str] = {}  # of callers, by call id
        self._answered_s: dict[str, float] = {}  # by channel
        self.late_s: list[float] = []
        self.reserve_refused = 0
        configure_logging(level=logging.INFO)
        known = structlog.get_config()
        structlog.configure(
            processors=[self._hear, *known["processors"]],
            logger_factory=structlog.WriteLoggerFactory(file=log_file),
        )

    def answered(self, channel: str) -> None:
        self._answered_s[channel] = time.monotonic()

    def _hear(
        self, _logger: Any, _method: str, entry: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        match entry:
            case {"event": "call_authorised", "call_id": call_id, "channel": channel}:
                self._channels[call_id] = channel
            case {"event": "interval_debited", "call_id": call_id, "interval": interval}:
                answered_s = self._answered_s[self._channels[call_id]]
                due_s = answered_s + interval * INCREMENT_S
                if interval:
                    self.late_s.append(time.monotonic() - due_s)
            case {"event": "interval_refused"}:
                self.reserve_refused += 1
        return entry


class LiveOffice:
    """The application's own driver and meter, told of as many calls as are wanted."""

    def __init__(
        self,
        settings: Settings,
        assembled: Assembled,
        punctuality: Punctuality,
        session: aiohttp.ClientSession,
        folder: Path,
    ) -> None:
        def remind(call_id: str, event: Reminder) -> None:
            self.driver.remind(call_id, event)

        self._folder = folder
        self._assembled = assembled
        self._punctuality = punctuality
        services = Services(
            ari=HandingBack(session, ARI, self._handed_back),
            ami=WillingAmi(),
            charging=assembled.charging,
            meter=Meter(remind),
            settings=settings.call,
            announce=settings.prompts.announce,
            unpaid=NotedUnpaidCalls(),
            refill_wait=RefillWait(assembled.charging.money_news),
            look_for_missed=lambda: None,  # no event is ever lost here
        )
        self.driver = Driver(
            services, asterisk=settings.asterisk.name, live_calls_max=settings.call.live_calls_max
        )
        self.calls = [RecordedCall(number) for number in range(LIVE_CALLS)]
        self._by_caller = {call.caller: call for call in self.calls}
        self._answered = 0

    async def live_through(self) -> list[Figure]:
        """Begin every call, watch them for a minute, end every call."""
        pid = os.getpid()
        memory_before = memory_bytes(pid)
        await self._begin_all()
        memory_bytes_per_call = (memory_bytes(pid) - memory_before) / LIVE_CALLS
        out.print(f"{self.driver.live_calls} calls are live; measuring for {MEASURE_S:.0f} s")
        began_s, cpu_before_s = time.monotonic(), cpu_s(pid)
        seen = len(self._punctuality.late_s)
        machine = await bare_sync(self._folder, MEASURE_S)
        cores = (cpu_s(pid) - cpu_before_s) / (time.monotonic() - began_s)
        late_s = self._punctuality.late_s[seen:]
        await self._end_all()
        return figures_of(cores, lateness_of(late_s), machine, memory_bytes_per_call)

    async def _begin_all(self) -> None:
        began_s = time.monotonic()
        begun = 0
        while begun < LIVE_CALLS:
            await asyncio.sleep(TICK_S)
            due = min(LIVE_CALLS, int((time.monotonic() - began_s) / RAMP_S * LIVE_CALLS) + 1)
            for call in self.calls[begun:due]:
                self.driver.take(call.offered())
            begun = due
        async with asyncio.timeout(RAMP_S):
            while self._answered < LIVE_CALLS:  # noqa: ASYNC110 - one look a tick
                await asyncio.sleep(TICK_S)

    async def _end_all(self) -> None:
        for number, call in enumerate(self.calls):
            self.driver.take(call.caller_ended())
            self.driver.take(call.leg_ended())
            if number % END_PER_TICK == 0:
                await asyncio.sleep(TICK_S)
        async with asyncio.timeout(ENDED_TIMEOUT_S):
            while self.driver.live_calls:  # noqa: ASYNC110 - one look a tick
                await asyncio.sleep(TICK_S)

    def _handed_back(self, caller: str) -> None:
        asyncio.get_running_loop().call_soon(self._connect, self._by_caller[caller])

    def _connect(self, call: RecordedCall) -> None:
        self.driver.take(call.dialled())
        self._punctuality.answered(call.caller)
        self.driver.take(call.answered())
        self._answered += 1

    async def require_right_ledger(self) -> None:
        """Every call charged for every minute begun, by the times that were told of it.

        Raises:
            LabError: the ledger is wrong; the message says how.
        """
        engine = self._assembled.engine
        records = await asyncio.to_thread(read_from, engine, all_calls)
        by_channel = {record.caller_channel: record for record in records}
        wrong = [call.caller for call in self.calls if not is_right(call, by_channel)]
        problems = (await asyncio.to_thread(read_from, engine, audit)).problems
        if wrong or problems:
            raise LabError(f"{len(wrong)} calls are charged wrongly: {wrong[:5]}; {problems}")


class HandingBack(WillingAri):
    """And says which caller continues in the dialplan, which would dial now."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: AriSettings,
        handed_back: Callable[[str], None],
    ) -> None:
        super().__init__(session, settings)
        self._handed_back = handed_back

    async def continue_in_dialplan(self, channel: str, *, context: str, extension: str) -> None:
        await super().continue_in_dialplan(channel, context=context, extension=extension)
        self._handed_back(channel)


@asynccontextmanager
async def live_office(
    settings: Settings, punctuality: Punctuality, folder: Path
) -> AsyncIterator[LiveOffice]:
    await asyncio.to_thread(import_rates, settings, DECK, "GBP")
    async with open_charging(settings) as assembled, aiohttp.ClientSession() as session:
        await assembled.charging.top_up(
            "main", amount=OPENING, key="bench", actor="bench", reason="bench"
        )
        office = LiveOffice(settings, assembled, punctuality, session, folder)
        collecting = asyncio.create_task(collect_while_quiet(lambda: office.driver.live_calls))
        try:
            yield office
        finally:
            collecting.cancel()


def all_calls(reader: Connection) -> list[CallRecord]:
    return [call_of(row) for row in reader.execute(select(calls))]


def is_right(call: RecordedCall, records: dict[str, CallRecord]) -> bool:
    record = records.get(call.caller)
    if record is None or call.answered_at is None or call.ended_at is None:
        return False
    talk_s = -(-(call.ended_at - call.answered_at).total_seconds() // 1)
    minutes = -(-talk_s // INCREMENT_S)
    settled = record.settled_at is not None
    return settled and record.debited.micros == minutes * PER_INCREMENT_MICROS


def figures_of(
    cores: float, late: Lateness, machine: Lateness, memory_bytes_per_call: float
) -> list[Figure]:
    many = f"{LIVE_CALLS:,} live calls"
    return [
        Figure(
            what=f"{many}: processor", unit="cores", value=cores, goal="less than 1", met=cores < 1
        ),
        Figure(
            what="increment debited after its due time, p99",
            unit="ms",
            value=late.p99_ms,
            beside=machine.p99_ms,
            beside_what="a bare sync",
            goal="at most 100 ms",
            met=late.p99_ms <= LATE_MS,
        ),
        Figure(
            what="the latest increment",
            unit="ms",
            value=late.latest_ms,
            beside=machine.latest_ms,
            beside_what="a bare sync",
            goal="at most 100 ms",
            met=late.latest_ms <= LATE_MS,
        ),
        Figure(what=f"{many}: memory per call", unit="kB", value=memory_bytes_per_call / 1000),
    ]
