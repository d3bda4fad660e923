"""Buying, the refill, payments, billing and notices: what a form does, and what it never does."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import httpx
import pytest

from charging.deck_file import DeckFormat, read_deck_text
from charging.money_state import Payment
from charging.orders import refill_rule
from charging.people import SUPPORT_CODE_LASTS
from charging.rate_deck import DeckKey
from charging.refill import Event, State
from charging.refill_rules import PolicyState
from db.audit_trail import changes
from db.card_forms import change_form, find_form
from db.money_reads import last_payments, refill_status
from db.outbox import addresses_of
from db.rate_decks import LiveDecks, import_deck
from lab.believable import phones
from portal.offices import Offices
from tests.db.money import Spend
from tests.fakes.charging import UK_PLAN, FixedOffices, gbp, office_on
from tests.portal.money import (
    asked_by_bank,
    declined,
    desk_refund_failed,
    disputed,
    refunded_at_desk,
    save_card,
    succeeded,
    told,
)
from tests.portal.site import Site, text_of

KEY = "0123456789abcdef0123456789abcdef"


def payments_of(site: Site, office_id: str = "main") -> list[Payment]:
    return [*site.read(lambda reader: last_payments(reader, office_id, limit=50))]


async def buy(
    browser: httpx.AsyncClient, amount: str = "20.00", *, key: str = KEY, confirmed: str = ""
) -> httpx.Response:
    return await browser.post(
        "/top-ups", data={"amount": amount, "key": key, "confirmed": confirmed}
    )


async def test_a_purchase_is_one_row_and_its_page_says_what_becomes_of_it(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        assert "Charges Visa 4242 the chosen amount now." in (await browser.get("/")).text
        answer = await buy(browser)
        assert answer.status_code == 303
        page = await browser.get(answer.headers["location"])
        assert "Under way" in page.text
        [payment] = payments_of(site)
        assert (payment.amount, payment.actor) == (gbp("20.00"), "user:anna@example.com")
        await told(site, payment, succeeded(payment))
        page = await browser.get(f"/payments/{payment.payment_id}")
        assert "The money is in your account." in page.text
        assert "£20.00" in (await browser.get("/")).text


async def test_what_is_owed_is_told_until_it_is_paid(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        [first] = payments_of(site)
        await told(site, first, succeeded(first))
        await site.ledger.carry_out(Spend("main", gbp("14"), key="14", at=site.clock.now()))
        await told(site, first, disputed(first))
        assert "The office owes £14.00" in text_of(await browser.get("/"))
        await buy(browser, "50.00", key=KEY[::-1])
        [second] = [each for each in payments_of(site) if each.amount == gbp("50")]
        await told(site, second, succeeded(second))
        page = text_of(await browser.get("/"))
    assert "owes" not in page
    assert "£36.00" in page


async def test_a_form_that_is_sent_twice_buys_once(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        first, second = await buy(browser), await buy(browser)
    assert first.headers["location"] == second.headers["location"]
    assert len(payments_of(site)) == 1


async def test_back_and_buy_is_asked_about_and_only_then_bought_again(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        site.clock.advance(12)
        asked = await buy(browser, key="f" * 32)
        assert asked.status_code == 409
        assert "You bought £20.00 12 seconds ago. Buy it again?" in text_of(asked)
        assert len(payments_of(site)) == 1
        confirmed = re.search(r'name="confirmed" value="([^"]*)"', asked.text)
        key = re.search(r'name="key" value="([^"]*)"', asked.text)
        assert confirmed is not None
        assert key is not None
        again = await buy(browser, key=key[1], confirmed=confirmed[1])
        assert again.status_code == 303
    assert len(payments_of(site)) == 2


@pytest.mark.parametrize(
    "data",
    [
        {"amount": "21.00", "key": KEY},
        {"amount": "", "key": KEY},
        {"amount": "-20.00", "key": KEY},
        {"amount": "20.00", "key": ""},
        {"amount": "20.00"},
        {"amount": "20.00", "key": "short"},
        {"amount": "20.00", "key": "' OR 1=1"},
        {"amount": "1e9", "key": KEY},
        {},
    ],
)
async def test_a_wrong_form_buys_nothing_and_says_so_twice(
    site: Site, data: dict[str, str]
) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        answer = await browser.post("/top-ups", data=data)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert payments_of(site) == []


async def test_without_a_card_nothing_is_bought_and_the_page_says_what_to_do(site: Site) -> None:
    async with site.browser("anna") as browser:
        assert "Enter a card first." in (await browser.get("/")).text
        answer = await buy(browser)
    assert answer.status_code == 409
    assert "There is no card on file." in answer.text
    assert payments_of(site) == []


async def test_a_refill_is_set_by_a_sentence_that_is_kept_as_consent(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        answer = await browser.post("/refill", data={"rule": "20.00:10.00"})
        assert answer.status_code == 303
        page = await browser.get("/")
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.state is PolicyState.ARMED
    assert policy.rule == refill_rule(amount=gbp("20"), threshold=gbp("10"))
    assert policy.consent is not None
    assert policy.consent.by == "user:anna@example.com"
    assert policy.consent.words.startswith("Add £20 when my balance is below £10.")
    assert "Visa 4242" in policy.consent.words
    assert re.search(r'value="20.00:10.00" selected', page.text)
    assert "Refilled below £10.00" in page.text


async def test_a_refill_is_switched_off_and_wrong_rules_change_nothing(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await browser.post("/refill", data={"rule": "20.00:10.00"})
        for wrong in ("20.00:9.00", "0:0", ""):
            assert (await browser.post("/refill", data={"rule": wrong})).status_code == 422
        policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
        assert policy.state is PolicyState.ARMED
        await browser.post("/refill", data={"rule": "off"})
        assert "Calls end when the balance is used up." in (await browser.get("/")).text
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.state is PolicyState.OFF


async def test_a_paused_refill_never_says_on_but_why_and_what_to_do(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await browser.post("/refill", data={"rule": "20.00:10.00"})
        [refill] = payments_of(site)  # the empty account is below at once
        assert "A refill of £20.00 is under way" in (await browser.get("/")).text
        await told(site, refill, declined(refill))
        page = await browser.get("/")
        assert "Paused." in page.text
        assert "The card was declined. Replace the card, or try again." in page.text
        assert "On." not in text_of(page)
        refused = await browser.get(f"/payments/{refill.payment_id}")
        assert "Nothing was charged." in refused.text
        assert "Replace the card" in refused.text
        await browser.post("/refill/try-again")
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.state is PolicyState.ARMED


async def test_a_payment_of_another_office_is_not_there(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        payment = (await buy(browser)).headers["location"]
    async with site.browser("remi") as browser:
        assert (await browser.get(payment)).status_code == 404
        assert (await browser.post(f"{payment}/confirm")).status_code == 404
        assert "pay-1" not in (await browser.get("/billing")).text


def change(site: Site, form_id: str, **values: str) -> None:
    form = site.read(lambda reader: find_form(reader, form_id))
    assert form is not None
    site.write(lambda writer: change_form(writer, form, **values))


async def test_a_card_is_entered_on_a_page_of_the_processor(site: Site) -> None:
    async with site.browser("anna") as browser:
        asked = await browser.post("/billing/card")
        address = asked.headers["location"]
        form_id = address.rpartition("/")[2]
        assert "is being opened" in (await browser.get(address)).text
        change(site, form_id, state="open", setup_id="s", page_url="https://cards.example/s")
        assert 'href="https://cards.example/s"' in (await browser.get(address)).text
        change(site, form_id, page_url="javascript:alert(1)")
        assert "javascript:" not in (await browser.get(address)).text
        change(site, form_id, state="saved")
        assert "The card is saved." in (await browser.get(address)).text
    form = site.read(lambda reader: find_form(reader, form_id))
    assert form is not None
    assert (form.office_id, form.asked_by) == ("main", "user:anna@example.com")
    async with site.browser("remi") as browser:
        assert (await browser.get(address)).status_code == 404


async def test_card_refill_and_users_ask_for_the_password_again(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        site.clock.advance(16 * 60)
        for path, data in (
            ("/billing/card", {}),
            ("/billing/buyer", {"name": "x"}),
            ("/billing/support-code", {}),
            ("/refill", {"rule": "20.00:10.00"}),
            ("/refill/try-again", {}),
            ("/users", {"name": "x"}),
        ):
            answer = await browser.post(path, data=data)
            assert "Your password, please" in answer.text, path
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.state is PolicyState.OFF


async def test_a_receipt_is_printed_with_seller_buyer_and_tax(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        buyer = {"name": "Smith & Sons", "address": "2 Low Road\nLeeds", "language": "en"}
        assert (await browser.post("/billing/buyer", data=buyer)).status_code == 303
        await buy(browser)
        [payment] = payments_of(site)
        await told(site, payment, succeeded(payment))
        page = await browser.get("/receipts/1")
        assert (await browser.get("/receipts/2")).status_code == 404
        assert "MAIN-000001" in (await browser.get("/billing")).text
    said = text_of(page)
    for expected in ("Example Telecom Ltd", "Smith &amp; Sons", "2 Low Road", "£16.67", "£3.33"):
        assert expected in said
    async with site.browser("remi") as browser:
        assert (await browser.get("/receipts/1")).status_code == 404


async def test_every_paper_of_a_payment_is_found_however_many_came_after_it(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        for key in ("0" * 32, "1" * 32):
            await buy(browser, key=key)
            [payment, *_] = payments_of(site)
            await told(site, payment, succeeded(payment))
            site.clock.advance(61)
        [last, first] = payments_of(site)
        for number in range(100):
            await told(site, last, refunded_at_desk(last, f"r{number}"))
        await told(site, last, desk_refund_failed(last, "r7"))
        page = await browser.get(f"/payments/{first.payment_id}")
        assert "MAIN-000001" in page.text
        assert "MAIN-000002" not in page.text
        page = await browser.get(f"/payments/{last.payment_id}")
        assert "MAIN-000102" in page.text
        assert "Debit note" in text_of(page)
        assert "Debit note MAIN-000103" in text_of(await browser.get("/receipts/103"))
        assert "the refund did not arrive" in text_of(await browser.get("/receipts/103"))
        assert "Paid by card" not in text_of(await browser.get("/receipts/103"))
        assert "(sent back)" in text_of(await browser.get("/receipts/102"))
        pdf = await browser.get("/receipts/103.pdf")
        assert pdf.content.startswith(b"%PDF-")


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a\u202eb"}, {"name": "a", "vat_number": "9" * 41}]
)
async def test_a_wrong_billing_address_is_kept_in_the_form(
    site: Site, wrong: dict[str, str]
) -> None:
    async with site.browser("anna") as browser:
        sent = {"address": "2 Low Road", "language": "en"} | wrong
        answer = await browser.post("/billing/buyer", data=sent)
    assert answer.status_code == 422
    assert "2 Low Road" in answer.text


async def test_customer_care_cancels_a_payment_against_the_code_of_the_office(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        [payment] = payments_of(site)
        await told(site, payment, succeeded(payment))
        page = await browser.post("/billing/support-code")
        code = re.search(r'translate="no">(\d{4} \d{4})<', page.text)
        assert code is not None
    address = f"/payments/{payment.payment_id}/cancel"
    async with site.browser("carol") as care:
        assert "Cancel this payment" in (await care.get(address.removesuffix("/cancel"))).text
        wrong = await care.post(address, data={"code": "00000000", "reason": "mistake"})
        assert wrong.status_code == 409
        assert payments_of(site)[0].state is State.CREDITED
        missing = await care.post(address, data={"code": code[1]})
        assert missing.status_code == 422
        done = await care.post(address, data={"code": code[1], "reason": "mistake"})
        assert done.status_code == 303
        assert (await care.post(address, data={"code": code[1], "reason": "x"})).status_code == 409
        assert (
            await care.post("/top-ups", data={"amount": "20.00", "key": KEY})
        ).status_code == 403
    assert payments_of(site)[0].state is State.REFUNDING
    actions = [row.change.action for row in site.read(lambda r: changes(r, "main", limit=20))]
    assert "support.code" in actions


async def test_a_code_that_has_expired_cancels_nothing_and_the_page_says_what_to_do(
    site: Site,
) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        [payment] = payments_of(site)
        await told(site, payment, succeeded(payment))
        page = await browser.post("/billing/support-code")
        code = re.search(r'translate="no">(\d{4} \d{4})<', page.text)
        assert code is not None
    site.clock.advance(int(SUPPORT_CODE_LASTS.total_seconds()))
    async with site.browser("carol") as care:
        sent = {"code": code[1], "reason": "mistake"}
        answer = await care.post(f"/payments/{payment.payment_id}/cancel", data=sent)
    assert answer.status_code == 409
    assert "This is not the code that works now. The office can make a new one." in answer.text
    assert payments_of(site)[0].state is State.CREDITED


async def test_notices_go_to_addresses_of_this_office(site: Site) -> None:
    async with site.browser("anna") as browser:
        assert "Nobody is mailed yet." in (await browser.get("/notices")).text
        await browser.post("/notices", data={"address": "Boss@Example.com", "language": "fr"})
        assert "boss@example.com" in (await browser.get("/notices")).text
        wrong = await browser.post("/notices", data={"address": "boss", "language": "fr"})
        assert wrong.status_code == 422
        assert 'value="boss"' in wrong.text
        async with site.browser("remi") as other:
            assert "boss@example.com" not in (await other.get("/notices")).text
            await other.post("/notices/remove", data={"address": "boss@example.com"})
        assert len(site.read(lambda reader: addresses_of(reader, "main"))) == 1
        await browser.post("/notices/remove", data={"address": "boss@example.com"})
    assert site.read(lambda reader: addresses_of(reader, "main")) == []


@pytest.mark.parametrize(("level", "stored"), [("7,50", "7.50"), ("", "0"), ("12", "12")])
async def test_the_level_of_the_low_balance_mail_is_set(
    site: Site, level: str, stored: str
) -> None:
    async with site.browser("anna") as browser:
        assert (await browser.post("/notices/level", data={"level": level})).status_code == 303
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.notice_below == gbp(stored)


@pytest.mark.parametrize("level", ["much", "-1", "1e9", "0.0000001"])
async def test_a_level_that_is_no_amount_changes_nothing(site: Site, level: str) -> None:
    async with site.browser("anna") as browser:
        answer = await browser.post("/notices/level", data={"level": level})
    assert answer.status_code == 422
    assert f'value="{level}"' in answer.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("number=00336 12 34 56 78", "£0.10 a minute"),
        ("number=%2B33612345678", "£0.10 a minute"),
        ("number=020 7946 0000", "Included in your plan."),
        ("number=0800 1111", "Free. It costs nothing."),
        ("number=999", "It always connects"),
        ("number=00870773111632", "Your plan bars this number."),
        ("number=0081312345678", "There is no price for this number"),
        ("number=12345678901234567890123", "This is not a number that can exist."),
        ("number=hello", "This is not a number that can exist."),
        ("country=FR", "£0.02"),
        ("country=DE", "£0.05"),
    ],
)
async def test_rates_are_those_of_a_real_call(site: Site, query: str, said: str) -> None:
    async with site.browser("vic") as browser:
        answer = await browser.get(f"/rates?{query}")
    assert answer.status_code == 200
    assert said in answer.text


@pytest.mark.parametrize("fact", [None, succeeded, declined, asked_by_bank])
async def test_confirming_or_cancelling_is_answered_in_every_state_of_a_payment(
    site: Site, fact: Callable[[Payment], Event] | None
) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        [payment] = payments_of(site)
        if fact is not None:
            await told(site, payment, fact(payment))
        confirmed = await browser.post(f"/payments/{payment.payment_id}/confirm")
        assert confirmed.status_code == 303
        page = await browser.post("/billing/support-code")
        code = re.search(r'translate="no">(\d{4} \d{4})<', page.text)
        assert code is not None
    async with site.browser("carol") as care:
        sent = {"code": code[1], "reason": "by mistake"}
        cancelled = await care.post(f"/payments/{payment.payment_id}/cancel", data=sent)
    assert cancelled.status_code in {303, 409}


async def test_back_from_the_bank_the_page_waits_for_what_it_said(site: Site) -> None:
    """And does not ask again, while the card processor has not told us yet."""
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        [payment] = payments_of(site)
        await told(site, payment, asked_by_bank(payment))
        asked = await browser.get(f"/payments/{payment.payment_id}")
        assert "Your bank wants you to confirm this payment." in asked.text
        assert "data-reload" not in asked.text
        back = await browser.get("/payments/latest")
        page = await browser.get(back.headers["location"])
        assert "What your bank said is on its way to us." in page.text
        assert "data-reload" in page.text
        await told(site, payment, succeeded(payment))
        done = await browser.get(back.headers["location"])
    assert "The money is in your account." in done.text
    assert "data-reload" not in done.text


async def live_decks(site: Site) -> LiveDecks:
    """Two price lists that any office of this currency could be on, and one of another currency."""
    form = DeckFormat(columns={}, currency="GBP", effective=date(2020, 1, 1))
    for key, price in ((DeckKey("GBP"), "0.10"), (DeckKey("GBP", "gold"), "0.07")):
        text = f"prefix,destination,per_minute\n336,France mobile,{price}\n"
        import_deck(
            site.engine,
            read_deck_text(text.encode(), form).rows,
            key=key,
            source="test",
            sha256="x",
            at=site.clock.now(),
        )
    decks = LiveDecks(site.engine)
    await decks.refresh()
    return decks


@pytest.mark.parametrize(
    ("who", "query", "said"),
    [
        ("vic", "number=00336 12 34 56 78", "gold £0.07"),
        ("vic", "country=FR", "On “gold”"),
        ("remi", "country=GB", ""),
    ],
)
async def test_prices_stand_on_every_list_that_the_office_could_be_on(
    site: Site, who: str, query: str, said: str
) -> None:
    decks = await live_decks(site)
    site = replace(site, parts=replace(site.parts, decks=decks))
    async with site.browser(who) as browser:
        page = await browser.get(f"/rates?{query}")
    assert page.status_code == 200
    assert said in text_of(page)
    assert bool(said) == ("gold" in page.text)


async def test_a_price_list_of_another_office_is_that_offices_business(site: Site) -> None:
    decks = await live_decks(site)
    known = FixedOffices(
        [office_on(UK_PLAN), replace(office_on(UK_PLAN, "nice"), deck="gold")], phones("main")
    )
    offices = Offices(known, site.parts.offices.sources)
    site = replace(site, parts=replace(site.parts, decks=decks, offices=offices))
    for who, shown in (("anna", False), ("remi", True)):
        async with site.browser(who) as browser:
            page = await browser.get("/rates?number=00336 12 34 56 78")
        assert ("gold" in page.text) is shown
