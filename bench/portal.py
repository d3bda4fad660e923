"""Every screen of the portal over 1,000,000 rows of activity, beside a bare Starlette page.

Two years of an office: paid calls, included ones, refused attempts. The pages are asked for one
after another by one browser, as `python -m portal` serves them.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import httpx
from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.ledger import on_postgresql, on_sqlite
from bench.two_years import fill_two_years
from db.day_sums import add_up_days
from db.schema import upgrade
from demo.managers_pages import write_phones
from lab.application import Application
from lab.manager import signed_in
from lab.paid_office import import_rates
from lab.ports import find_free_port
from lab.usage import cpu_s, memory_bytes
from plans.files import SAMPLE_DECKS
from portal.sessions import COOKIE
from settings import load_settings

CALLS: Final = 950_000
UNPAID: Final = 1_000_000  # one in twenty refused, and so a row of activity
YEARS_DAYS: Final = 730
ASKED: Final = 40  # times for each screen
GOAL_MS: Final = 200
MEGABYTE: Final = 1_000_000
MEMORY_GROWS_MAX: Final = 20 * MEGABYTE
PATIENCE_S: Final = 600.0


class Screen(NamedTuple):
    name: str
    path: str


def screens(today: date) -> Iterator[Screen]:
    every = f"period=dates&since={today - timedelta(days=YEARS_DAYS + 5)}&until={today}"
    yield from (Screen("balance", "/"), Screen("calls under way", "/live"))
    for name in ("activity", "calls"):
        yield Screen(name, f"/{name}?period=30")
        for what, query in (
            ("an extension", "extension=1007"),
            ("an extension that never called", "extension=1001"),
            ("a country", "country=FR"),
            ("a country that nobody called", "country=JP"),
            ("digits", "number=345678"),
            ("digits that nobody dialled", "number=98765"),
        ):
            yield Screen(f"{name}, 30 days, {what}", f"/{name}?period=30&{query}")
        yield Screen(f"{name}, two years", f"/{name}?{every}")
        yield Screen(f"{name}, two years, an extension", f"/{name}?{every}&extension=1007")
    yield Screen("activity, two years, refused", f"/activity?{every}&show=refused")
    yield Screen("activity, two years, money", f"/activity?{every}&show=money")
    for by in ("day", "country", "extension"):
        yield Screen(f"report by {by}, 30 days", f"/reports?period=30&by={by}")
        yield Screen(f"report by {by}, two years", f"/reports?{every}&by={by}")
    yield Screen("rates of a number", "/rates?number=%2B33612345678")
    yield Screen("rates of a country", "/rates?country=FR")
    for name in ("extensions", "extensions/1007", "billing", "notices", "users", "audit-trail"):
        yield Screen(name.replace("/1007", ", one"), f"/{name}")


def run() -> list[Figure]:
    with on_sqlite() as engine:
        figures = [*measure("SQLite", engine, calls=CALLS, unpaid=UNPAID)]
    with on_postgresql() as engine:
        return [*figures, *measure("PostgreSQL", engine, calls=CALLS, unpaid=UNPAID)]


def measure(name: str, engine: Engine, *, calls: int, unpaid: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        _live_two_years(engine, calls=calls, unpaid=unpaid)
        began = time.perf_counter()
        days = sum(add_up_days(engine, now=datetime.now(UTC)))  # the portal's first minute
        took_s = time.perf_counter() - began
        yield Figure(what=f"{days} past days added up, {name}", unit="s", value=took_s)
        url = engine.url.render_as_string(hide_password=False)
        token = signed_in(url)
        settings_file = _settings(folder, url)
        for figure in asyncio.run(_ask(settings_file, token)):
            yield replace(figure, what=f"{figure.what}, {name}")


def _live_two_years(engine: Engine, *, calls: int, unpaid: int) -> None:
    now = datetime.now(UTC)
    upgrade(engine)
    first = now - timedelta(days=YEARS_DAYS)
    fill_two_years(engine, calls=calls, unpaid=unpaid, first=first, last=now)
    if engine.dialect.name == "sqlite":
        move_log_into_file(engine)
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as writer:
        writer.execute(text("ANALYZE"))  # as autovacuum does within a minute


def move_log_into_file(engine: Engine) -> None:
    """Else every page is looked for in a log of gigabytes; outside of a transaction."""
    connection = engine.raw_connection()
    busy, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    if busy:
        raise RuntimeError("somebody still reads the ledger")


def _settings(folder: Path, url: str) -> Path:
    phones_file, file = folder / "phones.toml", folder / "tollgate.toml"
    write_phones(phones_file)
    file.write_text(
        f'[database]\nurl = "{url}"\n[site]\nphones_file = "{phones_file}"\n'
        f"[portal]\nport = {find_free_port()}\n",
        encoding="utf-8",
    )
    deck = (SAMPLE_DECKS / "sample-gbp.csv").read_text(encoding="utf-8")
    import_rates(load_settings(file), deck, "GBP")
    return file


async def _ask(settings_file: Path, token: str) -> Sequence[Figure]:
    folder = settings_file.parent
    bare_file = folder / "bare.toml"
    bare_file.write_text(f"[portal]\nport = {find_free_port()}\n", encoding="utf-8")
    async with (
        Application(bare_file, folder / "bare", module="bench.bare_page"),
        _browser(bare_file, token) as browser,
    ):
        bare_ms = await _p95_ms(browser, "/")
    async with (
        Application(settings_file, folder / "portal", module="portal") as portal,
        _browser(settings_file, token) as browser,
    ):
        figures = []
        for screen in screens(datetime.now(UTC).date()):
            before_s = cpu_s(portal.pid)
            found_ms = await _p95_ms(browser, screen.path)
            used_ms = 1000 * (cpu_s(portal.pid) - before_s) / (ASKED + 1)
            figures += [
                Figure(
                    what=screen.name,
                    unit="ms, 95 of 100",
                    value=found_ms,
                    beside=bare_ms,
                    beside_what="a bare page",
                    goal=f"under {GOAL_MS} ms",
                    met=found_ms < GOAL_MS,
                ),
                Figure(what=f"{screen.name}, processor time", unit="ms", value=used_ms),
            ]
        return [*figures, *await _stream(browser, lambda: memory_bytes(portal.pid))]


def _browser(settings_file: Path, token: str) -> httpx.AsyncClient:
    address = load_settings(settings_file).portal.address_for_browsers
    return httpx.AsyncClient(base_url=address, cookies={COOKIE: token}, timeout=PATIENCE_S)


async def _p95_ms(browser: httpx.AsyncClient, path: str) -> float:
    """What 95 of 100 take no longer than; the first, for which all is loaded, does not count."""
    took_s = []
    for _ in range(ASKED + 1):
        began = time.perf_counter()
        answer = await browser.get(path)
        took_s.append(time.perf_counter() - began)
        answer.raise_for_status()
    return 1000 * sorted(took_s[1:])[ASKED * 95 // 100 - 1]


async def _stream(browser: httpx.AsyncClient, memory: Callable[[], int]) -> Sequence[Figure]:
    """The whole list as a file; how much memory it takes once it flows."""
    query = next(s.path for s in screens(datetime.now(UTC).date()) if s.name.endswith("two years"))
    lines, before, most = 0, 0, 0
    began = time.perf_counter()
    async with browser.stream("GET", query.replace("?", ".csv?")) as answer:
        answer.raise_for_status()
        async for part in answer.aiter_bytes():
            lines += part.count(b"\n")
            before = before or memory()  # the first part is there
            most = max(most, memory())
    took_s = time.perf_counter() - began
    grew = most - before
    return [
        Figure(what="activity as a file", unit="lines", value=lines - 1),
        Figure(what="activity as a file", unit="lines a second", value=(lines - 1) / took_s),
        Figure(
            what="memory that the file takes while it is sent",
            unit="MB",
            value=grew / MEGABYTE,
            goal=f"at most {MEMORY_GROWS_MAX // MEGABYTE} MB",
            met=grew <= MEMORY_GROWS_MAX,
        ),
    ]
