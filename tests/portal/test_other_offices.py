"""Every page, and every address of the API, asked for by another office with this one's names."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from charging.people import Role
from portal.api.app import api_routes
from tests.portal.programs import of_role
from tests.portal.served import CARD_FORM, lived_in
from tests.portal.site import ADDRESS, Site
from tests.portal.test_access import closed

# What somebody of another office might send: forms and JSON of this one's names.
FORM = {
    "amount": "20.00",
    "key": "0" * 32,
    "rule": "20.00:10.00",
    "name": "Eve",
    "language": "fr",
    "role": "viewer",
    "address": "eve@example.com",
    "level": "7",
    "code": "00000000",
    "reason": "why",
    "adjustment": "grant",
    "allow": "included",
}


@pytest.fixture
def week(tmp_path: Path) -> Iterator[Site]:
    with lived_in(tmp_path) as site:
        yield site


def names_of(site: Site) -> dict[str, str]:
    def one(query: str) -> str:
        with site.engine.connect() as reader:
            return str(reader.execute(text(query)).scalar_one())

    return {
        "call_id": one("SELECT call_id FROM calls WHERE office_id = 'main' LIMIT 1"),
        "payment_id": one("SELECT payment_id FROM payments WHERE state = 'credited' LIMIT 1"),
        "number": "1",
        "endpoint": "1001",
        "form_id": CARD_FORM,
        "user_id": str(site.users["anna"].user_id),
    }


def named(path: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "1"), path)


def rows_of_main(site: Site) -> Mapping[str, list[str]]:
    """Everything that is stored of the office that is asked for."""
    found = {}
    inspected = inspect(site.engine)
    with site.engine.connect() as reader:
        for table in inspected.get_table_names():
            columns = {column["name"] for column in inspected.get_columns(table)}
            if "office_id" in columns and table != "user_sessions":
                query = text(f"SELECT * FROM {table} WHERE office_id = 'main'")  # noqa: S608 - ours
                found[table] = sorted(map(repr, reader.execute(query)))
    return found


def test_what_is_compared_is_there(week: Site) -> None:
    rows = rows_of_main(week)
    assert all(rows[table] for table in ("calls", "payments", "receipts", "office_users", "cards"))
    assert named("/payments/{payment_id}/cancel", names_of(week)).count("/") == 3


@pytest.mark.parametrize("who", ["remi", "carol"])
async def test_no_page_tells_or_changes_anything_of_another_office(week: Site, who: str) -> None:
    """Carol is customer care of both, and is in the other one."""
    names, before = names_of(week), rows_of_main(week)
    secrets = {names["call_id"], names["payment_id"], CARD_FORM, "MAIN-0", "anna@example.com"}
    async with week.browser(who) as browser:
        if who == "carol":
            await browser.post("/office", data={"office": "nice"})
        for method, route in closed():
            if route.path in {"/office", "/sign-out", "/sessions/end-others"}:
                continue
            path = named(route.path, names)
            data = FORM if method == "POST" else None
            answer = await browser.request(method, path, data=data)
            assert answer.status_code in {200, 303, 403, 404, 409, 422}, path
            if "{" in route.path:
                assert answer.status_code in {403, 404, 422}, path
            told = {secret for secret in secrets if secret in answer.text and secret not in path}
            assert told == set(), path
    assert rows_of_main(week) == before


@pytest.mark.parametrize("role", list(Role))
async def test_no_token_tells_or_changes_anything_of_another_office(week: Site, role: Role) -> None:
    names, before = names_of(week), rows_of_main(week)
    amount = {"value": "20.00", "currency": "EUR"}
    body = {"amount": amount, "below": amount, "consent": "yes", "adjustment": "grant"}
    secrets = {names["call_id"], names["payment_id"], "MAIN-0", "anna@example.com", "GBP"}
    async with of_role(week, role, "nice") as client:
        for route in api_routes():
            (method,) = sorted(route.methods or ())
            path = named(route.path, names | {"by": "day", "country": "FR"})
            answer = await client.request(
                method,
                f"{ADDRESS}{path}",
                json=body | {"reason": "why", "code": "00000000"},
                headers={"idempotency-key": "k"},
            )
            assert answer.status_code < 500, path
            assert {secret for secret in secrets if secret in answer.text} == set(), path
    assert rows_of_main(week) == before
