"""Every screen: as HTML, in a browser, for people who cannot see it, and in another language."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from gettext import NullTranslations
from html.parser import HTMLParser
from pathlib import Path

import html5lib
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from babel import Locale
from playwright.async_api import Browser, Response, async_playwright, expect
from sqlalchemy import Connection

from charging.deck_file import DeckFormat, read_deck_text
from charging.people import Role
from charging.rate_deck import DeckKey
from db import people
from db.money_reads import last_payments
from db.outbox import NoticeAddress, add_address
from db.rate_decks import import_deck
from portal.assets import FOLDER
from portal.sessions import LANGUAGE_COOKIE
from portal.words import Words
from tests.portal.money import declined, told
from tests.portal.served import CHROMIUM, NOW, Screen, Served, lived_in, screens_of, serving
from tests.portal.site import Site
from tests.portal.test_access import routes
from tests.portal.test_translations import catalogue, texts_of

PAGE_BYTES_MAX = 150_000  # with style and script
STYLE_BYTES = sum(file.stat().st_size for file in FOLDER.iterdir())
NAMES = (
    *("sign-in", "forgotten", "balance", "activity", "activity-empty", "activity-wrong", "calls"),
    *("call", "call-included", "call-refused", "reports", "reports-country", "reports-month"),
    "reports-empty",
    *("rates", "rates-number", "rates-included", "rates-country", "rates-wrong"),
    *("extensions", "extension", "extension-viewer", "extensions-empty", "billing"),
    *(
        "payment-credited",
        "payment-refused",
        "payment-bank",
        "adjust",
        "api-reference",
        "payment-care",
        "card-form",
    ),
    *("receipt", "notices", "nothing-yet", "billing-empty", "notices-empty", "balance-viewer"),
    *("users", "audit-trail", "not-there"),
)
NO_SCREENS = {
    *("/static/{name}", "/welcome/{token}", "/live", "/activity.csv", "/calls.csv"),
    "/payments/latest",
    "/receipts/{number}.pdf",
}


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with lived_in(tmp_path_factory.mktemp("week")) as site:
        yield site


@pytest.fixture
def screen(name: str, week: Site) -> Screen:
    return {screen.name: screen for screen in screens_of(week)}[name]


def test_every_page_is_among_the_screens(week: Site) -> None:
    """A page that is in no list is looked at by nobody."""
    screens = screens_of(week)
    assert [screen.name for screen in screens] == list(NAMES)
    paths = [re.sub(r"\?.*", "", screen.path) for screen in screens]
    patterns = {
        route.path: re.sub(r"\{[^}]+\}", "[^/]+", route.path)
        for method, route in routes()
        if method == "GET"
    }
    unseen = {
        route
        for route, pattern in patterns.items()
        if not any(re.fullmatch(pattern, path) for path in paths)
    }
    assert unseen == NO_SCREENS


@pytest.mark.parametrize("name", NAMES)
async def test_html_is_valid_with_one_heading_and_ids_of_their_own(
    week: Site, screen: Screen
) -> None:
    async with week.browser(screen.who) as browser:
        answer = await browser.get(screen.path)
    assert answer.status_code == screen.status
    html5lib.HTMLParser(strict=True).parse(answer.text)
    assert answer.text.count("<h1") == 1
    ids = re.findall(r'\bid="([^"]*)"', answer.text)
    assert sorted(ids) == sorted(set(ids))
    named = re.findall(r'(?:\bfor|aria-labelledby|href="#)="?([^"]+)"', answer.text)
    assert {each for each in named if each not in ids} == set()
    assert "style=" not in answer.text
    assert not re.search(r"<script(?![^>]* src=)", answer.text)


# --- in a browser ----------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving(tmp_path_factory.mktemp("served")) as opened:
        yield opened


SIDEWAYS = """
    [...document.querySelectorAll(".table-wrap")].some(each => each.scrollWidth > each.clientWidth)
