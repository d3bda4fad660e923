"""A thousand slow clients at the portal: others are served as ever, and no call is harmed.

The carrier's log judges the calls, as in `trials.chaos`; who browses meanwhile is a client of its
own, with a new connection for every page.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lab.application import Application
from lab.manager import signed_in
from lab.ports import find_free_port
from lab.slow_clients import SlowClients
from lab.telephony import find_telephony
from trials.browsing import Judged, Seen, browsing, judged
from trials.chaos import office_under_trial
from trials.evidence import kept_if_wrong
from trials.numbers import draw_numbers
from trials.soak import SoakPlan, place

LOOPBACK = "127.0.0.1"
PAGES = ("/", "/activity", "/calls", "/rates?country=FR")
WORST_S = 5.0  # for a page, 95 of 100, while a machine of two cores also carries the calls


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowPlan:
    clients: int
    calls: SoakPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOutcome:
    judged: Judged
    connected: int
    dropped: Mapping[str, int]

    @property
    def problems(self) -> tuple[str, ...]:
        return self.judged.problems(worst_s=WORST_S)


async def crowd(plan: SlowPlan, report: Callable[[str], None]) -> SlowOutcome:
    """Send the crowd, place the calls, browse, and judge."""
    return await kept_if_wrong("slow-clients", lambda folder: _crowd(plan, folder), report)


async def _crowd(plan: SlowPlan, folder: Path) -> SlowOutcome:
    numbers = draw_numbers(Random(plan.calls.seed), plan.calls.calls)  # noqa: S311 - to be repeated
    port = find_free_port()
    paid = office_under_trial(find_telephony(lambda _: None), folder, {"portal": {"port": port}})
    seen = Seen()
    async with (
        paid,
        Application(paid.settings_file, folder / "portal", module="portal"),
        SlowClients(LOOPBACK, port, plan.clients) as slow,
    ):
        token = await asyncio.to_thread(signed_in, paid.settings.database.url)
        async with browsing(paid, token, PAGES, seen):
            placed = await place(paid, numbers, plan.calls)
        found = await judged(paid, placed, numbers, seen)
    return SlowOutcome(judged=found, connected=slow.connected, dropped=dict(slow.dropped))
