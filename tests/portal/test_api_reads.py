"""What programs read is what the ledger says, in amounts that nothing rounds."""

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from charging.people import Role
from charging.receipts import ReceiptKind
from db.call_requests import requests_of
from db.managers_settings import read_settings
from db.money_reads import last_receipts
from portal.api.calls_models import CallOutcome
from tests.portal.money import save_card, succeeded, told
from tests.portal.programs import of_role
from tests.portal.served import lived_in
from tests.portal.site import Site
from tests.portal.test_api_money import MANAGER, keyed, payments_of

VIEWER = Role.VIEWER


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with lived_in(tmp_path_factory.mktemp("api-reads")) as site:
        yield site


async def read(site: Site, address: str, role: Role = VIEWER) -> Any:
    async with of_role(site, role) as client:
        answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def every_page(site: Site, address: str, name: str) -> list[dict[str, Any]]:
    found, after = [], ""
    async with of_role(site, VIEWER) as client:
        while True:
            page = (await client.get(f"{address}{after}")).json()
            found += page[name]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"


def units(amount: dict[str, str]) -> Decimal:
    assert amount["currency"] == "GBP"
    return Decimal(amount["value"])


async def test_opening_balance_and_all_rows_are_the_closing_balance(week: Site) -> None:
    address = "/activity?since=2026-11-01T00:00:00Z&limit=37"
    totals = (await read(week, address))["totals"]
    rows = await every_page(week, address, "rows")
    moved = [row for row in rows if row["what"] != "refused"]
    assert {row["what"] for row in rows} == {"call", "money", "refused"}
    amounts = sum(units(row["amount"]) for row in moved)
    assert units(totals["opening"]) + amounts == units(totals["closing"])
    money = sum(units(amount) for amount in totals["money"].values())
    assert units(totals["opening"]) + money + units(totals["calls"]) == units(totals["closing"])
    for later, earlier in pairwise(moved):
        assert units(earlier["balance_after"]) + units(later["amount"]) == units(
            later["balance_after"]
        )
    balance = (await read(week, "/balance"))["available"]
    assert balance == moved[0]["balance_after"]


async def test_every_call_is_listed_once_and_opens(week: Site) -> None:
    calls = await every_page(week, "/calls?limit=50", "calls")
    assert len({call["id"] for call in calls}) == len(calls) > 100
    outcomes = {CallOutcome(call["outcome"]) for call in calls}
    assert outcomes >= {CallOutcome.PAID, CallOutcome.INCLUDED, CallOutcome.REFUSED}
    for outcome in outcomes:
        one = next(call for call in calls if call["outcome"] == outcome)
        opened = await read(week, f"/calls/{one['id']}")
        assert {name: opened[name] for name in one} == one
        assert (opened["price"] is not None) == (outcome is CallOutcome.PAID)
        assert (one["refusal"] is not None) == (outcome is CallOutcome.REFUSED)


async def test_a_paid_call_adds_up(week: Site) -> None:
    [call] = (await read(week, "/calls?outcome=paid&limit=1"))["calls"]
    price = (await read(week, f"/calls/{call['id']}"))["price"]
    parts = sum(units(price[part]) for part in ("connection", "per_call", "time"))
    assert parts == units(price["price"])
    assert units(price["price"]) - units(price["unpaid"]) == units(price["charged"])
    assert call["cost"] == price["charged"]


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("outcome=included", "outcome", "included"),
        ("phone=1001", "phone", "1001"),
        ("country=FR", "country", "FR"),
    ],
)
async def test_a_filter_leaves_out_the_rest(week: Site, query: str, field: str, value: str) -> None:
    calls = (await read(week, f"/calls?{query}"))["calls"]
    assert calls
    found = {call["phone"]["endpoint"] if field == "phone" else call[field] for call in calls}
    assert found == {value}