"""


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("scheme", "language", "width"),
    [
        ("dark", "fr-FR", 320),
        pytest.param("light", "en-GB", 1280, marks=pytest.mark.long),
    ],
)
async def test_nothing_stands_in_the_way_of_anybody(
    served: Served, chromium: Browser, scheme: str, language: str, width: int
) -> None:
    """Axe finds nothing, nothing is wider than a phone, and no page weighs more than it may."""
    options = {
        "color_scheme": scheme,
        "locale": language,
        "viewport": {"width": width, "height": 800},
    }
    found = []
    for who in ("anna", "remi", "vic", "carol", None):
        async with served.signed_in(chromium, who, **options) as page:
            for screen in screens_of(served.site):
                if screen.who != who:
                    continue
                weights: list[int] = []
                page.on("response", partial(_weigh, weights))
                await page.goto(served.address + screen.path)
                result = await Axe().run(page)
                found += [(screen.name, each["id"]) for each in result.response["violations"]]
                if await page.evaluate("document.documentElement.scrollWidth") > width:
                    found.append((screen.name, "wider than the window"))
                if await page.evaluate(SIDEWAYS):
                    found.append((screen.name, "a table that is scrolled sideways"))
                if sum(weights) > PAGE_BYTES_MAX:
                    found.append((screen.name, f"{sum(weights)} bytes"))
    assert not found


def _weigh(weights: list[int], answer: Response) -> None:
    weights.append(int(answer.headers.get("content-length", 0)))


@pytest.mark.asyncio(loop_scope="module")
async def test_somebody_signs_in_and_finds_what_the_month_cost(
    served: Served, chromium: Browser
) -> None:
    """Without any script."""
    async with served.signed_in(chromium, None, java_script_enabled=False) as page:
        await page.goto(f"{served.address}/activity")
        await page.get_by_label("Mail address").fill("anna@example.com")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await expect(page.get_by_label("Mail address")).to_have_value("anna@example.com")
        await page.get_by_label("Password").fill("correct horse battery")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_label("Show").select_option(label="Refused attempts")
        await page.get_by_role("button", name="Apply").click()
        await page.wait_for_url("**show=refused**")
        await expect(page.get_by_text("The extension may not call abroad.").first).to_be_visible()
        await page.get_by_role("button", name="Français").click()
        await expect(page.get_by_role("heading", name="Compte prépayé")).to_be_visible()
        await page.get_by_role("button", name="Se déconnecter").click()
        await page.wait_for_url("**/sign-in**")
        await page.goto(f"{served.address}/")
        await expect(page).to_have_url(re.compile("/sign-in$"))


# --- with a thousand of everything ----------------------------------------------------------------

MANY = 1_000


def _many(site: Site) -> None:
    """A price list, addresses, users and changes by the thousand, as a large office may have."""
    prefixes = "".join(
        f"1{200 + n // 10}{n % 10},United States {n},0.0{n % 9 + 1}\n" for n in range(MANY)
    )
    form = DeckFormat(columns={}, currency="GBP", effective=date(2020, 1, 1))
    import_deck(
        site.engine,
        read_deck_text(f"prefix,destination,per_minute\n{prefixes}".encode(), form).rows,
        key=DeckKey("GBP"),
        source="test",
        sha256="x",
        at=site.clock.now(),
    )

    def add(writer: Connection) -> None:
        for n in range(MANY):
            address = f"person-{n}@example.com"
            user_id = people.add_user(writer, address=address, name=f"Person {n}", at=NOW)
            people.give_role(writer, user_id, "main", Role.VIEWER)
            to = NoticeAddress(address, "en")
            add_address(writer, "main", to, by="user:anna@example.com", at=NOW)

    site.write(add)


async def _paused(site: Site) -> None:
    """The refill: its card was declined."""
    await site.parts.money_in.refill_now("main", by="user:anna@example.com")
    [refill] = site.read(lambda reader: last_payments(reader, "main", limit=1))
    await told(site, refill, declined(refill))


THOUSANDS = (
    *("/", "/users", "/users?page=20", "/notices", "/notices?page=20", "/audit-trail"),
    *("/rates?country=US", "/activity?period=30", "/calls?period=30"),
    "/reports?period=dates&since=2025-11-01&until=2026-11-21",
)


@pytest.mark.long
@pytest.mark.asyncio(loop_scope="module")
async def test_a_thousand_rows_and_a_paused_refill_stand_in_nobodys_way_either(
    tmp_path: Path, chromium: Browser
) -> None:
    """15 s."""
    found = []
    async with serving(tmp_path) as served:
        _many(served.site)
        await _paused(served.site)
        options = {"viewport": {"width": 320, "height": 800}}
        async with served.signed_in(chromium, "anna", **options) as page:
            for path in THOUSANDS:
                answer = await page.goto(served.address + path)
                assert answer is not None
                result = await Axe().run(page)
                found += [(path, each["id"]) for each in result.response["violations"]]
                weight = len(await answer.body()) + STYLE_BYTES
                if weight > PAGE_BYTES_MAX:
                    found.append((path, f"{weight} bytes"))
                if await page.evaluate("document.documentElement.scrollWidth") > 320:
                    found.append((path, "wider than the window"))
            await page.goto(served.address)
            await expect(page.get_by_text("Paused.")).to_have_count(1)
            await page.goto(f"{served.address}/users?page=21")
            await expect(page.get_by_role("link", name="Next page")).to_have_count(0)
            await page.goto(f"{served.address}/users?page=2")
            await expect(page.get_by_role("link", name="Next page")).to_have_count(1)
    assert not found


# --- in a language that nobody speaks -----------------------------------------------------------


class Bracketed(NullTranslations):
    """Every text that is translated stands in brackets."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


