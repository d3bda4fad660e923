"""Every form: what is wrong is said beside the field and in the summary, and changes nothing."""

import html
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import text

from charging.money_state import Payment
from charging.people import LinkPurpose
from db import people
from tests.portal.money import save_card, succeeded, told
from tests.portal.site import Site
from tests.portal.test_access import routes
from tests.portal.test_money_pages import KEY, buy, payments_of

# What signing in counts, whatever comes of it.
COUNTED = {"user_sessions", "sign_in_attempts"}


@dataclass(frozen=True)
class Wrong:
    """A form, filled in wrongly: which fields are told of, and what was typed and stays."""

    path: str
    data: Mapping[str, str]
    told: tuple[str, ...]
    kept: tuple[str, ...] = ()
    who: str | None = "anna"
    route: str = ""
    status: set[int] = field(default_factory=lambda: {422})

    def __str__(self) -> str:
        return self.path


FORMS = (
    Wrong(
        "/sign-in",
        {"address": "an@na", "password": ""},
        ("address", "password"),
        ("an@na",),
        who=None,
    ),
    Wrong("/forgotten", {"address": "<anna>"}, ("address",), ("<anna>",), who=None),
    Wrong(
        "/welcome/TOKEN",
        {"password": "short", "again": "other"},
        ("password", "again"),
        who=None,
        route="/welcome/{token}",
    ),
    Wrong("/prove?next=/billing", {"password": "a guess"}, ("password",), route="/prove"),
    Wrong("/top-ups", {"amount": "21.00", "key": KEY}, ("amount",)),
    Wrong(
        "/adjust",
        {"adjustment": "steal", "amount": "", "reason": "", "key": KEY},
        ("adjustment", "amount", "reason"),
        who="carol",
    ),
    Wrong(
        "/adjust",
        {"adjustment": "grant", "amount": "a lot", "reason": "by mistake", "key": KEY},
        ("amount",),
        ("a lot", "by mistake"),
        who="carol",
    ),
    Wrong("/refill", {"rule": "20.00:9.00"}, ("rule",)),
    Wrong(
        "/billing/buyer",
        {"name": "", "address": "2 Low Road", "vat_number": "9" * 41, "language": "de"},
        ("name", "vat_number", "language"),
        ("2 Low Road", "9" * 41),
    ),
    Wrong(
        "/notices",
        {"address": "no address", "language": "xx"},
        ("address", "language"),
        ("no address",),
    ),
    Wrong("/notices/level", {"level": "about 5"}, ("level",), ("about 5",)),
    Wrong(
        "/users",
        {"name": "", "address": "zoe@", "role": "king"},
        ("name", "address", "role"),
        ("zoe@",),
    ),
    Wrong(
        "/extensions/1001",
        {"language": "de", "day_limit": "much", "month_limit": "7", "calls_at_once": "two"},
        ("language", "day_limit", "calls_at_once"),
        ("much", "7", "two"),
        route="/extensions/{endpoint}",
    ),
    Wrong(
        "/payments/PAYMENT/cancel",
        {"code": "", "reason": "by mistake"},
        ("code",),
        ("by mistake",),
        who="carol",
        route="/payments/{payment_id}/cancel",
    ),
    Wrong(
        "/payments/PAYMENT/cancel",
        {"code": "0000 0000", "reason": "by mistake"},
        ("code",),
        ("0000 0000", "by mistake"),
        who="carol",
        route="/payments/{payment_id}/cancel",
        status={409},
    ),
    Wrong(
        "/adjust",
        {"adjustment": "set", "amount": "much", "reason": " ", "key": KEY},
        ("adjustment", "amount", "reason"),
        ("much",),
        who="carol",
    ),
    Wrong(
        "/adjust",
        {"adjustment": "deduct", "amount": "20.01", "reason": "too much", "key": KEY},
        ("amount",),
        ("20.01", "too much"),
        who="carol",
        status={409},
    ),
)
# Buttons: what they send stands in the page, and nobody types it.
BUTTONS = {
    *("/sign-out", "/language", "/office", "/refill/try-again", "/billing/card"),
    *("/billing/support-code", "/notices/remove", "/users/{user_id}/role", "/users/{user_id}/end"),
    *("/users/{user_id}/invite", "/sessions/end-others", "/payments/{payment_id}/confirm"),
    "/calls/{call_id}/hang-up",
}


def test_every_form_is_among_those_that_are_filled_in_wrongly() -> None:
    posted = {route.path for method, route in routes() if method == "POST"}
    assert posted == {form.route or form.path for form in FORMS} | BUTTONS


def rows_of(site: Site) -> dict[str, list[str]]:
    """Everything that is stored."""
    with site.engine.connect() as reader:
        names = reader.scalars(text("SELECT name FROM sqlite_master WHERE type = 'table'")).all()
        return {
            name: sorted(map(repr, reader.execute(text(f'SELECT * FROM "{name}"')).all()))  # noqa: S608 - ours
            for name in names
            if name not in COUNTED
        }


