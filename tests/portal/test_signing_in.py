"""Signing in, as people and as guessers do it."""

import re

import httpx
import pytest

from charging.people import ATTEMPTS_PER_ACCOUNT
from db import people
from db.audit_trail import changes
from portal.paths import own_path
from portal.sessions import COOKIE
from tests.portal.site import PASSWORD, Site, text_of


async def sign_in(
    browser: httpx.AsyncClient, address: str, password: str = PASSWORD, **more: str
) -> httpx.Response:
    return await browser.post("/sign-in", data={"address": address, "password": password, **more})


async def test_the_right_password_opens_the_account_with_a_new_token(site: Site) -> None:
    async with site.browser() as browser:
        browser.cookies.set(COOKIE, "chosen-by-somebody-else", domain="127.0.0.1")
        answer = await sign_in(browser, "Anna@Example.com ")
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "chosen-by-somebody-else" not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie


@pytest.mark.parametrize(
    ("address", "password"),
    [("anna@example.com", "a guess"), ("nobody@example.com", PASSWORD)],
)
async def test_a_wrong_password_and_an_unknown_address_are_told_the_same(
    site: Site, address: str, password: str
) -> None:
    async with site.browser() as browser:
        answer = await sign_in(browser, address, password)
    assert answer.status_code == 422
    assert "The address or the password is not right." in answer.text
    assert f'value="{address}"' in answer.text
    assert password not in answer.text


async def test_whoever_is_disabled_or_of_no_office_does_not_come_in(site: Site) -> None:
    site.write(lambda writer: people.disable(writer, site.users["anna"].user_id, site.clock.now()))
    site.write(lambda writer: people.take_role(writer, site.users["remi"].user_id, "nice"))
    async with site.browser() as browser:
        for name in ("anna", "remi"):
            assert (await sign_in(browser, f"{name}@example.com")).status_code == 422


async def test_guessing_ends_soon_and_the_right_password_works_again_later(site: Site) -> None:
    async with site.browser() as browser:
        for _ in range(ATTEMPTS_PER_ACCOUNT):
            assert (await sign_in(browser, "anna@example.com", "guess")).status_code == 422
        stopped = await sign_in(browser, "anna@example.com")
        assert stopped.status_code == 429
        assert "Too many attempts" in stopped.text
        assert (await sign_in(browser, "remi@example.com")).status_code == 303  # somebody else
        site.clock.advance(15 * 60)
        assert (await sign_in(browser, "anna@example.com")).status_code == 303


async def test_missing_fields_are_named_in_the_summary_and_beside_them(site: Site) -> None:
    async with site.browser() as browser:
        answer = await sign_in(browser, "anna", "")
    said = text_of(answer)
    assert said.count("This is not a mail address, such as anna@example.com.") == 2
    assert said.count("Enter your password.") == 2
    assert 'href="#address"' in answer.text
    assert 'aria-describedby="password-wrong"' in answer.text
    assert "<title>Error:" in answer.text


async def test_signing_out_ends_the_session_in_the_database(site: Site) -> None:
    async with site.browser("anna") as browser:
        token = browser.cookies[COOKIE]
        await browser.post("/sign-out")
    assert site.read(lambda reader: people.find_session(reader, token, site.clock.now())) is None


async def test_one_goes_on_to_the_page_that_was_wanted_and_never_to_another_site(
    site: Site,
) -> None:
    async with site.browser() as browser:
        sent_away = await browser.get("/audit-trail?before=9")
        assert sent_away.headers["location"] == "/sign-in?next=/audit-trail%3Fbefore%3D9"
        answer = await sign_in(browser, "anna@example.com", next="/audit-trail?before=9")
        assert answer.headers["location"] == "/audit-trail?before=9"
        elsewhere = await sign_in(browser, "anna@example.com", next="//evil.example")
        assert elsewhere.headers["location"] == "/"


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "javascript:alert(1)",
        "/ok\r\nset-cookie: x",
        "/%0d%0a/../<script>",
        "",
        None,
    ],
)
def test_only_a_path_of_our_own_is_gone_on_to(wanted: str | None) -> None:
    assert own_path(wanted) == "/"


