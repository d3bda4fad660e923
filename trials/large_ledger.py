"""Calls beside the portal of an office with two years behind it: all is served, no call is harmed.

Somebody turns page after page over a million rows of activity, and somebody else downloads all of
them as a file, again and again, while calls are placed. The carrier's log judges the calls.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from db.day_sums import add_up_days
from db.engine import open_engine
from lab.application import Application
from lab.manager import signed_in
from lab.paid_office import PaidOffice
from lab.ports import find_free_port
from lab.postgresql import running_server
from lab.telephony import find_telephony
from lab.two_years import fill_two_years, settle_down
from trials.browsing import Judged, Seen, browsing, downloading, judged
from trials.chaos import OPENING, office_under_trial
from trials.numbers import draw_numbers
from trials.soak import SoakPlan, place

DAYS: Final = 730
PAID_PART: Final = 0.95  # of the rows of activity; the others are refused attempts
PAGES: Final = (
    *("/", "/live", "/activity?period=30", "/activity?period=30&extension=1007"),
    *("/activity?period=30&number=345678", "/calls?period=30", "/reports?period=30&by=day"),
    *("/rates?country=FR", "/audit-trail"),
)
PAGE_WORST_S: Final = 2.0  # 95 of 100, while a machine of two cores also carries the calls


@dataclass(frozen=True, slots=True, kw_only=True)
class LargePlan:
    rows: int
    calls: SoakPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeOutcome:
    judged: Judged
    rows: int

    @property
    def problems(self) -> tuple[str, ...]:
        found = self.judged.problems(worst_s=PAGE_WORST_S)
        lines = self.judged.seen.files_lines
        if min(lines, default=0) < self.rows:
            return (*found, f"a file is not whole: {lines} lines")
        return found


async def run(
    plan: LargePlan, database: str, folder: Path, report: Callable[[str], None]
) -> LargeOutcome:
    """On a database of its own, "sqlite" or "postgresql"."""
    numbers = draw_numbers(Random(plan.calls.seed), plan.calls.calls)  # noqa: S311 - to be repeated
    seen = Seen()
    with ExitStack() as stack:
        settings: dict[str, dict[str, Any]] = {"portal": {"port": find_free_port()}}
        if database == "postgresql":
            server = stack.enter_context(running_server(durable=True))
            settings |= {"database": {"url": server.url()}}
        paid = office_under_trial(find_telephony(lambda _: None), folder, settings, opening=None)
        async with paid:
            await asyncio.to_thread(_live_two_years, paid, plan.rows)
            await paid.top_up(OPENING)
            report(f"{database}: {plan.rows} rows are written")
            async with Application(paid.settings_file, folder / "portal", module="portal"):
                token = await asyncio.to_thread(signed_in, paid.settings.database.url)
                async with (
                    browsing(paid, token, PAGES, seen),
                    downloading(paid, token, _whole_file(), seen),
                ):
                    placed = await place(paid, numbers, plan.calls)
            found = await judged(paid, placed, numbers, seen)
    return LargeOutcome(judged=found, rows=plan.rows)


def _whole_file() -> str:
    today = datetime.now(UTC).date()
    return f"/activity.csv?period=dates&since={today - timedelta(days=DAYS + 5)}&until={today}"


def _live_two_years(paid: PaidOffice, rows: int) -> None:
    now = datetime.now(UTC)
    engine = open_engine(paid.settings.database.url)
    fill_two_years(
        engine,
        calls=round(rows * PAID_PART),
        unpaid=rows,
        first=now - timedelta(days=DAYS),
        last=now,
    )
    for _ in add_up_days(engine, now=now):
        pass
    settle_down(engine)
    engine.dispose()
