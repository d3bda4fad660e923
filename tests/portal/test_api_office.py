"""Users, notices and billing by the API: as the pages have them, and once."""

from typing import Any

import httpx

from charging.people import Role
from db import people
from db.audit_trail import changes
from db.card_forms import find_form
from tests.portal.programs import of_role
from tests.portal.site import Site
from tests.portal.test_api_money import keyed

MANAGER, VIEWER = Role.MANAGER, Role.VIEWER
INVITED = {"address": "Zoe@Example.com", "name": "Zoë", "role": "viewer"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def users(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    found = (await client.get("/users")).json()["users"]
    return {each["address"]: each for each in found}


async def test_an_invitation_is_mailed_once_for_each_key(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        for _ in range(2):
            answer = await client.post("/users", json=INVITED, headers=keyed("one"))
            assert answer.status_code == 202
            assert answer.json() == {"address": "zoe@example.com", "mailed": True}
        assert "zoe@example.com" not in await users(client)  # before they accept
        await site.deliver()
        assert site.mail.to == ["zoe@example.com"]
        async with site.browser() as browser:
            secret = {"password": "four words at random", "again": "four words at random"}
            await browser.post(site.mail.links[0], data=secret)
        listed = (await users(client))["zoe@example.com"]
        assert (listed["role"], listed["state"]) == ("viewer", "active")
        site.clock.advance(1)
        again = await client.post(f"/users/{listed['id']}/link", json={}, headers=keyed("two"))
        assert again.json() == {"mailed": True}
        await site.deliver()
        assert site.mail.to == ["zoe@example.com"] * 2
    trail = site.read(lambda reader: changes(reader, "main", limit=9))
    actions = ["user.link", "password.set", "user.accept", "user.invite"]
    assert [row.change.action for row in trail[:4]] == actions
    assert trail[0].change.actor.startswith("token:")


async def test_who_is_known_elsewhere_is_only_offered_the_role(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        known = INVITED | {"address": "remi@example.com"}
        assert (await client.post("/users", json=known, headers=keyed("one"))).status_code == 202
        assert "remi@example.com" not in await users(client)


async def test_roles_are_changed_and_ended_as_far_as_the_pages_do(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        ids = {
            address.partition("@")[0]: row["id"] for address, row in (await users(client)).items()
        }
        assert {*ids} == {"anna", "vic", "carol"}
        for asked in (
            await client.patch(f"/users/{ids['anna']}", json={"role": "viewer"}),
            await client.delete(f"/users/{ids['anna']}"),
        ):
            assert problem(asked) == (409, "last_manager")
        assert problem(await client.delete(f"/users/{ids['carol']}")) == (409, "of_customer_care")
        remi = site.users["remi"].user_id
        assert problem(await client.delete(f"/users/{remi}")) == (404, "unknown_user")
        changed = await client.patch(f"/users/{ids['vic']}", json={"role": "manager"})
        assert changed.json()["role"] == "manager"
        left = await client.delete(f"/users/{ids['vic']}")
        assert {each["id"] for each in left.json()["users"]} == {ids["anna"], ids["carol"]}
    vic = site.read(lambda reader: people.user_of(reader, ids["vic"]))
    assert vic is not None
    assert not vic.roles


async def test_what_is_no_address_no_name_and_no_role_is_refused(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        for number, (wrong, said) in enumerate(
            (
                ({"address": "anna at home"}, (422, "invalid_mail_address")),
                ({"name": " "}, (422, "invalid_text")),
                ({"role": "customer_care"}, (422, "invalid_request")),
            )
        ):
            sent = INVITED | wrong
            answer = await client.post("/users", json=sent, headers=keyed(f"key-{number}"))
            assert problem(answer) == said
        answer = await client.put("/notices/addresses/nobody", json={"language": "en"})
        assert problem(answer) == (422, "invalid_mail_address")
        answer = await client.put("/billing/buyer", json={"name": "a\u202eb"})
        assert problem(answer) == (422, "invalid_text")


async def test_notices_go_to_the_addresses_that_are_set_and_below_the_level(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        await client.put("/notices/addresses/Boss@Example.com", json={"language": "fr"})
        level = {"below": {"value": "7.50", "currency": "GBP"}}
        told = (await client.put("/notices/below", json=level)).json()
        assert told["addresses"] == [{"address": "boss@example.com", "language": "fr"}]
        assert told["below"] == level["below"]
        for _ in range(2):
            told = (await client.delete("/notices/addresses/boss@example.com")).json()
            assert told["addresses"] == []
        assert (await client.put("/notices/below", json={"below": None})).json()["below"] is None
    async with of_role(site, VIEWER) as client:
        assert (await client.get("/notices")).json() == told | {"below": None}
        assert problem(await client.put("/notices/below", json=level)) == (403, "not_allowed")


async def test_a_card_is_entered_in_a_form_that_is_asked_for_once(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        forms = [
            (await client.post("/billing/card-forms", json={}, headers=keyed("one"))).json()
            for _ in range(2)
        ]
        assert forms[0] == forms[1]
        assert (forms[0]["state"], forms[0]["page"]) == ("asked", None)
        assert (await client.get(f"/billing/card-forms/{forms[0]['id']}")).json() == forms[0]
        assert problem(await client.get("/billing/card-forms/x")) == (404, "unknown_card_form")
        buyer = {"name": "Example Ltd", "address": ["1 High Street", " "], "vat_number": "GB1"}
        told = (await client.put("/billing/buyer", json=buyer)).json()
        assert told["buyer"]["address"] == ["1 High Street"]
        assert told["card"] is None
    row = site.read(lambda reader: find_form(reader, forms[0]["id"]))
    assert row is not None
    assert row.asked_by.startswith("token:")
    async with of_role(site, MANAGER, office_id="nice") as client:
        answer = await client.get(f"/billing/card-forms/{forms[0]['id']}")
        assert problem(answer) == (404, "unknown_card_form")
