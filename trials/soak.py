"""Many calls for a long time, nothing broken: none may fail, be charged wrongly or leave anything.

The carrier's log is the judge, as in `trials.chaos`; beside it memory, which must not grow.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lab.caller import Calls, PlacedCall, place_calls
from lab.paid_office import PaidOffice
from lab.telephony import find_telephony
from lab.usage import cpu_s, machine_time, memory_bytes
from trials.chaos import office_under_trial, until_quiet
from trials.evidence import kept_if_wrong
from trials.numbers import BUSY_CODE, SILENT_CODE, TrialNumber, draw_numbers
from trials.oracle import Verdict, judge

LOOK_EVERY_S = 60.0
DRAIN_S = 120.0
# Buffers, pools and caches fill in the beginning; afterwards memory is flat or it leaks.
WARM_UP_PART = 0.2
GROWTH_MAX_PART = 0.1
GROWTH_MAX_BYTES = 8_000_000  # what is less is a page of this and that, not a leak a call


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    minutes: float
    rate_per_s: int
    seed: int

    @property
    def calls(self) -> int:
        return round(self.minutes * 60 * self.rate_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How things stood at one moment of the soak."""

    at_s: float  # since its beginning
    placed: int
    application_bytes: int
    asterisk_bytes: int
    application_cpu_s: float
    asterisk_cpu_s: float
    stolen_part: float  # of the processor time that the machine wanted since the look before

    def __str__(self) -> str:
        return (
            f"{self.at_s / 60:5.1f} min: {self.placed} calls at the carrier;"
            f" memory: application {self.application_bytes / 1e6:.1f} MB,"
            f" Asterisk {self.asterisk_bytes / 1e6:.1f} MB;"
            f" CPU so far: {self.application_cpu_s:.1f} s and {self.asterisk_cpu_s:.1f} s;"
            f" {100 * self.stolen_part:.0f} % of the machine's time stolen by its host"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakOutcome:
    plan: SoakPlan
    placed: int
    failed: int
    verdict: Verdict
    audit_problems: tuple[str, ...]
    channels_left: int
    looks: tuple[Look, ...]
    seconds: float

    @property
    def problems(self) -> tuple[str, ...]:
        found = [*self.verdict.problems, *self.audit_problems]
        if self.placed < self.plan.calls:
            found.append(f"only {self.placed} of {self.plan.calls} calls were placed")
        if self.failed:
            found.append(f"{self.failed} calls failed")
        if self.channels_left:
            found.append(f"{self.channels_left} channels are left in Asterisk")
        found += growth("application", [look.application_bytes for look in self.looks])
        found += growth("Asterisk", [look.asterisk_bytes for look in self.looks])
        return tuple(found)


async def soak(plan: SoakPlan, report: Callable[[str], None]) -> SoakOutcome:
    """Place the calls and judge them.

    Args:
        plan: how many calls, how fast.
        report: gets a line a minute, and where everything is kept if something is wrong.
    """
    return await kept_if_wrong("soak", lambda folder: _soak(plan, folder, report), report)


async def _soak(plan: SoakPlan, folder: Path, report: Callable[[str], None]) -> SoakOutcome:
    numbers = draw_numbers(Random(plan.seed), plan.calls)  # noqa: S311 - to be repeated
    paid = office_under_trial(find_telephony(lambda _: None), folder)
    began_s = time.monotonic()
    async with paid:
        looks = Looks(paid, report)
        looking = asyncio.create_task(looks.keep())
        placed = await place(paid, numbers, plan)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await until_quiet(paid)
        looks.look()
        verdict = judge(paid.office.carrier.calls(), await paid.calls())
        audit = await paid.audit()
        count = await paid.office.asterisk.cli("core show channels count")
    return SoakOutcome(
        plan=plan,
        placed=len(placed),
        failed=failed_calls(placed, numbers, verdict),
        verdict=verdict,
        audit_problems=audit.problems,
        channels_left=int(count.split(maxsplit=1)[0]),
        looks=tuple(looks.taken),
        seconds=time.monotonic() - began_s,
    )


class Looks:
    """Looks every minute, and says what it sees."""

    def __init__(self, paid: PaidOffice, report: Callable[[str], None]) -> None:
        self._paid = paid
        self._report = report
        self._began_s = time.monotonic()
        self._machine = machine_time()
        self.taken: list[Look] = []

    async def keep(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        application, asterisk = self._paid.application.pid, self._paid.office.asterisk.pid
        machine, before = machine_time(), self._machine
        self._machine = machine
        look = Look(
            at_s=time.monotonic() - self._began_s,
            placed=len(self._paid.office.carrier.calls()),
            application_bytes=memory_bytes(application),
            asterisk_bytes=memory_bytes(asterisk),
            application_cpu_s=cpu_s(application),
            asterisk_cpu_s=cpu_s(asterisk),
            stolen_part=machine.stolen_part_since(before),
        )
        self.taken.append(look)
        self._report(str(look))


async def place(
    paid: PaidOffice, numbers: Sequence[TrialNumber], plan: SoakPlan
) -> list[PlacedCall]:
    """All of them, at the rate of the plan, by one phone; done when the last has ended."""
    config = paid.office.config
    return await place_calls(
        paid.office.telephony,
        paid.office.folder / "callers",
        Calls(
            number=[number.dialled for number in numbers],
            user="1001",
            password=config.secrets.phones["1001"],
            calls=plan.calls,
            rate_per_s=plan.rate_per_s,
        ),
        address=paid.office.addresses.next(),
        server=config.sip_address,
        timeout_s=plan.minutes * 60 + DRAIN_S,
        silence_s=30,
    )


def failed_calls(
    placed: Sequence[PlacedCall], numbers: Sequence[TrialNumber], verdict: Verdict
) -> int:
    """Calls that should have been answered and were not, or that never ended at their caller."""
    to_answer = sum(number.digits[-2:] not in {BUSY_CODE, SILENT_CODE} for number in numbers)
    never_ended = sum(call.ended_at_s is None for call in placed)
    answered = sum(call.answered_at_s is not None for call in placed)
    return max(0, to_answer - min(answered, verdict.answered)) + never_ended


def growth(who: str, bytes_used: Sequence[int]) -> list[str]:
    """From the end of the warm-up to the end, more than a tenth and more than a little."""
    warmed_up = min(max(1, int(len(bytes_used) * WARM_UP_PART)), len(bytes_used) - 1)
    warm, last = bytes_used[warmed_up], bytes_used[-1]
    if last - warm <= max(GROWTH_MAX_BYTES, GROWTH_MAX_PART * warm):
        return []
    return [f"{who}: memory grew from {warm / 1e6:.1f} to {last / 1e6:.1f} MB"]
