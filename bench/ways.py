"""A way to carry calls, Tollgate or plain `Dial()`: so many a second, and what became of them."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from lab.application import Application
from lab.caller import Calls, PlacedCall, place_calls
from lab.office import Office
from lab.usage import cpu_s, machine_time

TALK_MS = 3000
STEP_S = int(os.environ.get("BENCH_STEP_S", "6"))
SLOWEST_S = 2.0  # a call that is not connected by then has failed
KEPT_UP = 0.97  # of the rate that was asked for; less, and the machine is at its end
SILENCE_S = 20
QUIET_TIMEOUT_S = 60
QUIET_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """So many calls a second for a while, and what became of them."""

    rate_per_s: int
    calls: int
    failed: int
    set_up_s: tuple[float, ...]  # of every answered call
    reached_per_s: float
    asterisk_cpu_s: float
    application_cpu_s: float
    stolen_part: float  # of the processor time that this machine wanted, 0 to 1

    @property
    def succeeded(self) -> bool:
        return self.failed == 0 and self.reached_per_s >= KEPT_UP * self.rate_per_s

    def __str__(self) -> str:
        return (
            f"{self.rate_per_s}/s: {self.calls} calls, {self.failed} failed,"
            f" {self.reached_per_s:.1f}/s placed, set-up p50 {1000 * p50(self.set_up_s):.1f} ms,"
            f" p99 {1000 * p99(self.set_up_s):.1f} ms,"
            f" CPU per call: Asterisk {1000 * self.asterisk_cpu_s / self.calls:.2f} ms,"
            f" application {1000 * self.application_cpu_s / self.calls:.2f} ms;"
            f" {100 * self.stolen_part:.0f} % of the machine's time stolen by its host"
        )


class Way:
    """An office that is dialled, and the application in it, if there is one."""

    def __init__(self, office: Office, number: str, application: Application | None = None) -> None:
        self._office = office
        self._number = number
        self._application = application
        self._steps = 0

    async def step(self, rate_per_s: int) -> Step:
        """Dial so many calls a second for STEP_S seconds; processor time is of all of them.

        Raises:
            TimeoutError: channels of these calls were still there after QUIET_TIMEOUT_S seconds.
        """
        wanted = rate_per_s * STEP_S
        before = self._asterisk_cpu_s(), self._application_cpu_s()
        machine_before = machine_time()
        placed = await self._place(wanted, rate_per_s)
        stolen_part = machine_time().stolen_part_since(machine_before)
        await self._until_quiet()
        return Step(
            rate_per_s=rate_per_s,
            calls=wanted,
            failed=wanted - sum(map(succeeded, placed)),
            set_up_s=tuple(call.set_up_s for call in placed if call.answered_at_s is not None),
            reached_per_s=reached_per_s(placed),
            asterisk_cpu_s=self._asterisk_cpu_s() - before[0],
            application_cpu_s=self._application_cpu_s() - before[1],
            stolen_part=stolen_part,
        )

    def _asterisk_cpu_s(self) -> float:
        return cpu_s(self._office.asterisk.pid)

    def _application_cpu_s(self) -> float:
        return 0 if self._application is None else cpu_s(self._application.pid)

    async def _place(self, calls: int, rate_per_s: int) -> list[PlacedCall]:
        config = self._office.config
        self._steps += 1
        return await place_calls(
            self._office.telephony,
            self._office.folder / f"callers-{self._steps}",
            Calls(
                number=self._number,
                user="1001",
                password=config.secrets.phones["1001"],
                calls=calls,
                rate_per_s=rate_per_s,
                talk_ms=TALK_MS,
            ),
            address=self._office.addresses.next(),
            server=config.sip_address,
            timeout_s=2 * STEP_S + QUIET_TIMEOUT_S,
            silence_s=SILENCE_S,
        )

    async def _until_quiet(self) -> None:
        """What an overload left behind must not burden the next step.

        A caller that gave up in the middle of a call has left it to Asterisk to find that out.
        """
        await self._office.asterisk.cli("channel request hangup all")
        async with asyncio.timeout(QUIET_TIMEOUT_S):
            while await self._channels():  # noqa: ASYNC110 - Asterisk is asked
                await asyncio.sleep(QUIET_EVERY_S)

    async def _channels(self) -> int:
        said = await self._office.asterisk.cli("core show channels count")
        return int(said.split(maxsplit=1)[0])


def succeeded(call: PlacedCall) -> bool:
    """Answered soon, and ended as its caller wished."""
    if call.answered_at_s is None or call.ended_at_s is None:
        return False
    talked_s = call.ended_at_s - call.answered_at_s
    return call.set_up_s <= SLOWEST_S and talked_s >= 0.99 * TALK_MS / 1000


def reached_per_s(placed: Sequence[PlacedCall]) -> float:
    if len(placed) < 2:  # noqa: PLR2004 - one call has no rate
        return 0
    times_s = [call.placed_at_s for call in placed]
    return (len(times_s) - 1) / (max(times_s) - min(times_s))


def p50(seconds: Sequence[float]) -> float:
    return _percentile(seconds, 50)


def p99(seconds: Sequence[float]) -> float:
    return _percentile(seconds, 99)


def _percentile(seconds: Sequence[float], percent: int) -> float:
    if len(seconds) < 2:  # noqa: PLR2004 - where next to nothing was answered
        return max(seconds, default=0)
    return quantiles(seconds, n=100, method="inclusive")[percent - 1]  # never beyond the slowest
