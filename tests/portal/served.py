"""The portal with a week of an office's life, served to a real browser."""

import asyncio
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from playwright.async_api import Browser, BrowserContext, Page
from sqlalchemy import text

from charging.deck_file import DeckFormat, read_deck_text
from charging.orders import TopUpOrder, refill_rule
from charging.rate_deck import RateDeck
from charging.receipts import Party
from db.card_forms import CardFormRow, ask_for_form
from db.money_reads import last_payments
from db.outbox import NoticeAddress, add_address
from lab.believable import Setting, fill
from lab.ports import find_free_port
from plans.files import SAMPLE_DECKS
from portal.app import portal_app
from portal.sessions import COOKIE
from tests.fakes.charging import gbp, office_on
from tests.fakes.clock import START
from tests.portal.money import asked_by_bank, declined, save_card, succeeded, told
from tests.portal.site import Site, portal_site

CHROMIUM = "/usr/bin/chromium"
DAYS = 6
NOW = START + timedelta(hours=6)  # a Saturday afternoon in London


@dataclass(frozen=True)
class Served:
    site: Site
    address: str

    @asynccontextmanager
    async def signed_in(
        self, browser: Browser, who: str | None = "anna", **options: Any
    ) -> AsyncIterator[Page]:
        """A window in which somebody is signed in; a fault of the page's script fails the test."""
        context = await browser.new_context(
            **{"locale": "en-GB", "timezone_id": "Europe/London", "reduced_motion": "reduce"}
            | options
        )
        try:
            if who is not None:
                await self._sign_in(context, who)
            page = await context.new_page()
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("console", lambda said: faults.append(said.text) if _is_bad(said) else None)
            yield page
            assert not faults
        finally:
            await context.close()

    async def _sign_in(self, context: BrowserContext, who: str) -> None:
        token = self.site.token(who)
        await context.add_cookies([{"name": COOKIE, "value": token, "url": self.address}])


def _is_bad(said: Any) -> bool:
    """A style or a script that the policy stops is told on the console."""
    return said.type == "error" and "status of 4" not in said.text


def sample_deck() -> RateDeck:
    form = DeckFormat(columns={}, currency="GBP", effective=date.min)
    rows = read_deck_text((SAMPLE_DECKS / "sample-gbp.csv").read_bytes(), form).rows
    return RateDeck(rows, currency="GBP")


@contextmanager
def lived_in(folder: Path, **options: Any) -> Iterator[Site]:
    """A site whose office has a week behind it."""
    with portal_site(folder, **options) as site:
        setting = Setting(
            office=office_on(),
            deck=sample_deck(),
            until=NOW,
            days=DAYS,
        )
        fill(str(site.engine.url), setting)
        site.clock.set(NOW)
        _finished(_money_in(site))
        yield site


CARD_FORM = "c" * 32


def _finished(steps: Coroutine[Any, Any, None]) -> None:
    """Run what never waits, wherever it is called: a loop may be running or not."""
    try:
        steps.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something")


async def _money_in(site: Site) -> None:
    """A card, a refill that is paused, and a payment in each state that a person may meet."""
    await save_card(site)
    money_in, by = site.parts.money_in, "user:anna@example.com"
    party = Party(name="Smith & Sons", address=("2 Low Road", "Leeds"), vat_number="GB999")
    await money_in.set_buyer("main", party, language="en", by=by)
    rule = refill_rule(amount=gbp("20"), threshold=gbp("10"))
    await money_in.set_refill("main", rule, by=by, words="Add 20 below 10")
    for name, fact in (("a", succeeded), ("b", asked_by_bank), ("c", declined)):
        order = TopUpOrder(amount=gbp("20"), confirmed=True, return_url="http://127.0.0.1/")
        payment = await money_in.begin_top_up("main", order, by=by, key=name * 32)
        await told(site, payment, fact(payment))
    address = NoticeAddress("anna@example.com", "en")
    site.write(lambda writer: add_address(writer, "main", address, by=by, at=NOW))
    form = CardFormRow(
        form_id=CARD_FORM,
        office_id="main",
        asked_by=by,
        asked_at=NOW,
        return_url="",
        cancel_url="",
        language="en",
        currency="GBP",
        state="open",
        page_url="https://cards.example/form",
    )
    site.write(lambda writer: ask_for_form(writer, form))


@asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[Served]:
    """Serve a lived-in site on a port of its own, in this process."""
    port = find_free_port()
    host = f"127.0.0.1:{port}"
    with lived_in(folder, host=host, **options) as site:
        app = portal_app(site.parts, hosts={host})
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        with socket.create_server(("127.0.0.1", port)) as listener:  # so nobody is turned away
            running = asyncio.create_task(server.serve(sockets=[listener]))
            yield Served(site, f"http://{host}")
            server.should_exit = True
            await running


@dataclass(frozen=True)
class Screen:
    """A page in one of its states."""

    name: str
    path: str
    who: str | None = "anna"
    status: int = 200


def screens_of(site: Site) -> list[Screen]:
    """Every page, with the ids of calls that this site has."""

    def call(table: str, condition: str) -> str:
        query = text(f"SELECT call_id FROM {table} WHERE {condition} LIMIT 1")  # noqa: S608 - ours
        with site.engine.connect() as reader:
            return str(reader.execute(query).scalar_one())

    with site.engine.connect() as reader:
        payments = {
            str(each.state): each.payment_id for each in last_payments(reader, "main", limit=9)
        }
    paid = call("calls", "talk_s > 130")
    included = call("unpaid_calls", "refusal IS NULL AND talk_s > 0")
    refused = call("unpaid_calls", "refusal IS NOT NULL")
    return [
        Screen("sign-in", "/sign-in", None),
        Screen("forgotten", "/forgotten", None),
        Screen("balance", "/"),
        Screen("activity", "/activity"),
        Screen("activity-empty", "/activity?period=dates&since=2020-01-01&until=2020-01-31"),
        Screen("activity-wrong", "/activity?period=dates&since=soon&number=abc"),
        Screen("calls", "/calls"),
        Screen("call", f"/calls/{paid}"),
        Screen("call-included", f"/calls/{included}"),
        Screen("call-refused", f"/calls/{refused}"),
        Screen("reports", "/reports"),
        Screen("reports-country", "/reports?by=country"),
        Screen("reports-month", "/reports?period=dates&since=2025-01-01&until=2026-11-30"),
        Screen("reports-empty", "/reports?period=dates&since=2020-01-01&until=2020-01-31"),
        Screen("rates", "/rates"),
        Screen("rates-number", "/rates?number=%2B33612345678"),
        Screen("rates-included", "/rates?number=02079460123"),
        Screen("rates-country", "/rates?country=FR"),
        Screen("rates-wrong", "/rates?number=hello"),
        Screen("extensions", "/extensions"),
        Screen("extension", "/extensions/1001"),
        Screen("extension-viewer", "/extensions/1001", "vic"),
        Screen("extensions-empty", "/extensions", "remi"),
        Screen("billing", "/billing"),
        Screen("payment-credited", f"/payments/{payments['credited']}"),
        Screen("payment-refused", f"/payments/{payments['refused']}"),
        Screen("payment-bank", f"/payments/{payments['authentication']}"),
        Screen("adjust", "/adjust", "carol"),
        Screen("api-reference", "/api-reference", None),
        Screen("payment-care", f"/payments/{payments['credited']}", "carol"),
        Screen("card-form", f"/billing/card/{CARD_FORM}"),
        Screen("receipt", "/receipts/1"),
        Screen("notices", "/notices"),
        Screen("nothing-yet", "/", "remi"),
        Screen("billing-empty", "/billing", "remi"),
        Screen("notices-empty", "/notices", "remi"),
        Screen("balance-viewer", "/", "vic"),
        Screen("users", "/users"),
        Screen("audit-trail", "/audit-trail"),
        Screen("not-there", "/nowhere", status=404),
    ]