class BracketedWords(Words):
    """And so does everything that Babel writes."""

    def countries(self) -> Mapping[str, str]:
        return {code: f"⟦{name}⟧" for code, name in super().countries().items()}

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name not in _OF_BABEL:
            return found
        return lambda *given, **more: f"⟦{found(*given, **more)}⟧"


_OF_BABEL = {
    *(
        "money",
        "price",
        "short",
        "exact",
        "number",
        "percent",
        "moment",
        "day",
        "short_day",
        "month",
        "short_month",
        "time",
    ),
    *("duration", "long_duration", "country"),
}
_SHOWN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title", "aria-description"}
_NOT_TEXT = {"script", "style"}
# What is nobody's language: the product, offices, people, numbers, and languages in their own name.
_UNTRANSLATED = ("translate", "no")


class Reader(HTMLParser):
    """Collects what a person reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.read += [value for name, value in attrs if name in _SHOWN_ATTRIBUTES and value]
        if tag not in {"meta", "link", "input", "br"}:
            silent = _UNTRANSLATED in attrs or tag in _NOT_TEXT or "lang" in dict(attrs)
            self._open.append((tag, silent and tag != "html"))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(silent for _, silent in self._open):
            self.read.append(data)


def outside_brackets(text: str) -> str:
    """Brackets may stand in brackets: a sentence holds amounts."""
    inner = re.compile(r"⟦[^⟦⟧]*⟧")
    while inner.search(text):
        text = inner.sub("", text)
    return text.removesuffix(" · Tollgate")  # of a title


def test_the_measure_of_translation_finds_what_is_not() -> None:
    reader = Reader()
    reader.feed('<p title="Plain">⟦One ⟦£2.00⟧ left⟧ £3.00</p><b translate="no">Anna</b>')
    assert [outside_brackets(text).strip() for text in reader.read] == ["Plain", "£3.00"]


@pytest.fixture(scope="module")
def bracketed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bracketed")
    catalogues = {"en": Bracketed()}
    with lived_in(folder, catalogues=catalogues, speak=BracketedWords) as site:
        yield site


@pytest.mark.parametrize("name", NAMES)
async def test_every_word_is_translated_and_every_amount_and_date_is_babels(
    bracketed: Site, name: str
) -> None:
    screen = {each.name: each for each in screens_of(bracketed)}[name]
    async with bracketed.browser(screen.who) as browser:
        answer = await browser.get(screen.path)
    reader = Reader()
    reader.feed(answer.text)
    assert len(reader.read) > 10
    left = [outside_brackets(text) for text in reader.read]
    assert [text for text in left if re.search(r"[^\W\d_]|[£€$]|\d[.,:]\d", text)] == []


# --- in French -----------------------------------------------------------------------------------


def words_in(texts: Iterable[str]) -> set[str]:
    return {word.lower() for text in texts for word in re.findall(r"[^\W\d_]{3,}", text)}


def english_words() -> set[str]:
    """Words of English texts, months and countries that no French one has."""
    english, french = set[str](), set[str]()
    for each in catalogue("fr"):
        english |= words_in(texts_of(each.id))
        french |= words_in(texts_of(each.string))
    for language, words in (("en", english), ("fr", french)):
        locale = Locale(language)
        words.update(words_in(locale.months["format"]["wide"].values()))
        words.update(words_in(locale.territories.values()))
    return english - french


def test_the_list_of_english_words_holds_words_that_a_page_would_show() -> None:
    words = english_words()
    assert {"balance", "the", "show", "nothing", "germany", "november"} <= words
    assert not {"france", "compte", "minute"} & words


@pytest.mark.parametrize("name", NAMES)
async def test_a_french_page_shows_no_english_word(week: Site, screen: Screen) -> None:
    async with week.browser(screen.who) as browser:
        browser.cookies.set(LANGUAGE_COOKIE, "fr", domain="127.0.0.1")
        answer = await browser.get(screen.path)
    assert '<html lang="fr">' in answer.text
    reader = Reader()
    reader.feed(answer.text)
    assert words_in(reader.read) & english_words() == set()
