"""Somebody who reads the portal while a trial goes on.

On a thread of their own: a browser does not wait, between its connection and its request, until
everybody else in the trial has had their turn.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from lab.caller import PlacedCall
from lab.paid_office import PaidOffice
from portal.sessions import COOKIE
from trials.chaos import until_quiet
from trials.numbers import TrialNumber
from trials.oracle import Verdict, judge
from trials.soak import failed_calls

PATIENCE_S = 30.0  # for a page, and for the next part of a file


@dataclass(frozen=True, slots=True)
class Seen:
    """Added to while it goes on."""

    pages_s: list[float] = field(default_factory=list)  # how long each page took
    refused: Counter[str] = field(default_factory=Counter)  # by what came instead of a page
    files_lines: list[int] = field(default_factory=list)  # of each file that came to its end

    @property
    def page_p95_s(self) -> float:
        return sorted(self.pages_s)[len(self.pages_s) * 95 // 100] if self.pages_s else 0.0

    def problems(self, *, worst_s: float) -> Sequence[str]:
        """What must not be, where 95 of 100 pages may take so long."""
        found = []
        if self.refused or not self.pages_s:
            found.append(
                f"{self.refused.total()} of {len(self.pages_s)} pages were not served:"
                f" {', '.join(f'{count} {what}' for what, count in self.refused.items())}"
            )
        if self.page_p95_s > worst_s:
            found.append(f"a page took {self.page_p95_s:.1f} s")
        return found


@asynccontextmanager
async def browsing(
    paid: PaidOffice, token: str, pages: Sequence[str], seen: Seen
) -> AsyncIterator[None]:
    """Page after page for as long as the block runs, each by a new connection."""
    turn = itertools.cycle(pages)

    def look() -> None:
        began = time.monotonic()
        instead = _instead_of_a_page(paid, token, next(turn))
        seen.pages_s.append(time.monotonic() - began)
        if instead is not None:
            seen.refused[instead] += 1

    async with _again_and_again(look):
        yield


@asynccontextmanager
async def downloading(paid: PaidOffice, token: str, path: str, seen: Seen) -> AsyncIterator[None]:
    """A file, again and again; the last one is read to its end, too."""

    def read() -> None:
        with _browser(paid, token) as browser, browser.stream("GET", path) as answer:
            answer.raise_for_status()
            seen.files_lines.append(sum(part.count(b"\n") for part in answer.iter_bytes()))

    async with _again_and_again(read):
        yield


@asynccontextmanager
async def _again_and_again(do: Callable[[], None]) -> AsyncIterator[None]:
    enough = threading.Event()

    def keep_doing() -> None:
        while not enough.is_set():
            do()

    doing = asyncio.create_task(asyncio.to_thread(keep_doing))
    try:
        yield
    finally:
        enough.set()
        await doing


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Calls, as the carrier's log judges them, and what was read of the portal meanwhile."""

    verdict: Verdict
    audit_problems: tuple[str, ...]
    failed: int  # calls that were not answered and should have been, or never ended
    seen: Seen

    def __str__(self) -> str:
        return (
            f"{self.verdict.answered} calls answered beside {len(self.seen.pages_s)} pages,"
            f" 95 of 100 within {self.seen.page_p95_s:.2f} s"
        )

    def problems(self, *, worst_s: float) -> tuple[str, ...]:
        """What must not be, where 95 of 100 pages may take so long."""
        failed = [f"{self.failed} calls failed"] if self.failed else []
        of_pages = self.seen.problems(worst_s=worst_s)
        return (*self.verdict.problems, *self.audit_problems, *failed, *of_pages)


async def judged(
    paid: PaidOffice, placed: Sequence[PlacedCall], numbers: Sequence[TrialNumber], seen: Seen
) -> Judged:
    """When the last call has ended and is settled."""
    await until_quiet(paid)
    verdict = judge(paid.office.carrier.calls(), await paid.calls())
    audit = await paid.audit()
    return Judged(
        verdict=verdict,
        audit_problems=audit.problems,
        failed=failed_calls(placed, numbers, verdict),
        seen=seen,
    )


def _instead_of_a_page(paid: PaidOffice, token: str, path: str) -> str | None:
    with _browser(paid, token) as browser:
        try:
            status = browser.get(path).status_code
        except httpx.TransportError as error:
            return repr(error)
    return None if status == httpx.codes.OK else f"status {status} of {path}"


def _browser(paid: PaidOffice, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=paid.settings.portal.address_for_browsers,
        cookies={COOKIE: token},
        timeout=PATIENCE_S,
    )
