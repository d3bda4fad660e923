"""Real calls while something is broken again and again; the carrier's log is the judge."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from charging.money import Money
from lab.caller import Calls, PlacedCall, place_calls
from lab.ears import Ears, ears
from lab.fault_proxy import FaultProxy
from lab.paid_office import PaidOffice, Sections, make_paid_office
from lab.postgresql import running_server
from lab.telephony import find_telephony
from telephony.tools import Telephony
from trials import faults
from trials.evidence import kept_if_wrong
from trials.faults import Breakage
from trials.numbers import DECK, RULES, TrialNumber, draw_numbers
from trials.oracle import Callers, Leniency, Verdict, judge

OPENING = Money(1_000_000_000_000, "GBP")  # money is not what is being tried here
QUIET_TIMEOUT_S = 90.0
LOOK_EVERY_S = 0.5
REPORT_EVERY = 10  # breakages
PROMPT_AND_RING_S = 30
EAR_PORT = 30000
IMPATIENT_S = 3.1  # how long every third caller would talk; the others leave it to the far end

PAID_TIME = Leniency(paid_time=True)
AWAY = Leniency(paid_time=True, unspoken=True)
SLOW_AMI = Leniency(paid_time=True, early_s=1.5)
KINDS: Mapping[str, tuple[Breakage | None, Leniency]] = {
    "application": (faults.kill_application, AWAY),
    "application-stopped": (faults.suspend_application, AWAY),
    "second-application": (faults.start_a_second_application, AWAY),
    "asterisk": (faults.kill_asterisk, Leniency(asterisk_died=True, unspoken=True)),
    "asterisk-stopped": (faults.suspend_asterisk, PAID_TIME),
    "ari": (None, AWAY),  # broken in between; an answer that is heard late
    "ami": (None, SLOW_AMI),
    "ami-password": (faults.change_the_ami_password, SLOW_AMI),
    "database": (faults.stop_database, PAID_TIME),
    "answer-lock": (faults.lock_at_answer, PAID_TIME),
    "disk-full": (faults.fill_the_disk, PAID_TIME),
    "log-lost": (faults.lose_the_log, Leniency(less=True, paid_time=True, unspoken=True)),
    "clocks": (faults.set_the_clock, AWAY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One trial: so many calls, so many breakages of one kind."""

    what: str  # one of KINDS
    calls: int
    rate_per_s: int
    breakages: int
    seed: int
    database: str = "sqlite"  # or "postgresql"


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
    with _database(plan.database) as settings:
        return await _try(plan, folder, report, settings)


async def _try(
    plan: Plan, folder: Path, report: Callable[[str], None], settings: Sections
) -> Outcome:
    random = Random(plan.seed)  # noqa: S311 - to be repeated, not to be secret
    numbers = draw_numbers(random, plan.calls)
    began_s = time.monotonic()
    _, lenient = KINDS[plan.what]
    telephony = find_telephony(lambda _: None)
    async with _office(telephony, folder, plan, settings) as (paid, breakage):
        address = paid.office.addresses.next()
        async with ears(address, EAR_PORT) as heard:
            calling = asyncio.create_task(_place(paid, numbers, plan, address))
            broken = 0
            while broken < plan.breakages and not calling.done():
                await breakage(paid, random)
                broken += 1
                if broken % REPORT_EVERY == 0:
                    report(f"{plan.what}: broken {broken} of {plan.breakages} times")
            placed = await calling
        await until_quiet(paid, asterisk_died=lenient.asterisk_died)
        verdict = judge(
            paid.office.carrier.calls(),
            await paid.calls(),
            _callers(numbers, placed, heard),
            lenient=replace(lenient, stops=tuple(paid.office.asterisk.stops)),
        )
        audit = await paid.audit()
        channels = await paid.office.asterisk.cli("core show channels concise")
    return Outcome(
        plan=plan,
        placed=len(placed),
        broken=broken,
        verdict=verdict,
        audit_problems=audit.problems,
        channels_left=tuple(channels.splitlines()),
        seconds=time.monotonic() - began_s,
    )