@pytest.mark.parametrize("form", FORMS, ids=str)
async def test_a_wrong_form_says_where_and_why_keeps_what_was_typed_and_changes_nothing(
    site: Site, form: Wrong
) -> None:
    path = await _prepared(site, form)
    before = rows_of(site)
    async with site.browser(form.who) as browser:
        answer = await browser.post(path, data=dict(form.data))
    assert answer.status_code in form.status
    assert "<title>Error:" in answer.text
    summary = answer.text.partition('class="error-summary"')[2].partition("</ul>")[0]
    for name in form.told:
        said = re.search(rf'<p class="wrong" id="{name}-wrong">([^<]+)</p>', answer.text)
        assert said is not None, name
        assert f'<a href="#{name}">{said[1]}</a>' in summary
        described = re.search(rf'id="{name}"[^>]*aria-describedby="([^"]+)"', answer.text)
        assert described is not None, name
        assert f"{name}-wrong" in described[1].split()
    for typed in form.kept:
        assert html.escape(typed) in answer.text or typed in answer.text
    assert rows_of(site) == before


async def bought(site: Site) -> Payment:
    """With a card: a payment that is credited, and can be cancelled."""
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
    [payment] = payments_of(site)
    await told(site, payment, succeeded(payment))
    return payment


async def _prepared(site: Site, form: Wrong) -> str:
    """With a payment, and a link that works."""
    payment = await bought(site)
    remi, now = site.users["remi"].user_id, site.clock.now()
    token = site.write(lambda writer: people.make_link(writer, remi, LinkPurpose.RESET, now))
    return form.path.replace("TOKEN", token).replace("PAYMENT", payment.payment_id)


def hidden(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found is not None
    return found[1]


async def _double_click(browser: httpx.AsyncClient, page: httpx.Response) -> None:
    for _ in range(2):
        assert (await buy(browser, key=hidden(page, "key"))).status_code == 303


async def _back_and_buy(browser: httpx.AsyncClient, page: httpx.Response) -> None:
    """Back shows the form as it was, with the key that is used up."""
    await buy(browser, key=hidden(page, "key"))
    other = await buy(browser, amount="50.00", key=hidden(page, "key"))
    assert other.status_code == 409


async def _two_tabs(browser: httpx.AsyncClient, page: httpx.Response) -> None:
    """The second tab has a key of its own, so it is asked whether it means it."""
    second = await browser.get("/")
    await buy(browser, key=hidden(page, "key"))
    asked = await buy(browser, key=hidden(second, "key"))
    assert asked.status_code == 409
    assert "Buy again" in asked.text


async def _reload(browser: httpx.AsyncClient, page: httpx.Response) -> None:
    """The page that a purchase leads to may be opened as often as one likes."""
    done = await buy(browser, key=hidden(page, "key"))
    for _ in range(3):
        assert (await browser.get(done.headers["location"])).status_code == 200


async def _reload_of_the_question(browser: httpx.AsyncClient, page: httpx.Response) -> None:
    """A browser that sends the form again, which was only asked about, is asked again."""
    await buy(browser, key=hidden(page, "key"))
    for _ in range(3):
        assert (await buy(browser, key="e" * 32)).status_code == 409


@pytest.mark.parametrize(
    "clumsy", [_double_click, _back_and_buy, _two_tabs, _reload, _reload_of_the_question]
)
async def test_whatever_somebody_does_twice_is_charged_once_or_asked_about(
    site: Site, clumsy: Callable[[httpx.AsyncClient, httpx.Response], Awaitable[None]]
) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await clumsy(browser, await browser.get("/"))
    assert len(payments_of(site)) == 1


@pytest.mark.parametrize(
    ("language", "seconds", "said"),
    [
        ("en", 1, "You bought £20.00 1 second ago."),
        ("en", 12, "You bought £20.00 12 seconds ago."),
        ("fr", 1, "il y a 1 seconde."),
        ("fr", 12, "il y a 12 secondes."),
    ],
)
async def test_the_question_says_how_long_ago_in_the_words_of_each_language(
    site: Site, language: str, seconds: int, said: str
) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        browser.headers["accept-language"] = language
        await buy(browser)
        site.clock.advance(seconds)
        asked = await buy(browser, key="e" * 32)
    assert asked.status_code == 409
    assert said in asked.text


async def test_whoever_says_twice_that_they_mean_it_buys_it_once_more(site: Site) -> None:
    await save_card(site)
    async with site.browser("anna") as browser:
        await buy(browser)
        asked = await buy(browser, key="f" * 32)
        for _ in range(2):
            again = await buy(
                browser, key=hidden(asked, "key"), confirmed=hidden(asked, "confirmed")
            )
            assert again.status_code == 303
    assert len(payments_of(site)) == 2
