"""A call as its manager sees it: live, ever dearer, hung up from the page, and in the activity."""

import re
from datetime import timedelta

import pytest
from playwright.async_api import Page, async_playwright, expect

from lab.application import Application
from lab.manager import signed_in
from lab.paid_office import PaidOffice
from lab.ports import find_free_port
from portal.sessions import COOKIE
from portal.words import MINUS
from tests.live.conftest import FRANCE, StartOffice
from tests.portal.served import CHROMIUM

pytestmark = pytest.mark.live

PATIENCE_MS = timedelta(seconds=30) // timedelta(milliseconds=1)


async def shows_a_cost(page: Page) -> str:
    cost = page.locator("[data-refresh] td.number", has_text="£").first
    await expect(cost).to_be_visible(timeout=PATIENCE_MS)
    return await cost.inner_text()


async def hang_up_in_the_browser(paid: PaidOffice, page: Page) -> None:
    """Look at it until its cost has grown, then end it."""
    await page.goto(paid.settings.portal.address_for_browsers)
    first = await shows_a_cost(page)
    await expect(page.locator("[data-refresh]")).not_to_contain_text(first, timeout=PATIENCE_MS)
    assert await shows_a_cost(page) > first
    await page.get_by_role("button", name=re.compile("Hang up")).click()
    await expect(page.get_by_text("The call is being hung up.")).to_be_visible()


async def test_a_call_ticks_in_the_browser_and_is_hung_up_from_there(
    start_office: StartOffice,
) -> None:
    """25 s, of which most is the start of an office."""
    async with (
        start_office(settings={"portal": {"port": find_free_port()}}) as paid,
        Application(paid.settings_file, paid.office.folder / "portal", module="portal"),
        paid.office.phone("1001") as phone,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        page = await browser.new_page(locale="en-GB")
        token = signed_in(paid.settings.database.url)
        address = paid.settings.portal.address_for_browsers
        await page.context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
        await phone.dial(FRANCE)
        await paid.application.wait_for("interval_debited", interval=0, timeout_s=30)
        await hang_up_in_the_browser(paid, page)
        call = await paid.office.carrier.wait_for(lambda call: call.ended)
        assert call.ended_by == "office"
        settled = await paid.application.wait_for("call_settled")
        await page.goto(f"{address}/activity")
        row = page.locator("tbody tr", has_text="+33 1 42 68 53 00")
        shown = await row.locator("td.number").nth(2).inner_text()
        cost = float(shown.removeprefix(f"{MINUS}£"))
        assert round(cost * 1_000_000) == settled["charged_micros"]
        await expect(page.get_by_text("Nobody is on a paid call.")).to_have_count(0)
        await browser.close()
