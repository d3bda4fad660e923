"""Somebody who is known elsewhere has access to one more office when they say so themselves."""

import re
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from charging.people import Role, User
from db import people
from db.audit_trail import changes
from tests.portal.programs import of_role
from tests.portal.site import Site, portal_site

INVITED = {"name": "Remi", "address": "remi@example.com", "role": "manager"}
DAY_S = 86_400
WELCOME = "A link is on its way."


def user(site: Site, address: str = "remi@example.com") -> User:
    found = site.read(lambda reader: people.find_user(reader, address))
    assert found is not None
    return found


async def invited(site: Site, person: dict[str, str] = INVITED) -> str:
    async with site.browser("anna") as browser:
        answer = await browser.post("/users", data=person, follow_redirects=True)
        assert WELCOME in answer.text
    await site.deliver()
    assert site.mail.to[-1] == person["address"]
    return site.mail.links[-1]


async def test_a_known_person_has_the_role_when_they_accept_and_once(site: Site) -> None:
    before = user(site)
    link = await invited(site)
    assert user(site) == before
    async with site.browser() as browser:
        page = await browser.get(link)  # some mail servers look at every link
        assert "You keep your password" in page.text
        assert "password" not in {part.split('"')[0] for part in page.text.split('type="')[1:]}
        assert user(site) == before
        answer = await browser.post(link, data={})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert (await browser.post(link, data={})).status_code == 410
        assert (await browser.get("/")).headers["location"].startswith("/sign-in")
    after = user(site)
    assert after.roles == {**before.roles, "main": Role.MANAGER}
    assert after.password_hash == before.password_hash
    trail = site.read(lambda reader: changes(reader, "main", limit=9))
    assert [(row.change.action, row.change.actor) for row in trail] == [
        ("user.accept", "user:remi@example.com"),
        ("user.invite", "user:anna@example.com"),
    ]


async def test_an_offer_that_is_not_accepted_in_time_is_gone(site: Site) -> None:
    before, link = user(site), await invited(site)
    site.clock.advance(15 * 60)
    async with site.browser() as browser:
        assert (await browser.post(link, data={})).status_code == 410
    assert user(site) == before


async def seen_after_inviting(site: Site, name: str) -> list[str]:
    """Every page and every answer of the API that a manager can look at, without who was meant."""
    person = INVITED | {"name": "Somebody", "address": f"{name}@example.com", "role": "viewer"}
    async with site.browser("anna") as browser:
        answers = [await browser.post("/users", data=person, follow_redirects=True)]
        await site.deliver()
        answers += [
            await browser.get(path) for path in ("/users", "/notices", "/audit-trail", "/users")
        ]
    async with of_role(site, Role.MANAGER) as client:
        key = {"Idempotency-Key": f"key-{name}"}
        answers.append(await client.post("/users", json=person, headers=key))
        answers += [await client.get(path) for path in ("/users", "/notices", "/audit-trail")]
    shown = [f"{answer.status_code} {answer.text}" for answer in answers]
    return [re.sub(r"\b(remi|zoe|zora|manager-[0-9]+)\b", "…", text) for text in shown]


def _add(writer: Connection, address: str, at: datetime) -> None:
    people.add_user(writer, address=address, name="Somebody", at=at)


@pytest.mark.parametrize("mailed", [True, False])
async def test_who_manages_one_office_cannot_learn_who_is_known_elsewhere(
    tmp_path: Path, *, mailed: bool
) -> None:
    """Remi manages another office, Zora was once invited there, and nobody ever heard of Zoe."""
    seen = {}
    for name in ("remi", "zora", "zoe"):
        folder = tmp_path / name
        folder.mkdir()
        with portal_site(folder, mailed=mailed) as site:
            site.write(partial(_add, address="zora@example.com", at=site.clock.now()))
            seen[name] = await seen_after_inviting(site, name)
    assert seen["remi"] == seen["zoe"]
    assert seen["zora"] == seen["zoe"]


async def test_without_a_mail_server_nobody_is_invited_and_everybody_reads_who_can_do_it(
    tmp_path: Path,
) -> None:
    with portal_site(tmp_path, mailed=False) as site:
        async with site.browser("anna") as browser:
            page = await browser.get("/users")
            assert "your administrator gives access, with “tollgate user add”" in page.text
            assert 'name="address"' not in page.text
            person = INVITED | {"address": "zoe@example.com"}
            answer = await browser.post("/users", data=person, follow_redirects=True)
            assert "your administrator gives access, with “tollgate user add”" in answer.text
        assert site.read(lambda reader: people.find_user(reader, "zoe@example.com")) is None


async def test_who_never_accepted_is_forgotten_and_who_is_somebody_is_not(site: Site) -> None:
    await invited(site, INVITED | {"address": "zoe@example.com"})
    zoe = user(site, "zoe@example.com")
    assert not zoe.roles
    before = {name: user(site, f"{name}@example.com") for name in site.users}
    site.clock.advance(29 * DAY_S)
    site.write(lambda writer: people.purge(writer, site.clock.now()))
    assert user(site, "zoe@example.com") == zoe
    site.clock.advance(2 * DAY_S)
    site.write(lambda writer: people.purge(writer, site.clock.now()))
    assert site.read(lambda reader: people.find_user(reader, "zoe@example.com")) is None
    assert {name: user(site, f"{name}@example.com") for name in site.users} == before


async def test_who_has_no_password_yet_chooses_one_and_accepts_with_it(site: Site) -> None:
    async with site.browser("remi") as browser:
        person = {"name": "Zoë", "address": "zoe@example.com", "role": "viewer"}
        await browser.post("/users", data=person)
    link = await invited(site, {"name": "Zoë", "address": "zoe@example.com", "role": "viewer"})
    assert user(site, "zoe@example.com").roles == {}
    secret = {"password": "four words at random", "again": "four words at random"}
    async with site.browser() as browser:
        assert (await browser.post(link, data={"password": "x", "again": "x"})).status_code == 422
        assert (await browser.post(link, data=secret)).headers["location"] == "/"
    assert user(site, "zoe@example.com").roles == {"main": Role.VIEWER}
