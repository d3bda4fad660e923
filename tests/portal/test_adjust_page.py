"""Customer care's page: adds and takes, once for each time it was shown, and says what is wrong."""

import re

import httpx
import pytest

from charging.people import ATTEMPTS_PER_ACCOUNT
from charging.refill import State
from db.audit_trail import changes
from tests.portal.money import save_card, succeeded, told
from tests.portal.programs import fill
from tests.portal.site import Site, text_of
from tests.portal.test_api_money import actions, balance, payments_of
from tests.portal.test_money_pages import buy


async def key_of(browser: httpx.AsyncClient) -> str:
    page = await browser.get("/adjust")
    found = re.search(r'name="key" value="([0-9a-f]{32})"', page.text)
    assert found is not None
    return found[1]


async def adjust(
    browser: httpx.AsyncClient, key: str, amount: str = "5", **more: str
) -> httpx.Response:
    sent = {"adjustment": "grant", "amount": amount, "reason": "an outage", "key": key}
    return await browser.post("/adjust", data=sent | more)


async def test_what_is_added_stands_in_activity_and_trail_with_who_and_why(site: Site) -> None:
    await fill(site, "20")
    async with site.browser("carol") as browser:
        assert 'href="/adjust"' in (await browser.get("/")).text
        done = await adjust(browser, await key_of(browser), "2,50")
        assert done.status_code == 303
        page = text_of(await browser.get(done.headers["location"]))
        assert "The balance is adjusted." in page
        assert "Credit by customer care" in page
        assert "+£2.50" in page
        assert "an outage" in (await browser.get("/audit-trail")).text
    assert await balance(site) == "22.50 GBP"
    assert actions(site) == [("balance.grant", "user:carol@example.com")]


async def test_back_and_send_and_a_double_click_adjust_once(site: Site) -> None:
    async with site.browser("carol") as browser:
        key = await key_of(browser)
        for _ in range(3):
            assert (await adjust(browser, key)).status_code == 303
        changed = await adjust(browser, key, "6")
        assert changed.status_code == 409
        assert "This form was already sent with another amount." in changed.text
        turned = await adjust(browser, key, adjustment="deduct")
        assert turned.status_code == 409
        assert (await adjust(browser, await key_of(browser))).status_code == 303
    assert await balance(site) == "10.00 GBP"


async def test_no_more_is_taken_than_is_free_and_what_was_typed_stays(site: Site) -> None:
    await fill(site, "20")
    async with site.browser("carol") as browser:
        key = await key_of(browser)
        refused = await adjust(browser, key, "20.01", adjustment="deduct", reason="too much")
        assert refused.status_code == 409
        assert text_of(refused).count("Less than that is free in the account.") == 2
        assert 'value="20.01"' in refused.text
        assert 'value="too much"' in refused.text
        assert re.search(r'value="deduct" selected', refused.text)
        assert (await adjust(browser, key, "20", adjustment="deduct")).status_code == 303
    assert await balance(site) == "0.00 GBP"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"amount": each} for each in ("", "much", "0", "-5", "1000000.01", "1e3", "5 GBP")),
        *({"reason": each} for each in ("", "   ", "a\u202eb", "x" * 501)),
        *({"key": each} for each in ("", "short", "' OR 1=1")),
        {"adjustment": "set"},
    ],
)
async def test_a_wrong_form_changes_nothing_and_says_so_twice(
    site: Site, wrong: dict[str, str]
) -> None:
    async with site.browser("carol") as browser:
        sent = {"adjustment": "grant", "amount": "5", "reason": "why", "key": "0" * 32}
        answer = await browser.post("/adjust", data=sent | wrong)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert await balance(site) == "0.00 GBP"
    assert actions(site) == []


async def test_every_wrong_field_says_so_at_once(site: Site) -> None:
    async with site.browser("carol") as browser:
        sent = {"adjustment": "set", "amount": "much", "reason": " ", "key": "0" * 32}
        answer = await browser.post("/adjust", data=sent)
    page = text_of(answer)
    for said in ("Choose one of the list.", "Write an amount such as", "Say why, in a few words."):
        assert page.count(said) == 2, said  # beside the field, and in the summary


@pytest.mark.parametrize("who", ["vic", "anna", "remi"])
async def test_nobody_but_customer_care_adjusts(site: Site, who: str) -> None:
    async with site.browser(who) as browser:
        assert (await browser.get("/adjust")).status_code == 403
        assert (await adjust(browser, "0" * 32)).status_code == 403
        assert 'href="/adjust"' not in (await browser.get("/")).text
    assert await balance(site) == "0.00 GBP"


async def test_an_old_password_is_asked_for_again_first(site: Site) -> None:
    async with site.browser("carol") as browser:
        key = await key_of(browser)
        site.clock.advance(16 * 60)
        asked = await adjust(browser, key)
    assert "Your password, please" in asked.text
    assert await balance(site) == "0.00 GBP"


async def test_the_code_of_an_office_cannot_be_guessed_on_the_page(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        [payment] = payments_of(site)
        await told(site, payment, succeeded(payment))
        page = await browser.post("/billing/support-code")
        found = re.search(r'translate="no">(\d{4}) (\d{4})<', page.text)
        assert found is not None
    code, address = found[1] + found[2], f"/payments/{payment.payment_id}/cancel"
    async with site.browser("carol") as care:
        for number in range(ATTEMPTS_PER_ACCOUNT):
            guess = f"{(int(code) + 1 + number) % 10**8:08d}"
            assert (
                await care.post(address, data={"code": guess, "reason": "x"})
            ).status_code == 409
        late = await care.post(address, data={"code": code, "reason": "x"})
        assert "Too many codes were tried for this office." in late.text
        assert payments_of(site)[0].state is State.CREDITED
        site.clock.advance(15 * 60)
    rows = site.read(lambda reader: changes(reader, "main", limit=9))
    assert "payment.cancel" not in {row.change.action for row in rows}
