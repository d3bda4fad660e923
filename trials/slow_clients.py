"""A thousand slow clients at the portal: others are served as ever, and no call is harmed.

The carrier's log judges the calls, as in `trials.chaos`; who browses meanwhile is a client of its
own, with a new connection for every page, on a thread of its own: a browser does not wait, between
its connection and its request, until a thousand others have had their turn.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx

from lab.application import Application
from lab.manager import signed_in
from lab.paid_office import PaidOffice
from lab.ports import find_free_port
from lab.slow_clients import SlowClients
from lab.telephony import find_telephony
from portal.sessions import COOKIE
from trials.chaos import office_under_trial, until_quiet
from trials.evidence import kept_if_wrong
from trials.numbers import draw_numbers
from trials.oracle import Verdict, judge
from trials.soak import SoakPlan, failed_calls, place

LOOPBACK = "127.0.0.1"
PAGES = ("/", "/activity", "/calls", "/rates?country=FR")
PAGE_PATIENCE_S = 30.0
WORST_S = 5.0  # for a page, 95 of 100, while a machine of two cores also carries the calls


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowPlan:
    clients: int
    minutes: float
    rate_per_s: int
    seed: int

    @property
    def calls(self) -> SoakPlan:
        return SoakPlan(minutes=self.minutes, rate_per_s=self.rate_per_s, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOutcome:
    verdict: Verdict
    audit_problems: tuple[str, ...]
    failed: int
    connected: int
    dropped: Mapping[str, int]
    pages_s: tuple[float, ...]  # how long each page took that was asked for
    pages_refused: Mapping[str, int]  # by what came instead

    @property
    def page_p95_s(self) -> float:
        return sorted(self.pages_s)[len(self.pages_s) * 95 // 100] if self.pages_s else 0.0

    @property
    def problems(self) -> tuple[str, ...]:
        found = [*self.verdict.problems, *self.audit_problems]
        if self.failed:
            found.append(f"{self.failed} calls failed")
        if self.pages_refused or not self.pages_s:
            found.append(
                f"{sum(self.pages_refused.values())} of {len(self.pages_s)} pages were not served:"
                f" {', '.join(f'{count} {what}' for what, count in self.pages_refused.items())}"
            )
        if self.page_p95_s > WORST_S:
            found.append(f"a page took {self.page_p95_s:.1f} s")
        return tuple(found)


async def crowd(plan: SlowPlan, report: Callable[[str], None]) -> SlowOutcome:
    """Send the crowd, place the calls, browse, and judge."""
    return await kept_if_wrong("slow-clients", lambda folder: _crowd(plan, folder), report)


async def _crowd(plan: SlowPlan, folder: Path) -> SlowOutcome:
    numbers = draw_numbers(Random(plan.seed), plan.calls.calls)  # noqa: S311 - to be repeated
    port = find_free_port()
    paid = office_under_trial(find_telephony(lambda _: None), folder, {"portal": {"port": port}})
    async with (
        paid,
        Application(paid.settings_file, folder / "portal", module="portal"),
        SlowClients(LOOPBACK, port, plan.clients) as slow,
    ):
        enough = threading.Event()
        browsing = asyncio.create_task(asyncio.to_thread(browse, paid, enough))
        try:
            placed = await place(paid, numbers, plan.calls)
        finally:
            enough.set()
        pages_s, refused = await browsing
        await until_quiet(paid)
        verdict = judge(paid.office.carrier.calls(), await paid.calls())
        audit = await paid.audit()
    return SlowOutcome(
        verdict=verdict,
        audit_problems=audit.problems,
        failed=failed_calls(placed, numbers, verdict),
        connected=slow.connected,
        dropped=dict(slow.dropped),
        pages_s=tuple(pages_s),
        pages_refused=dict(refused),
    )


def browse(paid: PaidOffice, enough: threading.Event) -> tuple[list[float], Counter[str]]:
    """Page after page until it is enough: how long each took, and what came instead of a page."""
    token = signed_in(paid.settings.database.url)
    took_s: list[float] = []
    refused: Counter[str] = Counter()
    for path in itertools.cycle(PAGES):
        if enough.is_set():
            break
        began = time.monotonic()
        if (instead := _instead_of_a_page(paid, token, path)) is not None:
            refused[instead] += 1
        took_s.append(time.monotonic() - began)
    return took_s, refused


def _instead_of_a_page(paid: PaidOffice, token: str, path: str) -> str | None:
    with httpx.Client(
        base_url=paid.settings.portal.address_for_browsers,
        cookies={COOKIE: token},
        timeout=PAGE_PATIENCE_S,
    ) as browser:
        try:
            status = browser.get(path).status_code
        except httpx.TransportError as error:
            return repr(error)
    return None if status == httpx.codes.OK else f"status {status}"