async def test_a_forgotten_password_is_chosen_anew_by_a_link_that_works_once(site: Site) -> None:
    async with site.browser() as browser:
        for address in ("anna@example.com", "nobody@example.com"):
            answer = await browser.post("/forgotten", data={"address": address})
            assert answer.headers["location"] == "/sign-in"
        await site.deliver()
        assert site.mail.to == ["anna@example.com"]
        assert site.mail.messages[0]["Subject"] == "Choose a new password"
        [link] = site.mail.links
        old = site.token("anna")
        assert (await browser.get(link)).status_code == 200
        new = {"password": "a better one than before", "again": "a better one than before"}
        assert (await browser.post(link, data=new)).status_code == 303
        assert (await browser.get(link)).status_code == 410
        assert (await browser.post(link, data=new)).status_code == 410
    now = site.clock.now()
    assert site.read(lambda reader: people.find_session(reader, old, now)) is None
    [row] = site.read(lambda reader: changes(reader, "main", limit=9))
    assert (row.change.action, row.change.actor) == ("password.set", "user:anna@example.com")
    async with site.browser() as browser:
        assert (await sign_in(browser, "anna@example.com", new["password"])).status_code == 303
        assert (await sign_in(browser, "anna@example.com")).status_code == 422


async def test_a_password_that_is_short_or_typed_otherwise_does_not_use_the_link_up(
    site: Site,
) -> None:
    async with site.browser() as browser:
        await browser.post("/forgotten", data={"address": "anna@example.com"})
        await site.deliver()
        [link] = site.mail.links
        answer = await browser.post(link, data={"password": "short", "again": "other"})
        assert answer.status_code == 422
        assert "A password has 12 to 256 characters." in answer.text
        assert "The two passwords are not the same." in answer.text
        assert (await browser.get(link)).status_code == 200
        site.clock.advance(15 * 60)
        assert (await browser.get(link)).status_code == 410


async def test_an_invited_person_chooses_a_password_and_is_in(site: Site) -> None:
    async with site.browser("anna") as browser:
        await browser.post(
            "/users", data={"name": "Zoë", "address": "zoe@example.com", "role": "viewer"}
        )
    await site.deliver()
    assert site.mail.to == ["zoe@example.com"]
    assert site.mail.messages[0]["Subject"] == "Your access to the telephone account"
    [link] = site.mail.links
    async with site.browser() as browser:
        assert "Zoë" in (await browser.get(link)).text
        secret = {"password": "four words at random", "again": "four words at random"}
        assert (await browser.post(link, data=secret)).status_code == 303
        assert "zoe@example.com" in (await browser.get("/users")).text


async def test_an_office_keeps_a_manager(site: Site) -> None:
    anna = site.users["anna"].user_id
    async with site.browser("anna") as browser:
        for path in ("role", "end"):
            answer = await browser.post(f"/users/{anna}/{path}", data={"role": "viewer"})
            assert answer.status_code == 409
            assert "An office keeps at least one manager." in answer.text
        carol = site.users["carol"].user_id
        assert (await browser.post(f"/users/{carol}/end")).status_code == 409
        vic = site.users["vic"].user_id
        assert (
            await browser.post(f"/users/{vic}/role", data={"role": "manager"})
        ).status_code == 303
        assert (
            await browser.post(f"/users/{anna}/role", data={"role": "viewer"})
        ).status_code == 303
    trail = site.read(lambda reader: changes(reader, "main", limit=9))
    assert [(row.change.action, row.change.after) for row in trail] == [
        ("user.role", "viewer"),
        ("user.role", "manager"),
    ]


async def test_the_language_is_of_the_person_and_of_the_browser(site: Site) -> None:
    async with site.browser() as browser:
        assert (
            'lang="fr"'
            in (
                await browser.get("/sign-in", headers={"accept-language": "de, fr;q=0.8, en;q=0.5"})
            ).text
        )
        await browser.post("/language", data={"language": "fr", "next": "/sign-in"})
        assert '<html lang="fr">' in (await browser.get("/sign-in")).text
    async with site.browser("anna") as browser:
        await browser.post("/language", data={"language": "fr", "next": "/users"})
    async with site.browser("anna") as another:
        page = await another.get("/users")
    assert '<html lang="fr">' in page.text
    assert re.search(r"<h1>\w+</h1>", page.text)
