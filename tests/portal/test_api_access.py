"""Every route of the API, tried by every program that must not use it."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import Message

from charging.people import Role
from db.api_tokens import find_token, revoke_token
from portal.access import (
    PUBLIC,
    Declared,
    May,
    UndeclaredRouteError,
    declarations,
    require_declared,
)
from portal.api import paths
from portal.api.access import Allowed
from portal.api.app import api_routes, bare_api
from portal.api.problems import PROBLEMS
from portal.api.reference import roles_of
from portal.app import portal_app
from portal.languages import load_catalogues
from portal.sessions import COOKIE
from tests.portal.money import save_card
from tests.portal.programs import fill, of_role, program, token
from tests.portal.site import ADDRESS, HOST, Site
from tests.portal.test_access import closed, path_of

KNOWN = {
    ("GET", "/api/v1/balance"),
    ("POST", "/api/v1/top-ups"),
    ("POST", "/api/v1/adjustments"),
    ("PATCH", "/api/v1/extensions/{endpoint}"),
    ("POST", "/api/v1/payments/{payment_id}/cancel"),
}
MOVES_MONEY = {
    "/api/v1/top-ups",
    "/api/v1/payments/{payment_id}/confirm",
    "/api/v1/payments/{payment_id}/cancel",
    "/api/v1/refill/try-again",
    "/api/v1/adjustments",
}
SENDS = {  # a mail, or a row that somebody waits for: once, too
    "/api/v1/users",
    "/api/v1/users/{user_id}/link",
    "/api/v1/billing/card-forms",
}
MOVES_NONE = {"/api/v1/calls/{call_id}/hang-up", "/api/v1/support-codes"}

Sent = Mapping[str, str]


def listed() -> list[tuple[str, APIRoute]]:
    return [(method, route) for route in api_routes() for method in sorted(route.methods or ())]


async def refusals(client: httpx.AsyncClient, sent: Sent) -> dict[str, tuple[int, str]]:
    """What each route answers."""
    found = {}
    for method, route in listed():
        answer = await client.request(method, f"{ADDRESS}{path_of(route)}", headers=sent, json={})
        code = answer.json()["code"] if "problem" in answer.headers["content-type"] else ""
        found[f"{method} {route.path}"] = (answer.status_code, code)
    return found


def test_the_list_of_routes_is_that_of_the_application(site: Site) -> None:
    """Red when FastAPI keeps routes elsewhere, and the tests below would try nothing."""
    served = {
        (method, route.path)
        for route in bare_api(site.parts).routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    known = {(method, route.path) for method, route in listed()}
    assert served - known == {("GET", paths.OPENAPI)}
    assert known > KNOWN
    assert all(roles_of(route) for _, route in listed())
    assert frozenset({paths.OPENAPI}) == paths.PUBLIC_PATHS


def revoke(site: Site, sent: str) -> None:
    known = site.read(lambda reader: find_token(reader, sent))
    assert known is not None
    name, now = known.name, site.clock.now()
    site.write(
        lambda writer: revoke_token(writer, name=name, office_id="main", by="cli:test", at=now)
    )


def _undeclared() -> list[APIRouter]:
    plain, page, twice = APIRouter(), APIRouter(), APIRouter()
    plain.get("/open")(lambda: None)
    page.get("/page", dependencies=[Depends(May(Role.VIEWER))])(lambda: None)
    twice.get("/both", dependencies=[PUBLIC, Depends(Allowed(Role.VIEWER))])(lambda: None)
    return [plain, page, twice]


@pytest.mark.parametrize("router", _undeclared())
def test_a_route_that_does_not_say_by_a_token_who_may_use_it_stops_the_start(
    router: APIRouter,
) -> None:
    app = FastAPI(openapi_url=None)
    app.router.routes.extend(router.routes)
    with pytest.raises(UndeclaredRouteError):
        require_declared(app.routes, by=Allowed)


def test_a_page_is_opened_by_no_token_and_declares_so() -> None:
    assert all(
        not isinstance(each, Allowed) for _, route in closed() for each in declarations(route)
    )
    assert issubclass(Allowed, Declared)


async def test_without_a_token_that_works_nothing_is_told(site: Site) -> None:
    revoked, expired = token(site), token(site, days=1)
    revoke(site, revoked)
    works, gone = token(site), token(site, office_id="closed-down")
    site.clock.advance(86_400)
    session = site.token("anna")
    sent: list[Sent] = [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {works}"},
        {"authorization": works},
        {"authorization": f"Bearer {works}x"},
        {"authorization": f"Bearer {'x' * 5000}"},
        {"authorization": f"Bearer {revoked}"},
        {"authorization": f"Bearer {expired}"},
        {"authorization": f"Bearer {gone}"},
        {"authorization": f"Bearer {session}"},
        {"cookie": f"{COOKIE}={session}"},
        {"cookie": f"{COOKIE}={works}; token={works}"},
    ]
    async with program(site) as client:
        for each in sent:
            found = await refusals(client, each)
            assert set(found.values()) == {(401, "unauthorised")}, each
        twice = await client.get(
            "/balance",
            headers=[("authorization", f"Bearer {works}"), ("authorization", "Bearer x")],
        )
        assert twice.status_code == 401
        assert twice.headers["www-authenticate"] == "Bearer"
        assert (await client.get(f"/balance?token={works}")).status_code == 401
        right = {"authorization": f"bEaReR {works}"}
        assert (await client.get("/balance", headers=right)).status_code == 200


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_what_is_its_own_and_nothing_else(site: Site, role: Role) -> None:
    async with of_role(site, role) as client:
        found = await refusals(client, {})
    refused = {name for name, answer in found.items() if answer == (403, "not_allowed")}
    assert refused == {
        f"{method} {route.path}" for method, route in listed() if role not in roles_of(route)
    }


def test_only_managers_and_customer_care_change_anything_each_their_own() -> None:
    changing = {
        f"{method} {route.path}": roles_of(route) for method, route in listed() if method != "GET"
    }
    assert set(changing.values()) == {(Role.MANAGER,), (Role.CUSTOMER_CARE,)}
    assert {name for name, roles in changing.items() if roles == (Role.CUSTOMER_CARE,)} == {
        "POST /api/v1/adjustments",
        "POST /api/v1/payments/{payment_id}/cancel",
    }


async def test_every_post_that_moves_money_or_sends_something_wants_a_key(site: Site) -> None:
    posts = {route.path for method, route in listed() if method == "POST"}
    assert posts == MOVES_MONEY | SENDS | MOVES_NONE
    for method, route in listed():
        if method != "POST" or route.path in MOVES_NONE:
            continue
        async with of_role(site, roles_of(route)[0]) as client:
            for key in (None, "", "a b", "é", "x" * 129):
                headers = [] if key is None else [(b"idempotency-key", key.encode())]
                answer = await client.request(
                    method, f"{ADDRESS}{path_of(route)}", headers=headers, json={}
                )
                assert answer.json()["code"] == "idempotency_key_missing", (route.path, key)
                assert answer.status_code == 400


async def test_a_manager_of_another_office_finds_nothing_of_this_one(site: Site) -> None:
    await fill(site, "20")
    await save_card(site)
    wanted = {"amount": {"value": "20.00", "currency": "GBP"}}
    async with of_role(site, Role.MANAGER) as client:
        made = await client.post("/top-ups", json=wanted, headers={"idempotency-key": "k"})
        payment = made.json()["id"]
    keyed = {"idempotency-key": "k"}
    for role in (Role.MANAGER, Role.CUSTOMER_CARE, Role.VIEWER):
        async with of_role(site, role, "nice") as client:
            everything = ""
            for path in ("office", "balance", "activity", "payments", "receipts", "extensions"):
                everything += (await client.get(f"/{path}")).text
            everything += (await client.get("/audit-trail")).text
            assert payment not in everything
            assert "1001" not in everything
            assert "20.00" not in everything
            for path in (f"payments/{payment}", "receipts/1", "extensions/1001", "calls/c1"):
                assert (await client.get(f"/{path}")).status_code == 404, path
    async with of_role(site, Role.MANAGER, "nice") as client:
        changed = await client.patch("/extensions/1001", json={"language": "fr"})
        assert changed.status_code == 404
        confirmed = await client.post(f"/payments/{payment}/confirm", headers=keyed)
        assert confirmed.status_code == 404
        assert (await client.post("/calls/c1/hang-up")).status_code == 404
    async with of_role(site, Role.CUSTOMER_CARE, "nice") as client:
        cancel = {"code": "12345678", "reason": "not mine"}
        cancelled = await client.post(f"/payments/{payment}/cancel", json=cancel, headers=keyed)
        assert cancelled.status_code == 404


async def test_a_token_opens_no_page(site: Site) -> None:
    sent = {"authorization": f"Bearer {token(site, Role.MANAGER)}"}
    async with site.browser() as browser:
        for method, route in closed():
            answer = await browser.request(method, path_of(route), headers=sent)
            assert answer.headers["location"].startswith("/sign-in"), route.path


async def test_a_page_of_another_site_does_not_ask_with_somebodys_browser(site: Site) -> None:
    """It could not send the token; and if it could, it would still be refused."""
    works = token(site, Role.MANAGER)
    async with program(site, works) as client:
        for said in (
            {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
            {"origin": "https://evil.example"},
            {"sec-fetch-site": "same-site"},
        ):
            answer = await client.post("/support-codes", headers=said)
            assert (answer.status_code, answer.json()["code"]) == (403, "refused")
        asked = await client.options(
            "/balance",
            headers={"origin": "https://evil.example", "access-control-request-method": "GET"},
        )
        assert asked.status_code == 405
        assert not [name for name in asked.headers if name.startswith("access-control")]
        assert (await client.post("/support-codes")).status_code == 201


async def asked(site: Site, path: str, sent: Sent) -> tuple[int, bytes]:
    """Exactly this path: clients tidy it up before they send it."""
    came: list[Message] = []

    async def send(message: Message) -> None:
        came.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (name.encode(), value.encode()) for name, value in {"host": HOST, **sent}.items()
        ],
    }
    await portal_app(site.parts, hosts={HOST})(scope, receive, send)
    return came[0]["status"], b"".join(message.get("body", b"") for message in came[1:])


async def test_a_path_is_asked_for_as_it_is_written(site: Site) -> None:
    """Red when the tests of tricks below would not reach anything."""
    sent = {"authorization": f"Bearer {token(site)}"}
    status, body = await asked(site, "/api/v1/balance", sent)
    assert (status, b"available" in body) == (200, True)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/",
        "/api/v1//balance",
        "/api/v1/../v1/balance",
        "/api/v1/%2e%2e/v1/balance",
        "/api/v1/balance/",
        "/api/v1/BALANCE",
        "/api/v2/balance",
        "//api/v1/balance",
        "/api/v1/../../users",
        "/api/v1/..%2f..%2fusers",
        "/api/v1/payments/..%2f..%2fusers",
        "/api/v1/calls/%00",
        "/api/v1/calls/%0d%0aset-cookie:x",
        "/./api/v1/balance",
    ],
)
async def test_tricks_with_paths_find_nothing(site: Site, path: str) -> None:
    """Neither with a token nor with a session, and least of all with both."""
    works, session = token(site, Role.MANAGER), site.token("anna")
    sent = {"authorization": f"Bearer {works}", "cookie": f"{COOKIE}={session}"}
    status, body = await asked(site, path, sent)
    assert status in {404, 422}
    assert b"anna@example.com" not in body


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"headers": {"host": "evil.example"}}, "another_host"),
        ({"content": b"x" * 10_000_000}, "too_large"),
        ({"params": {"number": "1" * 3000}}, "address_too_long"),
        ({"content": b"{"}, "invalid_request"),
        ({"content": b"[]"}, "invalid_request"),
        ({"content": b"\xff\xfe"}, "invalid_request"),
        ({"content": b'{"a":' * 5000}, "invalid_request"),
    ],
)
async def test_a_request_that_is_none_is_refused_in_the_same_form(
    site: Site, sent: Mapping[str, object], code: str
) -> None:
    keyed = {"idempotency-key": "k", "content-type": "application/json"}
    more = dict(sent)
    headers = {**keyed, **more.pop("headers", {})}  # type: ignore[dict-item]
    async with of_role(site, Role.MANAGER) as client:
        answer = await client.post("/top-ups", headers=headers, **more)  # type: ignore[arg-type]
    assert answer.json()["code"] == code
    assert answer.status_code == PROBLEMS[code].status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "unsafe" not in answer.headers["content-security-policy"]


async def test_a_problem_is_told_in_the_language_that_is_asked_for(site: Site) -> None:
    async with of_role(site, Role.MANAGER) as client:
        french = await client.get("/calls/c1", headers={"accept-language": "fr-CA, en;q=0.5"})
        english = await client.get("/calls/c1", headers={"cookie": "tollgate_language=fr"})
        fields = await client.put("/refill", json={"more": 1}, headers={"accept-language": "fr"})
    catalogue = load_catalogues()["fr"]
    assert french.json()["detail"] == catalogue.gettext("The office has no such call.")
    assert english.json()["detail"] == "The office has no such call."
    problem = catalogue.gettext("There is no such field.")
    assert {"where": "body.more", "problem": problem} in fields.json()["errors"]
    assert problem != "There is no such field."
    assert all(re.search(r"[.”]$", known.sentence) for known in PROBLEMS.values())