def _callers(numbers: Sequence[TrialNumber], placed: Sequence[PlacedCall], heard: Ears) -> Callers:
    impatient = {number.digits for number in numbers[::3]}
    wish_s = {}
    for number in numbers:
        if number.carrier_talks_s is not None:
            mine_s = IMPATIENT_S if number.digits in impatient else number.carrier_talks_s
            wish_s[number.digits] = min(mine_s, number.carrier_talks_s)
    return Callers(
        placed={call.dialled: call for call in placed}, heard=heard.heard(placed), wish_s=wish_s
    )


@contextmanager
def _database(kind: str) -> Iterator[Sections]:
    """The settings of a database of the trial's own; SQLite's is a file beside the rest."""
    if kind == "sqlite":
        yield {}
        return
    with running_server(durable=True) as server:
        yield {"database": {"url": server.url()}}


@asynccontextmanager
async def _office(
    telephony: Telephony, folder: Path, plan: Plan, settings: Sections
) -> AsyncIterator[tuple[PaidOffice, Breakage]]:
    paid = office_under_trial(telephony, folder, settings)
    config = paid.office.config
    target = (config.control_address, config.http_port if plan.what == "ari" else config.ami_port)
    async with FaultProxy(target, address=config.control_address) as proxy:
        if plan.what == "ari":
            paid.reach_asterisk_at(ari=f"http://{config.control_address}:{proxy.port}")
        if plan.what == "ami":
            paid.reach_asterisk_at(ami_port=proxy.port)
        breakage, _ = KINDS[plan.what]
        async with paid:
            yield paid, breakage or faults.break_connection(proxy)


def office_under_trial(
    telephony: Telephony,
    folder: Path,
    settings: Sections | None = None,
    *,
    opening: Money | None = OPENING,
) -> PaidOffice:
    """Numbers that behave in every way; those that nobody answers must not make a trial long."""
    return make_paid_office(
        telephony,
        folder,
        deck=DECK,
        opening=opening,
        settings=settings,
        rules=RULES,
        media=False,
        adapt=lambda config: replace(config, ring_timeout_s=6),
    )


async def _place(
    paid: PaidOffice, numbers: Sequence[TrialNumber], plan: Plan, address: str
) -> list[PlacedCall]:
    """Every third caller hangs up by itself after a while, the others leave it to the far end."""
    impatient = list(numbers[::3])
    patient = [number for n, number in enumerate(numbers) if n % 3]
    rate_per_s = plan.rate_per_s
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(
            _placed(paid, patient, address, "1001", rate_per_s=max(1, round(rate_per_s * 2 / 3)))
        )
        leaves = group.create_task(
            _placed(
                paid,
                impatient,
                address,
                "1002",
                rate_per_s=max(1, round(rate_per_s / 3)),
                talk_ms=round(1000 * IMPATIENT_S),
            )
        )
    return [*waits.result(), *leaves.result()]


async def _placed(  # noqa: PLR0913 - each is one setting, given by name
    paid: PaidOffice,
    numbers: Sequence[TrialNumber],
    address: str,
    extension: str,
    *,
    rate_per_s: int,
    talk_ms: int = 0,
) -> list[PlacedCall]:
    config = paid.office.config
    return await place_calls(
        paid.office.telephony,
        paid.office.folder / f"callers-{extension}",
        Calls(
            number=[number.dialled for number in numbers],
            user=extension,
            password=config.secrets.phones[extension],
            calls=len(numbers),
            rate_per_s=rate_per_s,
            talk_ms=talk_ms,
            ear_port=EAR_PORT,
        ),
        address=address,
        server=config.sip_address,
        port=5070 + 2 * int(extension[-1]),
        timeout_s=len(numbers) / rate_per_s + 2 * QUIET_TIMEOUT_S,
        silence_s=PROMPT_AND_RING_S,
    )


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
