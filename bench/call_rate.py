"""How many calls a second, set up how fast and at what cost: Tollgate beside plain `Dial()`.

Offices alike, turn by turn, each with its own Asterisk, carrier and phone: what Tollgate hears of
plain calls must not burden them. In the third `bench.bare_application` says yes to every call: the
most that any application can reach which learns of answers and ends over ARI. Calls last 3 s, carry
no sound, and hear no balance: a prompt takes as long as it takes to say it.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from statistics import quantiles

from rich.console import Console

from bench.figures import Figure
from charging.money import Money
from dialplan.render import AsteriskConfig
from lab.application import Application
from lab.caller import Calls, PlacedCall, place_calls
from lab.carrier import ANSWERS_AT_ONCE
from lab.errors import LabError
from lab.office import Office
from lab.paid_office import make_paid_office
from lab.telephony import find_telephony
from lab.usage import cpu_s
from prompts.library import default_sounds_folder

DECK = """\
prefix,destination,per_minute,connection,per_call,initial_s,increment_s
33,France,0.06,0,0,60,60
"""
OPENING = Money(1_000_000_000_000, "GBP")
TOLLGATE = "Tollgate"
PLAIN = "plain Dial()"
BARE = "bare application"
PLAIN_EXTENSION = "_77X.,1,Dial(PJSIP/${EXTEN:2}@trunk,60)"

TALK_MS = 3000
STEP_S = int(os.environ.get("BENCH_STEP_S", "6"))
FIRST_RATE_PER_S = 60
LAST_RATE_PER_S = 640
PRECISION = 1.05  # the search ends when success and failure are this close
SLOWEST_S = 2.0  # a call that is not connected by then has failed
KEPT_UP = 0.97  # of the rate that was asked for; less, and the machine is at its end
SILENCE_S = 20
QUIET_TIMEOUT_S = 60
QUIET_EVERY_S = 0.5
# So long Asterisk keeps the SIP transactions of calls that failed (RFC 3261, 64 * T1), untold.
SIP_FORGETS_S = 32
COMPARISONS = 3
OFFICE_RATE_PER_S = 20  # 72,000 calls an hour: more than an office places in its busiest one

out = Console(highlight=False, stderr=True)


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

    @property
    def succeeded(self) -> bool:
        return self.failed == 0 and self.reached_per_s >= KEPT_UP * self.rate_per_s

    def __str__(self) -> str:
        return (
            f"{self.rate_per_s}/s: {self.calls} calls, {self.failed} failed,"
            f" {self.reached_per_s:.1f}/s placed, set-up p50 {1000 * p50(self.set_up_s):.1f} ms,"
            f" p99 {1000 * p99(self.set_up_s):.1f} ms,"
            f" CPU per call: Asterisk {1000 * self.asterisk_cpu_s / self.calls:.2f} ms,"
            f" application {1000 * self.application_cpu_s / self.calls:.2f} ms"
        )


Try = Callable[[int], Awaitable[Step]]
of_asterisk = attrgetter("asterisk_cpu_s")
of_application = attrgetter("application_cpu_s")


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        return asyncio.run(measure(Path(folder)))


async def measure(folder: Path) -> list[Figure]:
    telephony = find_telephony(lambda _: None)
    paid, bare = (
        make_paid_office(
            telephony,
            folder / module,
            deck=DECK,
            opening=OPENING,
            settings={"prompts": {"announce": False}},
            module=module,
            default=ANSWERS_AT_ONCE,
            media=False,
            adapt=for_load,
        )
        for module in ("ari_app", "bench.bare_application")
    )
    plain = Office(
        telephony,
        folder / "plain",
        sounds=default_sounds_folder(os.environ),
        default=ANSWERS_AT_ONCE,
        media=False,
        adapt=for_load,
    )
    async with paid, bare, plain:
        await plain.asterisk.cli(f"dialplan add extension {PLAIN_EXTENSION} into office")
        ways = {
            TOLLGATE: Way(paid.office, "0033142685300", paid.application),
            BARE: Way(bare.office, "0033142685300", bare.application),
            PLAIN: Way(plain, "77142685300"),
        }
        rates = {name: await highest_rate(trying(name, way)) for name, way in ways.items()}
        steps = await compared(ways, rate_per_s=max(1, min(rates.values()) // 2))
        calm = await compared(ways, rate_per_s=OFFICE_RATE_PER_S)
        figures = [
            *rate_figures(rates),
            *set_up_figures(steps),
            *set_up_figures(calm),
            *cpu_figures(steps),
        ]
        audit = await paid.audit()
        if audit.problems:
            raise LabError(f"the ledger is wrong: {audit.problems}")
    return figures


def for_load(config: AsteriskConfig) -> AsteriskConfig:
    """Callers that send no sound must not be taken for phones that lost their power."""
    return replace(config, rtp_timeout_s=0, rtp_last_port=19999)


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
        placed = await self._place(wanted, rate_per_s)
        await self._until_quiet()
        return Step(
            rate_per_s=rate_per_s,
            calls=wanted,
            failed=wanted - sum(map(succeeded, placed)),
            set_up_s=tuple(call.set_up_s for call in placed if call.answered_at_s is not None),
            reached_per_s=reached_per_s(placed),
            asterisk_cpu_s=self._asterisk_cpu_s() - before[0],
            application_cpu_s=self._application_cpu_s() - before[1],
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


def trying(name: str, way: Way) -> Try:
    async def attempt(rate_per_s: int) -> Step:
        step = await way.step(rate_per_s)
        out.print(f"{name}, {step}")
        if not step.succeeded:
            await asyncio.sleep(SIP_FORGETS_S)
        return step

    return attempt


async def highest_rate(attempt: Try) -> int:
    """Raise it by half until it fails, then halve the distance; calls/s without a failure.

    A failure counts when it happens twice: another program may have had its moment.
    """
    good, bad = 0, FIRST_RATE_PER_S
    while await holds(attempt, bad):
        good, bad = bad, bad * 3 // 2
        if bad > LAST_RATE_PER_S:
            return good
    while bad > max(good + 1, good * PRECISION):
        middle = (good + bad) // 2
        if await holds(attempt, middle):
            good = middle
        else:
            bad = middle
    return good


async def holds(attempt: Try, rate_per_s: int) -> bool:
    return (await attempt(rate_per_s)).succeeded or (await attempt(rate_per_s)).succeeded


async def compared(ways: Mapping[str, Way], *, rate_per_s: int) -> dict[str, list[Step]]:
    """The same load both ways, turn by turn, so that a busy moment burdens both."""
    await asyncio.sleep(SIP_FORGETS_S)
    steps: dict[str, list[Step]] = {name: [] for name in ways}
    for _ in range(COMPARISONS):
        for name, way in ways.items():
            steps[name].append(await trying(name, way)(rate_per_s))
    return steps


def rate_figures(rates: dict[str, int]) -> list[Figure]:
    what = "highest rate without a failed call"
    tollgate, plain = rates[TOLLGATE], rates[PLAIN]
    return [
        Figure(
            what=what,
            unit="calls/s",
            value=tollgate,
            beside=plain,
            beside_what=PLAIN,
            goal="at least 95 %",
            met=tollgate >= 0.95 * plain,
        ),
        Figure(what=what, unit="calls/s", value=tollgate, beside=rates[BARE], beside_what=BARE),
    ]


def set_up_figures(steps: dict[str, list[Step]]) -> list[Figure]:
    ours, plain = (set_up_of(steps[way]) for way in (TOLLGATE, PLAIN))
    at = f"at {steps[PLAIN][0].rate_per_s} calls/s"
    added_ms = 1000 * (p99(ours) - p99(plain))
    return [
        Figure(
            what=f"set-up p50 {at}",
            unit="ms",
            value=1000 * p50(ours),
            beside=1000 * p50(plain),
            beside_what=PLAIN,
        ),
        Figure(
            what=f"set-up p99 {at}",
            unit="ms",
            value=1000 * p99(ours),
            beside=1000 * p99(plain),
            beside_what=PLAIN,
            goal=f"at most 15 ms more; {added_ms:+.1f} ms",
            met=added_ms <= 15,  # noqa: PLR2004 - the goal
        ),
    ]


def cpu_figures(steps: dict[str, list[Step]]) -> list[Figure]:
    application_ms = ms_per_call(steps[TOLLGATE], of_application)
    return [
        *(
            Figure(
                what="Asterisk's CPU per call",
                unit="ms",
                value=ms_per_call(steps[TOLLGATE], of_asterisk),
                beside=ms_per_call(steps[other], of_asterisk),
                beside_what=other,
            )
            for other in (PLAIN, BARE)
        ),
        Figure(
            what="application's CPU per call",
            unit="ms",
            value=application_ms,
            beside=ms_per_call(steps[BARE], of_application),
            beside_what=BARE,
            goal="at most 1.5 ms",
            met=application_ms <= 1.5,  # noqa: PLR2004 - the goal
        ),
    ]


def ms_per_call(steps: Sequence[Step], cpu_s: Callable[[Step], float]) -> float:
    return 1000 * sum(map(cpu_s, steps)) / sum(step.calls for step in steps)


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


def set_up_of(steps: Sequence[Step]) -> list[float]:
    return [s for step in steps for s in step.set_up_s]


def p50(seconds: Sequence[float]) -> float:
    return _percentile(seconds, 50)


def p99(seconds: Sequence[float]) -> float:
    return _percentile(seconds, 99)


def _percentile(seconds: Sequence[float], percent: int) -> float:
    if len(seconds) < 2:  # noqa: PLR2004 - where next to nothing was answered
        return max(seconds, default=0)
    return quantiles(seconds, n=100)[percent - 1]