async def test_moments_are_in_utc_and_read_in_any_zone(week: Site) -> None:
    there = await read(week, "/calls?since=2026-11-18T00:00:00Z&limit=1")
    here = await read(week, "/calls?since=2026-11-18T01:00:00%2B01:00&limit=1")
    assert there == here
    [call] = there["calls"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", call["started_at"])


@pytest.mark.parametrize(
    "query",
    [
        *("since=2026-11-18", "since=2026-11-18T00:00:00", "since=0001-01-01T00:00:00%2B14:00"),
        *("number=%2B", "number=1e3", "country=fr", "outcome=never", "limit=0", "limit=201"),
        *("sinec=2026-11-18T00:00:00Z", "Limit=1", "token=x"),
        *("after=x", "after=1.%00", f"after={'9' * 300}", "phone=%00"),
    ],
)
async def test_a_wrong_filter_is_refused(week: Site, query: str) -> None:
    async with of_role(week, VIEWER) as client:
        for address in ("/calls", "/activity"):
            if "outcome" in query and address == "/activity":
                continue
            answer = await client.get(f"{address}?{query}")
            assert answer.status_code == 422, address
            assert answer.json()["code"] in {"invalid_request", "invalid_cursor"}


async def test_reports_add_up_to_the_same(week: Site) -> None:
    totals = set()
    for by in ("day", "country", "extension"):
        report = await read(week, f"/reports/{by}?first=2026-11-01&last=2026-11-30")
        assert (report["first"], report["last"]) == ("2026-11-01", "2026-11-30")
        totals.add(sum(units(line["spent"]) for line in report["lines"]))
    assert len(totals) == 1
    assert totals.pop() > 0
    month = (await read(week, "/reports/day"))["first"]
    assert month == "2026-11-01"


@pytest.mark.parametrize(
    ("number", "category", "per_minute"),
    [
        ("0033612345678", "paid", "0.10"),
        ("%2B33612345678", "paid", "0.10"),
        ("0081312345678", "paid", None),  # and there is no price
        ("02079460000", "included", None),
        ("08001111", "free", None),
        ("999", "emergency", None),
        ("00870773111632", "barred", None),
    ],
)
async def test_rates_are_those_of_a_real_call(
    site: Site, number: str, category: str, per_minute: str | None
) -> None:
    found = await read(site, f"/rates/numbers/{number}")
    assert found["category"] == category
    rate = found["rate"]
    assert (None if rate is None else rate["per_minute"]["value"]) == per_minute


async def test_a_country_has_its_prices_and_a_place_that_is_none_has_not(site: Site) -> None:
    found = await read(site, "/rates/countries/FR")
    assert {each["category"] for each in found["kinds"]} >= {"paid"}
    async with of_role(site, VIEWER) as client:
        for country, status in (("ZZ", 404), ("fr", 422), ("FRA", 422)):
            assert (await client.get(f"/rates/countries/{country}")).status_code == status
        unknown = await client.get("/rates/numbers/12345678901234567890")
    assert unknown.json()["code"] == "invalid_number"


async def test_a_receipt_is_read_and_drawn(site: Site) -> None:
    await save_card(site)
    async with of_role(site, MANAGER) as client:
        wanted = {"amount": {"value": "20.00", "currency": "GBP"}}
        await client.post("/top-ups", json=wanted, headers=keyed())
        [payment] = payments_of(site)
        await told(site, payment, succeeded(payment))
        [listed] = (await client.get("/receipts")).json()["receipts"]
        shown = (await client.get("/receipts/1")).json()
        assert shown == listed
        assert (shown["name"], shown["kind"]) == ("MAIN-000001", "receipt")
        assert shown["total"] == {"value": "20.00", "currency": "GBP"}
        assert (shown["net"]["value"], shown["vat"]["value"]) == ("16.67", "3.33")
        assert shown["vat_percent"] == "20.00"
        drawn = await client.get("/receipts/1/pdf")
        assert drawn.content.startswith(b"%PDF-")
        assert drawn.headers["content-type"] == "application/pdf"
        assert "MAIN-000001.pdf" in drawn.headers["content-disposition"]
        for path in ("/receipts/2", "/receipts/2/pdf"):
            assert (await client.get(path)).json()["code"] == "unknown_receipt"
        assert (await client.get("/receipts?after=1")).json()["receipts"] == []
    (issued,) = site.read(lambda reader: last_receipts(reader, payment.office_id, 10))
    assert (issued.kind, issued.payment_id) == (ReceiptKind.RECEIPT, payment.payment_id)


async def test_payments_are_read_page_by_page(week: Site) -> None:
    payments = await every_page(week, "/payments?limit=1", "payments")
    assert [payment["id"] for payment in payments] == [
        payment.payment_id for payment in payments_of(week)
    ]
    async with of_role(week, VIEWER) as client:
        unknown = await client.get("/payments?after=nobody")
    assert unknown.json()["code"] == "invalid_cursor"


# --- extensions ------------------------------------------------------------------------------


async def set_extension(site: Site, body: dict[str, Any], role: Role = MANAGER) -> httpx.Response:
    async with of_role(site, role) as client:
        return await client.patch("/extensions/1001", json=body)


async def test_a_manager_sets_what_no_file_fixes_and_unsets_it(site: Site) -> None:
    limit = {"value": "2.50", "currency": "GBP"}
    wanted = {"language": "fr", "allow": ["national", "included"], "day_limit": limit}
    shown = (await set_extension(site, wanted | {"calls_at_once": 2})).json()
    assert (shown["language"], shown["calls_at_once"]) == ("fr", 2)
    assert (shown["allow"], shown["day_limit"]) == (["included", "national"], limit)
    assert shown["said_by"]["name"] == "file"
    assert shown["said_by"]["day_limit"] == "manager"
    assert shown == await read(site, "/extensions/1001")
    again = (await set_extension(site, {"day_limit": None, "allow": []})).json()
    assert (again["day_limit"], again["allow"], again["language"]) == (None, [], "fr")
    kept = site.read(read_settings)["main", "1001"]
    assert {name: each.text for name, each in kept.items()} == {
        "language": "fr",
        "allow": "nothing",
        "calls_at_once": "2",
    }
    trail = await read(site, "/audit-trail")
    made = [each for each in trail["changes"] if each["action"] != "token.add"]
    assert {each["action"] for each in made} == {"extension.set"}
    assert {each["by"].partition(":")[0] for each in made} == {"token"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Somebody else"}, 409, "set_by_file"),
        ({"language": "de"}, 422, "invalid_request"),
        ({"day_limit": {"value": "-1", "currency": "GBP"}}, 422, "invalid_amount"),
        ({"day_limit": {"value": "1", "currency": "EUR"}}, 422, "currency_mismatch"),
        ({"allow": ["everything"]}, 422, "invalid_request"),
        ({"calls_at_once": -1}, 422, "invalid_request"),
        ({"endpoint": "1002"}, 422, "invalid_request"),
    ],
)
async def test_a_wrong_setting_is_told_and_none_is_kept(
    site: Site, body: dict[str, Any], status: int, code: str
) -> None:
    month = {"month_limit": {"value": "7.00", "currency": "GBP"}}
    answer = await set_extension(site, month | body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("main", "1001") not in site.read(read_settings)


async def test_what_a_file_says_may_be_sent_back_unchanged(site: Site) -> None:
    shown = await read(site, "/extensions/1001")
    assert (await set_extension(site, {"name": shown["name"]})).status_code == 200


async def test_a_paid_call_is_asked_to_end_and_one_that_is_not_paid_is_not_there(
    week: Site,
) -> None:
    with week.engine.connect() as reader:
        paid = reader.execute(text("SELECT call_id FROM calls LIMIT 1")).scalar_one()
        unpaid = reader.execute(text("SELECT call_id FROM unpaid_calls LIMIT 1")).scalar_one()
    async with of_role(week, MANAGER) as client:
        first = await client.post(f"/calls/{paid}/hang-up")
        again = await client.post(f"/calls/{paid}/hang-up")
        assert first.status_code == again.status_code == 202
        assert first.json()["id"] == again.json()["id"]
        other = await client.post(f"/calls/{unpaid}/hang-up")
        assert other.json()["code"] == "unknown_call"
        opened = (await client.get(f"/calls/{paid}")).json()
        assert [each["call"] for each in opened["hang_ups"]] == [paid]
    [asked] = week.read(lambda reader: requests_of(reader, paid))
    assert asked.actor.startswith("token:manager-")


async def test_an_office_that_never_had_money_has_amounts_in_its_currency(site: Site) -> None:
    found = await read(site, "/activity")
    assert found["totals"]["closing"] == {"value": "0.00", "currency": "GBP"}
    assert (await read(site, "/live-calls"))["calls"] == []
    async with of_role(site, VIEWER, "nice") as client:
        balance = (await client.get("/balance")).json()
    assert balance["available"] == {"value": "0.00", "currency": "EUR"}
