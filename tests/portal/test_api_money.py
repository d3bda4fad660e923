"""What programs do to money: once, by whom, and what they are told."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from charging.adjustments import Adjustment
from charging.errors import ChargingUnavailable
from charging.money_state import Payment
from charging.people import ATTEMPTS_PER_ACCOUNT, Role
from charging.refill import State
from charging.refill_rules import PolicyState
from db.api_requests import KeyedRequest
from db.audit import audit
from db.audit_trail import changes
from db.money_reads import last_payments, refill_status
from portal.api.once import Once
from portal.money_forms import ADJUSTMENTS
from portal.routes.audit import ACTIONS
from tests.fakes.charging import gbp
from tests.portal.money import save_card, succeeded, told
from tests.portal.programs import fill, of_role, program, token
from tests.portal.site import Site

MANAGER, CARE = Role.MANAGER, Role.CUSTOMER_CARE
TWENTY = {"amount": {"value": "20.00", "currency": "GBP"}}
GRANT = {
    "adjustment": "grant",
    "amount": {"value": "5.00", "currency": "GBP"},
    "reason": "an outage",
}


def keyed(key: str = "k") -> dict[str, str]:
    return {"idempotency-key": key}


def payments_of(site: Site) -> list[Payment]:
    return [*site.read(lambda reader: last_payments(reader, "main", limit=50))]


def actions(site: Site) -> list[tuple[str, str]]:
    rows = site.read(lambda reader: changes(reader, "main", limit=50))
    made = [(row.change.action, row.change.actor) for row in rows]
    return [each for each in made if each[0] != "token.add"]


async def balance(site: Site) -> str:
    return str((await site.ledger.balances("main", "GBP")).available)


async def buy(client: httpx.AsyncClient, key: str = "k", **more: Any) -> httpx.Response:
    return await client.post("/top-ups", json=TWENTY | more, headers=keyed(key))


async def test_a_purchase_is_one_row_by_the_name_of_its_token(site: Site) -> None:
    await save_card(site)
    sent = token(site, MANAGER)
    async with program(site, sent) as client:
        name = (await client.get("/office")).json()["token"]
        made = await buy(client)
        assert made.status_code == 201
        [payment] = payments_of(site)
        assert (payment.amount, payment.actor) == (gbp("20"), f"token:{name}")
        await told(site, payment, succeeded(payment))
        shown = (await client.get(f"/payments/{made.json()['id']}")).json()
        assert shown["state"] == "credited"
        assert (await client.get("/balance")).json()["available"] == TWENTY["amount"]
    assert ("topup.begin", f"token:{name}") in actions(site)


async def test_the_same_request_again_is_answered_the_same_whatever_happened_since(
    site: Site,
) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        first = await buy(client)
        [payment] = payments_of(site)
        await told(site, payment, succeeded(payment))
        site.clock.advance(3600)
        again = await buy(client)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(payments_of(site)) == 1


async def test_a_no_is_kept_as_well(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        first = await buy(client)
        assert (first.status_code, first.json()["code"]) == (409, "no_card")
        await save_card(site)
        again = await buy(client)
        assert again.content == first.content
        assert again.headers["content-type"] == "application/problem+json"
        assert (await buy(client, "another")).status_code == 201


@pytest.mark.parametrize(
    "other",
    [
        {"confirmed": True},
        {"amount": {"value": "50.00", "currency": "GBP"}},
        {"amount": {"value": "20.0", "currency": "GBP"}},
    ],
)
async def test_a_key_is_of_one_request(site: Site, other: Mapping[str, Any]) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        await buy(client)
        answer = await buy(client, **other)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert len(payments_of(site)) == 1


async def test_a_key_of_one_address_is_not_one_of_another(site: Site) -> None:
    """What is sent to both is the same: nothing."""
    async with of_role(site, MANAGER) as client:
        codes = [
            (await client.post(f"/payments/{name}/confirm", headers=keyed())).json()["code"]
            for name in ("one", "two")
        ]
    assert codes == ["unknown_payment", "idempotency_key_reused"]


async def test_two_tokens_with_one_key_ask_for_two_things(site: Site) -> None:
    for _ in range(2):
        async with of_role(site, CARE) as client:
            assert (
                await client.post("/adjustments", json=GRANT, headers=keyed())
            ).status_code == 201
    assert await balance(site) == "10.00 GBP"


async def test_while_it_is_carried_out_the_same_request_is_told_to_wait(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save_card(site)
    begun, go_on = asyncio.Event(), asyncio.Event()
    carry_out = site.ledger.carry_out

    async def slowly(command: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await carry_out(command)

    monkeypatch.setattr(site.ledger, "carry_out", slowly)
    async with of_role(site, MANAGER) as client:
        first = asyncio.create_task(buy(client))
        await begun.wait()
        meanwhile = await buy(client)
        go_on.set()
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "request_in_flight")
        assert (await first).status_code == 201
        assert (await buy(client)).content == (await first).content
    assert len(payments_of(site)) == 1


async def test_of_twenty_at_once_one_is_carried_out(site: Site) -> None:
    async with of_role(site, CARE) as client:
        answers = await asyncio.gather(
            *(client.post("/adjustments", json=GRANT, headers=keyed()) for _ in range(20))
        )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await balance(site) == "5.00 GBP"


class _Killed(BaseException):
    """As a process that is gone: nothing after it runs."""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_whose_carrier_was_killed_happens_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    carry_out = site.ledger.carry_out

    async def killed(command: Any) -> Any:
        if when == "after":
            await carry_out(command)
        raise _Killed

    async with of_role(site, CARE) as client:
        monkeypatch.setattr(site.ledger, "carry_out", killed)
        with pytest.raises(_Killed):
            await client.post("/adjustments", json=GRANT, headers=keyed())
        monkeypatch.undo()
        early = await client.post("/adjustments", json=GRANT, headers=keyed())
        assert early.json()["code"] == "request_in_flight"
        site.clock.advance(60)
        again = await client.post("/adjustments", json=GRANT, headers=keyed())
    assert again.status_code == 201
    assert again.json()["available"] == {"value": "5.00", "currency": "GBP"}
    assert await balance(site) == "5.00 GBP"


async def test_with_the_database_away_the_same_request_may_be_sent_at_once_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: Any) -> Any:
        raise ChargingUnavailable("locked")

    async with of_role(site, CARE) as client:
        monkeypatch.setattr(site.ledger, "carry_out", away)
        first = await client.post("/adjustments", json=GRANT, headers=keyed())
        assert (first.status_code, first.json()["code"]) == (503, "unavailable")
        monkeypatch.undo()
        again = await client.post("/adjustments", json=GRANT, headers=keyed())
        assert again.status_code == 201
    assert await balance(site) == "5.00 GBP"


async def test_after_the_answers_are_removed_the_key_still_names_the_entry(site: Site) -> None:
    async with of_role(site, CARE) as client:
        for _ in range(2):
            await client.post("/adjustments", json=GRANT, headers=keyed())
            site.write(lambda writer: writer.execute(text("DELETE FROM api_requests")))
        other = GRANT | {"adjustment": "deduct"}
        answer = await client.post("/adjustments", json=other, headers=keyed())
    assert answer.json()["code"] == "idempotency_key_reused"
    assert await balance(site) == "5.00 GBP"


def test_the_key_of_a_request_names_what_it_made_and_nothing_else() -> None:
    """The name of a payment or an entry: a key of any characters makes one of its alphabet."""
    names = set()
    for token_id, key in ((1, "k"), (2, "k"), (1, "K"), (11, ""), (1, "1:k")):
        request = KeyedRequest(token_id=token_id, key=key, request_sha256="")
        names.add(Once(None, None, request, None).name)  # type: ignore[arg-type]
    assert len(names) == 5
    assert all(re.fullmatch(r"api-[0-9a-f]{48}", name) for name in names)


# --- what may be bought ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ({"value": "21.00", "currency": "GBP"}, "amount_not_offered"),
        ({"value": "0.00", "currency": "GBP"}, "invalid_amount"),
        ({"value": "-20.00", "currency": "GBP"}, "invalid_amount"),
        ({"value": "20.00", "currency": "EUR"}, "currency_mismatch"),
        ({"value": "9999999999999", "currency": "GBP"}, "invalid_amount"),
        ({"value": "1e1", "currency": "GBP"}, "invalid_request"),
        ({"value": 20, "currency": "GBP"}, "invalid_request"),
        ({"value": "20.0000001", "currency": "GBP"}, "invalid_request"),
        ({"value": "٢٠", "currency": "GBP"}, "invalid_request"),
        ({"value": "20.00\n", "currency": "GBP"}, "invalid_request"),
        ("20.00", "invalid_request"),
        (None, "invalid_request"),
    ],
)
async def test_a_wrong_amount_buys_nothing(site: Site, amount: object, code: str) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        answer = await client.post("/top-ups", json={"amount": amount}, headers=keyed())
    assert answer.json()["code"] == code
    assert answer.status_code == 422
    assert payments_of(site) == []


async def test_the_same_amount_within_a_minute_is_asked_about(site: Site) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        await buy(client, "one")
        asked = await buy(client, "two")
        assert (asked.status_code, asked.json()["code"]) == (409, "bought_just_now")
        assert (await buy(client, "three", confirmed=True)).status_code == 201
    assert len(payments_of(site)) == 2


# --- the refill ------------------------------------------------------------------------------


def rule(amount: str = "20.00", below: str = "10.00", **more: Any) -> dict[str, Any]:
    return {
        "amount": {"value": amount, "currency": "GBP"},
        "below": {"value": below, "currency": "GBP"},
        "consent": "I have read it.",
    } | more


async def test_a_refill_is_set_read_and_switched_off(site: Site) -> None:
    await save_card(site)
    await fill(site, "50")
    async with of_role(site, MANAGER) as client:
        done = (await client.put("/refill", json=rule())).json()
        assert done == (await client.get("/refill")).json()
        assert (done["state"], done["rule"]["below"]["value"]) == ("armed", "10.00")
        assert done["card"]["last_four"] == "4242"
        assert (await client.delete("/refill")).json()["state"] == "off"
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.state is PolicyState.OFF
    assert [action for action, _ in actions(site)][:2] == ["refill.off", "refill.set"]


async def test_what_was_read_is_kept_with_who_and_when(site: Site) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        name = (await client.get("/office")).json()["token"]
        await client.put("/refill", json=rule(consent="Visa 4242 is charged."))
    policy, _, _ = site.read(lambda reader: refill_status(reader, "main"))
    assert policy.consent is not None
    assert policy.consent.by == f"token:{name}"
    assert policy.consent.words == "Visa 4242 is charged."


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (rule("21.00"), "amount_not_offered"),
        (rule(below="0.00"), "invalid_amount"),
        (rule(day_max={"value": "1.00", "currency": "GBP"}), "invalid_rule"),
        (rule(below="9000000000000"), "invalid_rule"),
        (rule(month_max={"value": "1.00", "currency": "GBP"}), "invalid_rule"),
        (rule(consent="a\u202eb"), "invalid_text"),
        (rule(consent=""), "invalid_request"),
        ({}, "invalid_request"),
    ],
)
async def test_a_wrong_rule_changes_nothing(site: Site, body: Mapping[str, Any], code: str) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        answer = await client.put("/refill", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert (await client.get("/refill")).json()["state"] == "off"


async def test_what_is_not_paused_cannot_be_tried_again(site: Site) -> None:
    async with of_role(site, MANAGER) as client:
        answer = await client.post("/refill/try-again", headers=keyed())
    assert (answer.status_code, answer.json()["code"]) == (409, "refill_not_allowed")


# --- customer care ---------------------------------------------------------------------------


async def adjust(client: httpx.AsyncClient, key: str = "k", **changed: Any) -> httpx.Response:
    return await client.post("/adjustments", json=GRANT | changed, headers=keyed(key))


async def test_customer_care_adds_and_takes_what_is_free_and_no_more(site: Site) -> None:
    async with of_role(site, CARE) as client:
        added = (await adjust(client, "one")).json()
        assert added["available"] == {"value": "5.00", "currency": "GBP"}
        over = await adjust(
            client, "two", adjustment="deduct", amount={"value": "5.01", "currency": "GBP"}
        )
        assert (over.status_code, over.json()["code"]) == (409, "insufficient_balance")
        taken = await adjust(client, "three", adjustment="deduct", reason="added by mistake")
        assert taken.json()["available"] == {"value": "0.00", "currency": "GBP"}
        rows = (await client.get("/activity?show=money")).json()["rows"]
    assert [(row["kind"], row["amount"]["value"], row["reason"]) for row in rows] == [
        ("deduct", "-5.00", "added by mistake"),
        ("grant", "5.00", "an outage"),
    ]
    assert [action for action, _ in actions(site)] == ["balance.deduct", "balance.grant"]
    assert site.read(audit).problems == ()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"reason": ""}, "invalid_request"),
        ({"reason": "  "}, "invalid_text"),
        ({"reason": "a\u202eb"}, "invalid_text"),
        ({"amount": {"value": "0", "currency": "GBP"}}, "invalid_amount"),
        ({"amount": {"value": "1000000.01", "currency": "GBP"}}, "invalid_amount"),
        ({"amount": {"value": "1", "currency": "EUR"}}, "currency_mismatch"),
        ({"adjustment": "set"}, "invalid_request"),
    ],
)
async def test_a_wrong_adjustment_changes_nothing(
    site: Site, changed: Mapping[str, Any], code: str
) -> None:
    async with of_role(site, CARE) as client:
        answer = await adjust(client, **changed)
    assert answer.json()["code"] == code
    assert await balance(site) == "0.00 GBP"
    assert actions(site) == []


async def credited(site: Site) -> str:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        payment_id = (await buy(client)).json()["id"]
    [payment] = payments_of(site)
    await told(site, payment, succeeded(payment))
    return str(payment_id)


async def test_a_payment_is_cancelled_against_the_code_of_the_office_once(site: Site) -> None:
    payment_id = await credited(site)
    async with of_role(site, MANAGER) as manager:
        code = (await manager.post("/support-codes")).json()["code"]
    address, reason = f"/payments/{payment_id}/cancel", "by mistake"
    async with of_role(site, CARE) as client:
        for number, (typed, answered) in enumerate(
            (("00000000", "wrong_code"), (f"{code[:4]} {code[4:]}", None), (code, "wrong_code"))
        ):
            sent = {"code": typed, "reason": reason}
            answer = await client.post(address, json=sent, headers=keyed(f"c{number}"))
            assert answer.json().get("code") == answered
        again = await client.post(
            address, json={"code": f"{code[:4]} {code[4:]}", "reason": reason}, headers=keyed("c1")
        )
        assert again.status_code == 202
    assert payments_of(site)[0].state is State.REFUNDING
    assert await balance(site) == "0.00 GBP"


async def test_a_code_cannot_be_guessed(site: Site) -> None:
    payment_id = await credited(site)
    async with of_role(site, MANAGER) as manager:
        code = (await manager.post("/support-codes")).json()["code"]
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    async with of_role(site, CARE) as client:
        codes = []
        for number in range(ATTEMPTS_PER_ACCOUNT + 1):
            sent = {"code": wrong, "reason": "why"}
            address, headers = f"/payments/{payment_id}/cancel", keyed(f"g{number}")
            answer = await client.post(address, json=sent, headers=headers)
            codes.append(answer.json()["code"])
        right = await client.post(
            f"/payments/{payment_id}/cancel",
            json={"code": code, "reason": "why"},
            headers=keyed("right"),
        )
    assert codes == ["wrong_code"] * ATTEMPTS_PER_ACCOUNT + ["too_many_codes"]
    assert (right.status_code, right.json()["code"]) == (429, "too_many_codes")
    assert payments_of(site)[0].state is State.CREDITED


async def test_the_right_code_forgets_those_that_were_mistyped(site: Site) -> None:
    address = f"/payments/{await credited(site)}/cancel"
    for turn in ("one", "two"):
        async with of_role(site, MANAGER) as manager:
            code = (await manager.post("/support-codes")).json()["code"]
        async with of_role(site, CARE) as client:
            mistyped = [f"{(int(code) + 1) % 10**8:08d}"] * (ATTEMPTS_PER_ACCOUNT - 1)
            for number, typed in enumerate([*mistyped, code]):
                sent = {"code": typed, "reason": "why"}
                last = await client.post(address, json=sent, headers=keyed(f"{turn}{number}"))
            assert last.status_code == 202


def test_every_adjustment_is_known_to_forms_and_trail() -> None:
    assert set(ADJUSTMENTS) == set(Adjustment)
    assert {f"balance.{each}" for each in Adjustment} <= set(ACTIONS)
