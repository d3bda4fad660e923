"""Real calls while something is broken again and again; the carrier's log is the judge."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from charging.money import Money
from lab.caller import Calls, place_calls
from lab.fault_proxy import FaultProxy
from lab.paid_office import PaidOffice, make_paid_office
from lab.telephony import Telephony, find_telephony
from trials.evidence import kept_if_wrong
from trials.faults import (
    Breakage,
    break_connection,
    kill_application,
    kill_asterisk,
    stop_database,
)
from trials.numbers import DECK, RULES, TrialNumber, draw_numbers
from trials.oracle import Verdict, judge

OPENING = Money(1_000_000_000_000, "GBP")  # money is not what is being tried here
QUIET_TIMEOUT_S = 90.0
LOOK_EVERY_S = 0.5
REPORT_EVERY = 10  # breakages
PROMPT_AND_RING_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One trial: so many calls, so many breakages of one kind."""

    what: str  # application, asterisk, ari, ami, database
    calls: int
    rate_per_s: int
    breakages: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    plan: Plan
    placed: int
    broken: int
    verdict: Verdict
    audit_problems: tuple[str, ...]
    channels_left: tuple[str, ...]
    seconds: float

    @property
    def problems(self) -> tuple[str, ...]:
        found = [*self.verdict.problems, *self.audit_problems]
        found += [f"left in Asterisk: {channel}" for channel in self.channels_left]
        if self.broken < self.plan.breakages:
            found.append(f"only {self.broken} of {self.plan.breakages} breakages happened")
        return tuple(found)


async def run(plan: Plan, report: Callable[[str], None]) -> Outcome:
    """Carry out one trial in a folder of its own; the same seed gives the same draw.

    Args:
        plan: what is broken, and how often.
        report: gets a line every ten breakages, and where everything is kept if something is wrong.
    """
    return await kept_if_wrong(plan.what, lambda folder: _run(plan, folder, report), report)


async def _run(plan: Plan, folder: Path, report: Callable[[str], None]) -> Outcome:
    random = Random(plan.seed)  # noqa: S311 - to be repeated, not to be secret
    numbers = draw_numbers(random, plan.calls)
    began_s = time.monotonic()
    async with _office(find_telephony(lambda _: None), folder, plan) as (paid, breakage):
        calling = asyncio.create_task(_place(paid, numbers, plan))
        broken = 0
        while broken < plan.breakages and not calling.done():
            await breakage(paid, random)
            broken += 1
            if broken % REPORT_EVERY == 0:
                report(f"{plan.what}: broken {broken} of {plan.breakages} times")
        placed = await calling
        await until_quiet(paid, asterisk_died=plan.what == "asterisk")
        verdict = judge(
            paid.office.carrier.calls(),
            await paid.calls(),
            asterisk_died=plan.what == "asterisk",
        )
        audit = await paid.audit()
        channels = await paid.office.asterisk.cli("core show channels concise")
    return Outcome(
        plan=plan,
        placed=placed,
        broken=broken,
        verdict=verdict,
        audit_problems=audit.problems,
        channels_left=tuple(channels.splitlines()),
        seconds=time.monotonic() - began_s,
    )


@asynccontextmanager
async def _office(
    telephony: Telephony, folder: Path, plan: Plan
) -> AsyncIterator[tuple[PaidOffice, Breakage]]:
    paid = office_under_trial(telephony, folder)
    config = paid.office.config
    target = (config.control_address, config.http_port if plan.what == "ari" else config.ami_port)
    async with FaultProxy(target, address=config.control_address) as proxy:
        if plan.what == "ari":
            paid.reach_asterisk_at(ari=f"http://{config.control_address}:{proxy.port}")
        if plan.what == "ami":
            paid.reach_asterisk_at(ami_port=proxy.port)
        breakages: dict[str, Breakage] = {
            "application": kill_application,
            "asterisk": kill_asterisk,
            "ari": break_connection(proxy),
            "ami": break_connection(proxy),
            "database": stop_database,
        }
        async with paid:
            yield paid, breakages[plan.what]


def office_under_trial(telephony: Telephony, folder: Path) -> PaidOffice:
    """Numbers that behave in every way; those that nobody answers must not make a trial long."""
    return make_paid_office(
        telephony,
        folder,
        deck=DECK,
        opening=OPENING,
        rules=RULES,
        media=False,
        adapt=lambda config: replace(config, ring_timeout_s=6),
    )


async def _place(paid: PaidOffice, numbers: Sequence[TrialNumber], plan: Plan) -> int:
    config = paid.office.config
    placed = await place_calls(
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
        timeout_s=plan.calls / plan.rate_per_s + 2 * QUIET_TIMEOUT_S,
        silence_s=PROMPT_AND_RING_S,
    )
    return len(placed)


async def until_quiet(paid: PaidOffice, *, asterisk_died: bool = False) -> None:
    """Until every call has ended at the carrier and is settled; what is left is judged.

    An Asterisk that died told the carrier nothing, so there is no end there to wait for.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(QUIET_TIMEOUT_S):
            while not await _is_quiet(paid, asterisk_died=asterisk_died):  # noqa: ASYNC110 - two other programs' records
                await asyncio.sleep(LOOK_EVERY_S)


async def _is_quiet(paid: PaidOffice, *, asterisk_died: bool) -> bool:
    ended = asterisk_died or all(call.ended for call in paid.office.carrier.calls())
    return ended and all(call.settled_at for call in await paid.calls())
