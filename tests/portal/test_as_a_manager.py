"""What a manager does in a browser: real processes of portal, payments and their sandbox."""

import csv
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlalchemy import Connection

from charging.people import Role
from db import people
from db.engine import open_engine
from db.writing import write_to
from lab.application import Application
from lab.believable import Setting, fill
from lab.paid_office import import_rates
from lab.ports import find_free_port
from lab.sandbox import TEST_CARD
from plans.files import SAMPLE_DECKS
from portal.passwords import Passwords
from settings import load_settings
from tests.fakes.charging import office_on
from tests.portal.served import CHROMIUM, sample_deck

ADDRESS = "manager@example.com"
BANK_ASKS = "4000002760003184"
PATIENCE_MS = 30_000  # with a busy machine: the worker looks every second or two
PROGRAMS = ("payments.sandbox_server", "payments", "portal")


class Desk(NamedTuple):
    url: str
    password: str


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An office with a week of calls behind it, and every process that its manager meets."""
    file = tmp_path / "tollgate.toml"
    file.write_text(
        f"[portal]\nport = {find_free_port()}\n"
        f"[payments]\nport = {find_free_port()}\nsandbox_port = {find_free_port()}\n"
        '[topups]\nseller_name = "Example Telecom Ltd"\nvat_number = "GB123456789"\n',
        encoding="utf-8",
    )
    settings = load_settings(file)
    deck = (SAMPLE_DECKS / "sample-gbp.csv").read_text(encoding="utf-8")
    import_rates(settings, deck, "GBP")
    fill(
        settings.database.url,
        Setting(office=office_on(), deck=sample_deck(), until=datetime.now(UTC), days=6),
    )
    password = await _let_in(settings.database.url)
    async with AsyncExitStack() as running:
        for program in PROGRAMS:
            application = Application(file, tmp_path / program, module=program)
            await running.enter_async_context(application)
        yield Desk(settings.portal.address_for_browsers, password)


async def _let_in(url: str) -> str:
    password = secrets.token_urlsafe(12)
    passwords = Passwords()
    hashed = await passwords.hash(password)
    passwords.close()

    def add(writer: Connection) -> None:
        now = datetime.now(UTC)
        user_id = people.add_user(writer, address=ADDRESS, name="Anna", at=now)
        people.give_role(writer, user_id, "main", Role.MANAGER)
        people.set_password(writer, user_id, hashed)

    engine = open_engine(url)
    write_to(engine, add)
    engine.dispose()
    return password


@pytest_asyncio.fixture
async def page(desk: Desk) -> AsyncIterator[Page]:
    """Signed in, at the balance; a fault of the page's script fails the test."""
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        context = await browser.new_context(locale="en-GB", accept_downloads=True)
        opened = await context.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        await opened.goto(desk.url)
        await opened.get_by_label("Mail address").fill(ADDRESS)
        await opened.get_by_label("Password").fill(desk.password)
        await opened.get_by_role("button", name="Sign in").click()
        yield opened
        assert not faults
        await browser.close()


async def go(page: Page, *names: str) -> None:
    for name in names:
        await page.get_by_role("link", name=name, exact=True).click()


async def shows(page: Page, text: str) -> None:
    await expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)


async def balance_on(page: Page) -> Decimal:
    await go(page, "Prepaid Account")
    shown = await page.locator("p.balance").inner_text()
    return Decimal(shown.removeprefix("£").replace(",", ""))


async def enter_card(page: Page, number: str) -> None:
    """On the processor's own page; then back, where it is said to be saved."""
    await go(page, "Billing")
    await page.get_by_role("button", name=re.compile("Enter a card|Replace the card")).click()
    await go(page, "Go to the card processor")
    await page.get_by_label("Card number").fill(number)
    await page.get_by_label("Expiry").fill("12/34")
    await page.get_by_label("Security code").fill("123")
    await page.get_by_role("button", name="Save the test card").click()
    await shows(page, "The card is saved.")


async def buy(page: Page, amount: str) -> None:
    await go(page, "Prepaid Account")
    await page.get_by_label("Amount").select_option(label=amount)
    await page.get_by_role("button", name="Buy", exact=True).click()


async def test_a_manager_fills_the_account_reads_it_and_keeps_its_papers(
    page: Page, tmp_path: Path
) -> None:
    """One test: each step stands on the one before. 20 s alone."""
    before = await balance_on(page)
    await enter_card(page, TEST_CARD)
    await buy(page, "£20")
    await shows(page, "The money is in your account.")
    assert await balance_on(page) == before + 20
    await go(page, "Prepaid activity")
    newest = page.locator("tbody tr").first
    await expect(newest).to_contain_text("Top-up")
    await expect(newest).to_contain_text("+£20.00")

    await go(page, "Prepaid Account")
    await page.get_by_label("Rule").select_option(label="Add £10 when my balance is below £5")
    await page.get_by_role("button", name="Save the rule").click()
    await shows(page, "Your balance is refilled before it runs out.")

    await enter_card(page, BANK_ASKS)
    await buy(page, "£10")
    await shows(page, "Your bank wants you to confirm this payment.")
    await (
        page.get_by_role("button", name="Answer your bank")
        .or_(page.get_by_role("link", name="Answer your bank"))
        .click()
    )
    confirmed = page.get_by_role("button", name="Yes, it is me")
    to_bank = page.get_by_role("link", name="Answer your bank")
    await expect(confirmed.or_(to_bank)).to_be_visible(timeout=PATIENCE_MS)
    if await to_bank.count():
        await to_bank.click()
    await confirmed.click()
    await shows(page, "The money is in your account.")
    assert await balance_on(page) == before + 30

    await go(page, "Rates")
    await page.get_by_label("Number").fill("00336 12 34 56 78")
    await page.get_by_role("button", name="Look up").click()
    await shows(page, "a minute")

    await _add_up_the_file(page, tmp_path)
    await _print_a_receipt(page, tmp_path)
    await page.get_by_role("button", name="Français").click()
    await shows(page, "Facturation")
    await expect(page.locator("html")).to_have_attribute("lang", "fr")


async def _add_up_the_file(page: Page, folder: Path) -> None:
    await go(page, "Prepaid Account", "Prepaid activity")
    await page.get_by_label("Period").select_option(label="Last 30 days")
    await page.get_by_role("button", name="Apply", exact=True).click()
    shown = dict(
        re.findall(r"(At the \w+)\s+£([\d.,]+)", await page.locator("dl.sum").inner_text())
    )
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download as CSV").click()
    file = folder / "activity.csv"
    await (await downloading.value).save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        amounts = [Decimal(row["Amount"]) for row in csv.DictReader(opened) if row["Amount"]]
    assert len(amounts) > 20
    opening, closing = Decimal(shown["At the beginning"]), Decimal(shown["At the end"])
    assert opening + sum(amounts) == closing


async def _print_a_receipt(page: Page, folder: Path) -> None:
    await go(page, "Billing")
    await page.get_by_role("link", name=re.compile("^MAIN-0")).first.click()
    await page.emulate_media(media="print")
    await expect(page.get_by_role("navigation")).to_have_count(0)
    await expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    assert (await page.pdf()).startswith(b"%PDF")
    await page.emulate_media(media="screen")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download as PDF").click()
    file = folder / "receipt.pdf"
    await (await downloading.value).save_as(file)
    assert file.read_bytes().startswith(b"%PDF")
