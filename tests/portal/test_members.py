"""Somebody who is known elsewhere has access to one more office when they say so themselves."""

from charging.people import Role, User
from db import people
from db.audit_trail import changes
from tests.portal.site import Site

INVITED = {"name": "Remi", "address": "remi@example.com", "role": "manager"}
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


async def test_who_manages_one_office_cannot_learn_who_is_known_elsewhere(site: Site) -> None:
    told = []
    for name in ("remi", "zoe"):
        person = INVITED | {"address": f"{name}@example.com", "role": "viewer"}
        async with site.browser("anna") as browser:
            answer = await browser.post("/users", data=person, follow_redirects=True)
            told.append(WELCOME in answer.text)
    assert told == [True, True]


async def test_who_has_no_password_yet_chooses_one_and_accepts_with_it(site: Site) -> None:
    async with site.browser("remi") as browser:
        person = {"name": "Zoë", "address": "zoe@example.com", "role": "viewer"}
        await browser.post("/users", data=person)
    link = await invited(site, {"name": "Zoë", "address": "zoe@example.com", "role": "viewer"})
    assert user(site, "zoe@example.com").roles == {"nice": Role.VIEWER}
    secret = {"password": "four words at random", "again": "four words at random"}
    async with site.browser() as browser:
        assert (await browser.post(link, data={"password": "x", "again": "x"})).status_code == 422
        assert (await browser.post(link, data=secret)).headers["location"] == "/"
    assert user(site, "zoe@example.com").roles == {"nice": Role.VIEWER, "main": Role.VIEWER}
